"""Whom an address stands for: one client, or one customer's network."""

from __future__ import annotations

import ipaddress


def client_key(host: str) -> str:
    """What a client is counted by: its IPv4 address, or the first 64 bits of an IPv6 one; other texts as they are.

    A customer of IPv6 has at least a /64 (RFC 6177), so a single address of it says nothing.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if address.version == 6 else address
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
