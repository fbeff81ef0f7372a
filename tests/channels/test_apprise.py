"""Parameters of Apprise's services: none reads a file, fetches an address or follows a redirect."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest
from apprise.manager_plugins import NotificationManager

from monitor.channels import canonical_target
from monitor.channels.apprise import Apprise
from monitor.channels.apprise.parameters import ALLOWED, REFUSED
from monitor.notify.message import SendError
from monitor.notify.subscriptions import SubscriptionError
from tests.channels.test_others import message
from tests.fakes.feeds import FeedServer

PLUGINS = sorted(NotificationManager().plugins(), key=lambda one: one.__name__)
FETCHING = {"NotifyWorkflows", "NotifyDiscord", "NotifySlack", "NotifyFCM", "NotifyTelegram"}
"""Services that read what a parameter names (a file or an address), as Apprise's attachments do."""
SUSPICIOUS = re.compile(r"file|attach|template$|redirect|pgp|^store$|wkd|cert|\bpem\b", re.IGNORECASE)
HARMLESS = {"profile"}
"""``path`` is not a file's either: it is that of Matrix's server."""


def test_each_parameter_of_each_service_has_been_judged() -> None:
    assert len(PLUGINS) > 150
    named = {str(name).lower() for plugin in PLUGINS for name in plugin.template_args}
    assert named - ALLOWED - REFUSED == set(), "read what they do, and list them in parameters.py"
    assert ALLOWED.isdisjoint(REFUSED)
    assert {name for name in ALLOWED if SUSPICIOUS.search(name)} == HARMLESS
    labels = {
        str(name).lower(): str(about.get("name")) for plugin in PLUGINS for name, about in plugin.template_args.items()
    }
    assert [name for name in ALLOWED & set(labels) if re.search(r"\b(file|path)\b", labels[name], re.IGNORECASE)] == [
        "path"
    ]


def test_services_that_read_files_are_those_that_are_known() -> None:
    found = set()
    for plugin in PLUGINS:
        module = sys.modules[plugin.__module__]
        if "AppriseAttachment(asset=" in inspect.getsource(module):
            found.add(plugin.__name__)
    assert found == FETCHING


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_each_refused_one_is_refused_for_every_service(name: str) -> None:
    for form in (name, name.upper()):
        with pytest.raises(SubscriptionError, match=name):
            canonical_target("apprise", f"json://127.0.0.1:1/hook?{form}=/etc/passwd")
    with pytest.raises(SendError, match=name) as caught:
        Apprise(allow_private=True).send(message(f"discord://{'1' * 18}/{'a' * 68}?{name}=/etc/passwd"))
    assert caught.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/111111111111111111/{token}?template={file}",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template={file}",
        "fcm://project@apikey/device?keyfile={file}",
        "vapid://me@example.org/me?keyfile={file}",
        "json://127.0.0.1:1/hook?unheard-of=1",
    ],
)
def test_neither_a_file_nor_an_address_is_read(url: str, tmp_path: Path) -> None:
    with FeedServer() as server:
        for file in (str(tmp_path / "secret"), server.put("/secret", "secret", content_type="text/plain")):
            with pytest.raises(SendError, match="may not be used") as caught:
                Apprise(allow_private=True).send(message(url.format(token="a" * 68, file=file)))
            assert caught.value.permanent
        assert server.asked == []


def test_what_describes_the_message_may_be_used() -> None:
    with FeedServer() as server:
        server.put("/hook", "")
        url = f"json://127.0.0.1:{server.port}/hook?+X-Kind=alert&:kind=alert&method=put&overflow=split"
        assert canonical_target("apprise", url) == url
        Apprise(allow_private=True).send(message(url.replace("method=put&", "")))
        assert server.last("/hook").headers["x-kind"] == "alert"
