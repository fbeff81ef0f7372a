"""Who asks, behind proxies: X-Forwarded-For is believed from those that are configured, and from nobody else."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from monitor.service import Service
from monitor.settings import Settings, SettingsError, load
from monitor.web.app import create_app


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # no proxy of ours: what it says is not believed
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what stands left of it anyone may write
        ("10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.1.2.3", "10.9.9.9", "10.9.9.9"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "1.1.1.1, nonsense", "10.1.2.3"),
        ("10.1.2.3", "[2001:db8::7]:4711", "2001:db8::/64"),
        ("10.1.2.3", "198.51.100.1:4711", "198.51.100.1"),
        ("10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff::1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_client_is_the_last_hop_before_the_trusted_proxies(
    sqlite_engine: Engine, sqlite_url: str, peer: str, forwarded: str, counted: str
) -> None:
    settings = Settings(database_url=sqlite_url, requests_per_minute=1, trusted_proxies="10.0.0.0/8,2001:db8:ffff::1")  # type: ignore[arg-type]
    app = create_app(Service(settings))
    first = TestClient(app, client=(peer, 1), headers={"X-Forwarded-For": forwarded})
    codes = [first.get("/api/v1/labs").status_code for _ in range(3)]
    assert 429 in codes  # at most two minutes are met
    direct = TestClient(app, client=(counted.replace("::/64", "::99"), 1))
    answers = {direct.get("/api/v1/labs").status_code for _ in range(3)}
    assert 429 in answers
    other = TestClient(app, client=("192.0.2.77", 1))
    assert other.get("/api/v1/labs").status_code == 200


def test_a_proxy_that_is_no_network_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_TRUSTED_PROXIES", "10.0.0.0/8, nginx")
    with pytest.raises(SettingsError, match="MONITOR_TRUSTED_PROXIES: 'nginx' is not an IP address or network"):
        load()
    monkeypatch.setenv("MONITOR_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    assert load().trusted_proxies == ("10.0.0.0/8", "::1")
    monkeypatch.setenv("MONITOR_TRUSTED_PROXIES", "")
    assert not load().trusted_proxies
