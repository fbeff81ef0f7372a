"""Whether a target is a server of the operator's own network, such as a proxy for a service."""

from __future__ import annotations

import ipaddress


def is_own_network(host: str) -> bool:
    """Whether the host of a URL is this machine by name, or an IP address outside the public internet."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost"
