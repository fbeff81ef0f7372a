"""Which addresses are the public internet's, in every form that they are written in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.net.address_guard import AddressError, everything, is_own_network, is_public, lookup, only_admitted

PRIVATE_V4 = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
]
PUBLIC_V4 = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "168.63.129.17",
]
PRIVATE_V6 = [
    "::",
    "::1",
    "::7f00:1",
    "::8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b:1::808:808",
    "64:ff9b:1:7f00:0:100::",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "2400:cb00::5efe:7f00:1",
    "2400:cb00::200:5efe:a9fe:a9fe",
]
PUBLIC_V6 = ["2606:4700::1111", "2001:4860:4860::8888", "2400:cb00::1", "2a00:1450::1", "2400:cb00::5efe:808:808"]


def carriers(address: str) -> list[str]:
    """The IPv6 addresses that lead to an IPv4 one."""
    number = int(IPv4Address(address))
    return [
        str(IPv6Address((0xFFFF << 32) | number)),
        str(IPv6Address((0x0064_FF9B << 96) | number)),
        str(IPv6Address((0x2002 << 112) | (number << 80))),
        str(IPv6Address((0x2002 << 112) | (number << 80) | 1)),
    ]


@pytest.mark.parametrize("address", [*PRIVATE_V4, *PRIVATE_V6, *[one for v4 in PRIVATE_V4 for one in carriers(v4)]])
def test_a_private_address_is_not_public_however_it_is_carried(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC_V4, *PUBLIC_V6, *[one for v4 in PUBLIC_V4 for one in carriers(v4)]])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4).filter(lambda address: not is_public(str(address))), st.booleans())
def test_teredo_never_leads_to_a_private_address(address: IPv4Address, as_server: bool) -> None:
    server, client = (int(address), 0) if as_server else (0, int(address) ^ 0xFFFF_FFFF)
    assert not is_public(str(IPv6Address((0x2001_0000 << 96) | (server << 64) | client)))


OWN = ["localhost", "127.0.0.1", "127.9.9.9", "10.0.0.5", "172.31.0.1", "192.168.1.9", "100.64.0.9", "::1", "fd12::5",
       "::ffff:10.0.0.5", "::ffff:100.64.0.9"]  # fmt: skip
"""Loopback, private and shared address space, unique local addresses; also as IPv4-mapped ones."""
NEITHER = [
    "0.0.0.0", "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.2.1", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fe80::1%eth0", "fd12::5%eth0", "ff02::1", "2001:db8::1",
    "fd00:ec2::254", "64:ff9b::a00:5", "64:ff9b:1::a00:5", "2002:a00:5::1", "::ffff:169.254.169.254",
    "2001:0:a00:5::1", "2400:cb00::5efe:a00:5",
]  # fmt: skip
"""Not public, and no place for a proxy of one's own: link-local, metadata of clouds, documentation, multicast,
reserved, and what leads through a translator or a tunnel."""


@pytest.mark.parametrize("host", OWN)
def test_an_address_of_ones_own_network_is_one(host: str) -> None:
    assert is_own_network(host) and not is_public(host)


@pytest.mark.parametrize("host", NEITHER)
def test_what_is_neither_public_nor_ones_own_is_neither(host: str) -> None:
    assert not is_own_network(host) and not is_public(host)


@pytest.mark.parametrize(
    "host",
    [*PUBLIC_V4, *PUBLIC_V6, *[one for v4 in PUBLIC_V4 for one in carriers(v4)], "", "127.1", "2130706433",
     "0x7f000001", "localhost.", "localhost.evil.example", "10.0.0.5.evil.example", "metadata.google.internal"],
)  # fmt: skip
def test_public_addresses_and_names_are_not_ones_own(host: str) -> None:
    assert not is_own_network(host)


@given(st.text(max_size=40))
def test_what_is_no_address_is_not_public(text: str) -> None:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        if ":" not in text:
            assert not is_public(text)


@pytest.mark.parametrize(
    "host",
    [
        "metadata.google.internal",
        "METADATA.google.internal.",
        "x.localhost",
        "localhost",
        "printer.local",
        "a.home.arpa",
    ],
)
def test_a_name_of_a_private_network_is_refused_without_asking_for_it(host: str) -> None:
    with pytest.raises(AddressError) as caught:
        lookup(host, 80, is_public)
    assert caught.value.refused


def test_who_may_reach_private_addresses_may_reach_all() -> None:
    assert "127.0.0.1" in lookup("localhost", 80, everything)


# --- sockets of other libraries -----------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_within_no_socket_reaches_an_address_that_is_not_admitted(listener: socket.socket) -> None:
    place = listener.getsockname()
    with only_admitted(is_public) as watch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        for attempt in (
            lambda: socket.create_connection(place, 5),
            lambda: socket.create_connection(("localhost", place[1]), 5),
            lambda: socket.socket().connect(place),
            lambda: socket.socket().connect_ex(place),
            lambda: socket.socket().connect(("localhost", place[1])),
            lambda: packets.sendto(b"x", place),
            lambda: packets.sendto(b"x", 0, place),
            lambda: packets.sendmsg([b"x"], [], 0, place),
        ):
            with pytest.raises(PermissionError, match="private address"):
                attempt()
    assert watch.refusal is not None and watch.refusal.refused


def test_a_thread_with_the_context_is_watched_and_what_is_outside_is_not(listener: socket.socket) -> None:
    place = listener.getsockname()
    with ThreadPoolExecutor(1) as pool:
        with only_admitted(is_public):
            inside = pool.submit(copy_context().run, socket.create_connection, place, 5)
            with pytest.raises(PermissionError):
                inside.result()
            pool.submit(socket.create_connection, place, 5).result().close()
        socket.create_connection(place, 5).close()


def test_an_admitted_address_is_reached(listener: socket.socket) -> None:
    with only_admitted("127.0.0.1".__eq__) as watch:
        socket.create_connection(listener.getsockname(), 5).close()
    assert watch.refusal is None
