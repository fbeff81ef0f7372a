"""The manifest that users paste is the app that is served."""

from __future__ import annotations

from urllib.parse import urlsplit

import yaml

from monitor.channels.slack.oauth import SCOPES
from monitor.channels.slack.routes import router
from tests.conftest import ROOT

MANIFEST = yaml.safe_load((ROOT / "docs" / "how-to" / "slack-manifest.yaml").read_text())


def test_its_addresses_are_routes() -> None:
    settings, features, oauth = MANIFEST["settings"], MANIFEST["features"], MANIFEST["oauth_config"]
    urls = [
        features["slash_commands"][0]["url"],
        settings["event_subscriptions"]["request_url"],
        settings["interactivity"]["request_url"],
        *oauth["redirect_urls"],
    ]
    paths = {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert {urlsplit(url).path for url in urls} <= paths


def test_its_scopes_are_those_that_are_asked_for() -> None:
    assert tuple(MANIFEST["oauth_config"]["scopes"]["bot"]) == SCOPES


def test_it_keeps_to_slacks_limits() -> None:
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140
    assert len(MANIFEST["features"]["bot_user"]["display_name"]) <= 80
