"""Parses the targets of Teams subscriptions: the URLs of workflows that begin with a webhook."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from monitor.net.address_guard import is_own_network

WORKFLOW_HOSTS = (
    ".api.powerplatform.com", ".api.gov.powerplatform.microsoft.us", ".api.high.powerplatform.microsoft.us",
    ".api.powerplatform.cn", ".logic.azure.com", ".logic.azure.us", ".logic.azure.cn",
)  # fmt: skip
"""How the hosts of workflows end: Power Automate's, and those of Azure Logic Apps, in Microsoft's clouds."""
RETIRED_HOSTS = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")
_PATH = re.compile(
    r"(?:/powerautomate/automations/direct)?/workflows/[\w-]{8,80}/triggers/[\w-]{1,80}/paths/invoke/?", re.IGNORECASE
)
EXPECTED = (
    "expected the URL of a workflow with a webhook (https://….environment.api.powerplatform.com/…/triggers/manual/"
    "paths/invoke?…&sig=…)"
)


def parse_target(target: str) -> str:
    """Returns the URL of a workflow in one form. Raises ValueError, which repeats no signature.

    Besides Microsoft's hosts only an address of one's own network is accepted: a proxy for them.
    """
    try:
        parts = urlsplit(target.strip())
        host, port = parts.hostname or "", parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise ValueError(EXPECTED) from None
    if host.endswith(RETIRED_HOSTS):
        raise ValueError(
            "Microsoft has retired the connectors of Office 365: in Teams, add the workflow “Send webhook alerts to a "
            f"channel” and give its URL; {EXPECTED}"
        )
    microsoft = parts.scheme == "https" and host.endswith(WORKFLOW_HOSTS) and port in {None, 443}
    if parts.username is not None or not (microsoft or (parts.scheme in {"http", "https"} and is_own_network(host))):
        raise ValueError(f"{host[:100] or 'this'} is no host of workflows: {EXPECTED}")
    if not _PATH.fullmatch(parts.path):
        raise ValueError(f"the path of the URL is not that of a workflow's webhook, or not all of it: {EXPECTED}")
    if not query.get("sig"):
        raise ValueError(
            "the URL has no signature (sig=…): in the workflow's trigger, let anyone trigger it, and copy its URL again"
        )
    netloc = host if microsoft else parts.netloc.lower()
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), parts.query, ""))


def is_private(target: str) -> bool:
    """Whether a parsed target is a server of the operator's own network instead of Microsoft's."""
    return is_own_network(urlsplit(target).hostname or "")
