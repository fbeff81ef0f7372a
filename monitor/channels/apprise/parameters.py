"""Parameters in the URL of an Apprise service: those that may be used, and those that reach beyond the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = """
    access accesstoken action actions ad album alert alert_type alerting_scenario alias amount api-version apikey
    app app_id app_secret app_token app_ver archive assignees auth autoverify avatar avatar_url badge batch bcc
    blocks blossom border bot_id bot_token botname broadcast cache call campaign category cc channel channels class
    click client_id client_key color company component content contents copy country critical critical_volume cto
    currency cycles decode dedup delay delete detect device discovery dither_kernel dither_type duration e2ee email
    emojis entity entity_id env event event_type exchange expire external_id facility fade failure fields filtering
    flags flair_id flair_text flash footer footer_logo format from gateway group gwid header hq href hsreq icon
    icon_type icon_url id identifier image image_href image_url info inline integration integrationkey interval join
    keepalive key kind label labels lang language ledn level link links locale location login logperror logpid
    mandatory master_key max_parts mdv media method modal mode msgtype name nick nid nsfw oauth_id oauth_secret
    option optional overflow pa password path persistent ping platform policy powerautomate prefix preview priority
    profile project public_key purpose push_key qos recipients ref refresh region relay replies reply reply_to
    resubmit retain retry roster route routeid routing_key rto scramplus secret seed sender sensitive service
    session severity shared short_url sid sig signature silent smtp sound sound_href source special_text_color spi
    spoiler sptag status sticky subject subtitle success tags task_key team team_wait tenant test thirdparty thread
    thread_name threadkey tid timeout timestamp to token topic topic_auth_token topic_code translit ttl tts txgroups
    type tz unicode urgency url url_label url_prefix url_title user validity ver verify version vhost vibration
    visibility voice volume wait warning webhook workflow workspace wrap x xmpp xtags y
"""
ALLOWED = frozenset(_NAMES.split())
"""What only describes the message, or how the service sends it. An address among them goes to the service as it is.

Listed, not guessed by form, so that what a new version of Apprise adds is refused until somebody has read it: see
``tests/channels/test_apprise.py``, which names what is missing.
"""

_REFUSED = "attach attach-as file_url filename keyfile pgp pgpprv pgppub redirect savesent store subfile template wkd"
REFUSED = frozenset(_REFUSED.split())
"""Those known to read or write a file, to fetch an address, or to follow a redirect to one."""


def refused_parameters(parts: Mapping[str, Any]) -> list[str]:
    """The names of parameters that may not be used, of a URL that Apprise has taken apart (``url_to_dict``)."""
    names = {str(name).lower() for name in parts.get("qsd") or ()}
    # "+name" is a header, "-name" a parameter and ":name" a value of the request to the service itself.
    return sorted(name for name in names if name[:1] not in {"+", "-", ":"} and name not in ALLOWED)
