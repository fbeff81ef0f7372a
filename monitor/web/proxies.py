"""Who asks, where a proxy stands in front: ``X-Forwarded-For``, believed from configured proxies alone."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send


class TrustedProxyMiddleware:
    """Sets the client of a request to the last hop before the trusted proxies (addresses or networks)."""

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        self.app = app
        self._networks = [ip_network(one, strict=False) for one in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer and self._trusts(_address(peer[0])):
            hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
            scope = {**scope, "client": (self._client(peer[0], hops), 0)}
        await self.app(scope, receive, send)

    def _client(self, peer: str, hops: list[str]) -> str:
        # From the right: what is left of the first hop that is not ours was written by whoever sent the request.
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return peer
            peer = str(address)
            if not self._trusts(address):
                return peer
        return peer

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with a port, in brackets, or mapped into IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
