"""What a client is counted by: one customer, however their address is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.net.client_key import client_key


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_ipv4_client_is_the_same_one_mapped_into_ipv6(address: IPv4Address) -> None:
    mapped = IPv6Address(int(address) | 0xFFFF << 32)
    assert client_key(str(address)) == client_key(f"::ffff:{address}") == client_key(str(mapped)) == str(address)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
def test_a_network_of_64_bits_is_one_client(address: int, host: int) -> None:
    one, other = IPv6Address(address), IPv6Address(address >> 64 << 64 | host)
    if one.ipv4_mapped is None and other.ipv4_mapped is None:
        assert client_key(str(one)) == client_key(str(other))
        assert client_key(str(one)) != client_key(str(IPv6Address(address ^ 1 << 64)))


@pytest.mark.parametrize("text", ["", "testclient", "unix:", "1.2.3"])
def test_what_is_no_address_is_counted_as_it_is(text: str) -> None:
    assert client_key(text) == text
