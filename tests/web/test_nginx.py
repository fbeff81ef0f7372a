"""deploy/nginx/hub-monitor.conf with the real nginx in front of the real application."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from monitor.service import Service
from monitor.settings import Settings
from tests.conftest import ROOT
from tests.fakes.hub import until
from tests.servers import free_port, served

CONFIG = ROOT / "deploy" / "nginx" / "hub-monitor.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
LONG_PAST = "as_of=2026-01-01T00:00:00Z"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")]


def _main_config(folder: Path, port: int, upstream: str) -> str:
    """The shipped file inside a main configuration, with only its addresses and paths replaced."""
    text = CONFIG.read_text("utf-8")
    for old, new in (
        ("server 127.0.0.1:8000;", f"server {upstream};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/cache/nginx/hub-monitor ", f"{folder}/cache "),
        ("/var/log/nginx/hub-monitor.log", f"{folder}/access.log"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not write into the folder
    return f"""
        {user}
        daemon off;
        pid {folder}/nginx.pid;
        error_log stderr;
        events {{}}
        http {{ access_log off; {temporary} {text} }}
    """


@pytest.fixture(scope="module")
def front(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Asks nginx, which asks the application."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    service = Service(Settings(database_url=f"sqlite:///{filled}", admin_token=SecretStr("admin")))
    with served(service) as address:
        config = folder / "nginx.conf"
        config.write_text(_main_config(folder, port, address.removeprefix("http://")))
        process = subprocess.Popen([str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(config)])
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                until(lambda: _answers(client), what="nginx to answer")
                yield client
        finally:
            process.terminate()
            process.wait(300)
    service.dispose()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _status(response: httpx.Response) -> str | None:
    return response.headers.get("x-cache-status")


@pytest.mark.parametrize(
    "path",
    [
        "/releases?q=kind:base",
        "/api/v1/releases?q=kind:base&limit=3",
        "/api/v1/facets?q=kind:base",
        "/feed.atom",
        "/labs",
    ],
)
def test_a_second_identical_request_is_answered_from_the_cache(front: httpx.Client, path: str) -> None:
    first, second = front.get(path), front.get(path)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (_status(first), _status(second)) == ("MISS", "HIT")
    assert second.content == first.content
    assert second.headers["etag"] == first.headers["etag"]


def test_a_client_that_has_the_response_gets_304_from_the_cache(front: httpx.Client) -> None:
    etag = front.get("/launches").headers["etag"]
    again = front.get("/launches", headers={"If-None-Match": etag})
    assert (again.status_code, _status(again), again.content) == (304, "HIT", b"")
    other = front.get("/launches", headers={"If-None-Match": 'W/"another"'})
    assert (other.status_code, _status(other)) == (200, "HIT")


def test_the_application_revalidates_by_etag(front: httpx.Client) -> None:
    # A cookie makes nginx pass the request through to the application.
    etag = front.get("/labs/qwen").headers["etag"]
    again = front.get("/labs/qwen", headers={"If-None-Match": etag, "Cookie": "a=b"})
    assert (again.status_code, _status(again)) == (304, "BYPASS")


def test_answers_as_of_a_time_long_past_are_kept_for_a_day(front: httpx.Client) -> None:
    for path in (f"/releases?{LONG_PAST}", f"/api/v1/releases?{LONG_PAST}"):
        first, second = front.get(path), front.get(path)
        assert (_status(first), _status(second)) == ("MISS", "HIT")
        assert first.headers["cache-control"] == "public, max-age=86400"


@pytest.mark.parametrize("path", ["/status", "/alert", "/subscribe", "/readyz", "/healthz", "/releases?q=nonsense:1"])
def test_what_is_not_marked_public_is_not_cached(front: httpx.Client, path: str) -> None:
    assert [_status(front.get(path)) for _ in range(3)] == ["MISS"] * 3


def test_requests_with_credentials_neither_use_nor_fill_the_cache(front: httpx.Client) -> None:
    path = "/releases?q=kind:adapter"
    for headers in ({"Cookie": "session=1"}, {"Authorization": "Bearer admin"}):
        assert [_status(front.get(path, headers=headers)) for _ in range(2)] == ["BYPASS"] * 2
    assert _status(front.get(path)) == "MISS"
    subscriptions = "/api/v1/subscriptions"
    assert front.get(subscriptions, headers={"Authorization": "Bearer admin"}).status_code == 200
    assert front.get(subscriptions).status_code == 401


def test_a_post_is_passed_on_and_not_cached(front: httpx.Client) -> None:
    statuses = [front.post("/hooks/hub", json={}).status_code for _ in range(2)]
    assert statuses == [403, 403]
    assert all(_status(front.post("/releases")) is None for _ in range(2))


def test_scripts_of_other_sites_get_their_own_entry(front: httpx.Client) -> None:
    path = "/api/v1/labs/google"
    assert "access-control-allow-origin" not in front.get(path).headers
    for expected in ("MISS", "HIT"):
        found = front.get(path, headers={"Origin": "https://elsewhere.example"})
        assert (_status(found), found.headers["access-control-allow-origin"]) == (expected, "*")


def test_exports_are_streamed_past_the_cache_and_metrics_are_hidden(front: httpx.Client) -> None:
    exports = [front.get("/export.csv?q=kind:base") for _ in range(2)]
    assert [(one.status_code, _status(one)) for one in exports] == [(200, None)] * 2
    assert front.get("/metrics").status_code == 404


def test_the_access_log_has_no_links_of_emails(front: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    paths = ["/preferences/s3cret", "/confirm/s3cret", "/unsubscribe/undo/s3cret", "//Preferences/s3cret",
             "/saved/s3cret", "/saved/s3cret/part", "/stack/s3cret/tree.svg",
             "/slack/oauth_redirect?code=s3cret&state=s3cret"]  # fmt: skip
    for path in (*paths, "/labs?after=them"):
        front.get(f"http://{front.base_url.netloc.decode()}{path}")
    (log,) = tmp_path_factory.getbasetemp().glob("nginx[0-9]*/access.log")
    until(lambda: "after=them" in log.read_text(), what="the last request in the log")
    assert "s3cret" not in log.read_text()
