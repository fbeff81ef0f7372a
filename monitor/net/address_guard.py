"""Which addresses a URL that somebody else chose may lead to: the public internet's, checked where they are used.

A name is looked up once and the connection goes to the address that was checked, so that a name which answers
differently the second time gains nothing. See :func:`lookup` for our own client, and :func:`only_admitted` for
libraries that open their connections themselves.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Admits = Callable[[str], bool]
"""Whether an IP address may be connected to."""

HOW_TO_ALLOW = "see MONITOR_ALLOW_PRIVATE_TARGETS"

# IANA's registries of special-purpose addresses (RFC 6890 and its updates), written out: what Python calls global
# differs between its releases.
_NO_PUBLIC_V4 = [
    IPv4Network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
        # Azure's WireServer, which tells a machine's secrets at an address that looks public.
        "168.63.129.16/32",
    )
]  # fmt: skip
_PUBLIC_V6 = IPv6Network("2000::/3")
_NO_PUBLIC_V6 = [
    IPv6Network(net)
    for net in (
        # Teredo (2001::/32), benchmarking, ORCHID and other protocol assignments; documentation.
        "2001::/23", "2001:db8::/32", "3fff::/20",
    )
]  # fmt: skip
_OWN = [
    ip_network(net)
    for net in (
        # Loopback, private use (RFC 1918), shared address space (RFC 6598, which overlay networks use), unique local.
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7",
    )
]  # fmt: skip
_METADATA = {ip_address(one) for one in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")}
"""Where clouds tell a machine's secrets, at addresses that look like those of one's own network."""
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = {0x00005EFE, 0x02005EFE}

_PRIVATE_ENDINGS = (
    ".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan", ".intranet", ".corp", ".private",
)  # fmt: skip
"""How names end of one's own network (RFC 6762, RFC 8375, ICANN's .internal) and of clouds' metadata."""


class AddressError(Exception):
    """An address that cannot be used. ``refused``: because it may not be connected to, rather than not found."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.refused = refused


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; an IPv6 address that carries an IPv4 one counts as it.

    What is no IP address, or has a zone, is not public.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NO_PUBLIC_V4)
    if ip.scope_id is not None:
        return False
    carried = _carried(ip)
    if carried is not None and not is_public(str(carried)):
        return False
    if ip.ipv4_mapped or ip in _NAT64:
        return True
    return ip in _PUBLIC_V6 and not any(ip in network for network in _NO_PUBLIC_V6)


def is_own_network(host: str) -> bool:
    """Whether the host of a URL is in the operator's own network: this machine by name, or an IP address in it.

    Not all that is not public is one's own: link-local, multicast, reserved and documentation addresses, metadata of
    clouds, and what a translator (NAT64) or tunnel (6to4, Teredo) leads elsewhere are neither.
    """
    try:
        ip = ip_address(host)
    except ValueError:
        return host == "localhost"
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return False
        ip = ip.ipv4_mapped or ip
    return ip not in _METADATA and any(ip in network for network in _OWN)


def _carried(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which a mapped, translated (NAT64) or tunnelled (6to4, ISATAP) address leads."""
    if ip in _NAT64 or (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour


def everything(_address: str) -> bool:
    """Admits every address: for those whose operator has said so."""
    return True


def admitting(allow_private: bool) -> Admits:
    """Every address where private ones are allowed, else the public ones."""
    return everything if allow_private else is_public


def lookup(host: str, port: int, admits: Admits) -> list[str]:
    """The addresses of ``host``, looked up once. Raises AddressError: it has none, or one of them is refused."""
    if admits is not everything and _is_private_name(host):
        raise _refusal(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError(f"{host} is not found", refused=False) from None
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    # One private address among public ones is enough: nobody needs that, but for getting past this check.
    if not all(admits(address) for address in addresses):
        raise _refusal(host)
    return addresses


def _is_private_name(host: str) -> bool:
    return f".{host.lower().rstrip('.')}".endswith(_PRIVATE_ENDINGS)


def _refusal(host: str) -> AddressError:
    return AddressError(f"{host} has a private address, refused ({HOW_TO_ALLOW})", refused=True)


# --- libraries that connect by themselves -------------------------------------------------------------------


class Watch:
    """One use of :func:`only_admitted`. ``refusal``: of the first address that was not connected to, else None."""

    def __init__(self, admits: Admits) -> None:
        self._admits = admits
        self.refusal: AddressError | None = None

    def check(self, address: Any) -> None:
        """Raises PermissionError for an address of the internet that is not admitted, or is a name."""
        if isinstance(address, tuple) and not self._admits(str(address[0])):
            refusal = _refusal(str(address[0]))
            self.refusal = self.refusal or refusal
            raise PermissionError(str(refusal))


_watch: ContextVar[Watch | None] = ContextVar("only_admitted", default=None)


@contextmanager
def only_admitted(admits: Admits) -> Iterator[Watch]:
    """Within, Python's sockets connect and send to admitted addresses only, whichever library opens them.

    Holds for this thread, for its tasks, and for threads that run in a copy of its context; elsewhere nothing changes.
    """
    _watch_sockets()
    watch = Watch(admits)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def _watch_sockets() -> None:
    """Makes sockets heed :func:`only_admitted`, once a process.

    An audit hook would see the same, but costs half a microsecond for each event that it does not want: for every
    ``id()``, too.
    """
    if getattr(socket.socket.connect, "watched", False):
        return
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        setattr(socket.socket, name, _watched(name, getattr(socket.socket, name)))


def _watched(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def checked(self: socket.socket, *args: Any) -> Any:
        watch = _watch.get()
        # Of sendmsg the address is the fourth, of the others the last; what is connected already has none.
        if watch is not None and args and (name != "sendmsg" or len(args) > 3):
            watch.check(args[-1])
        return plain(self, *args)

    checked.watched = True  # type: ignore[attr-defined]
    return checked
