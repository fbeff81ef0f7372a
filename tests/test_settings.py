from pathlib import Path

import pytest

from monitor.settings import Settings, SettingsError, load, variable


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MONITOR_HUB_INTERVAL", "soon", "MONITOR_HUB_INTERVAL"),
        ("MONITOR_HUB_INTERVAL", "0", "MONITOR_HUB_INTERVAL"),
        ("MONITOR_DATABASE_URL", "mysql://x", "MONITOR_DATABASE_URL: must begin with sqlite:///"),
        ("MONITOR_BROKER_URL", "amqp://x", "MONITOR_BROKER_URL"),
        ("HF_ENDPOINT", "huggingface.co", "HF_ENDPOINT"),
        ("MONITOR_FEEDS", "ftp://x/feed", "MONITOR_FEEDS"),
        ("MONITOR_SMTP_URL", "http://x", "MONITOR_SMTP_URL"),
        ("MONITOR_SMTP_URL", "smtp://x", "MONITOR_EMAIL_FROM must be set"),
        ("MONITOR_ALLOW_PRIVATE_TARGETS", "perhaps", "MONITOR_ALLOW_PRIVATE_TARGETS"),
        ("MONITOR_HUB_REQUESTS_PER_WINDOW", "-1", "MONITOR_HUB_REQUESTS_PER_WINDOW"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_feeds_unset_are_the_registrys_and_set_but_empty_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().feeds is None
    monkeypatch.setenv("MONITOR_FEEDS", "")
    assert load().feeds == ()
    monkeypatch.setenv("MONITOR_FEEDS", "https://a.example/feed, https://b.example/feed")
    assert load().feeds == ("https://a.example/feed", "https://b.example/feed")


def test_secrets_are_masked_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("MONITOR_DATABASE_URL", "postgresql+psycopg://me:hunter2@db/monitor")
    shown = str(load().described())
    assert "hf_very_secret" not in shown
    assert "hunter2" not in shown


def test_passwords_of_urls_are_masked_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONITOR_DATABASE_URL", "MONITOR_BROKER_URL", "HF_ENDPOINT", "MONITOR_FEEDS"):
        scheme = {"MONITOR_DATABASE_URL": "postgresql+psycopg", "MONITOR_BROKER_URL": "redis"}.get(name, "https")
        monkeypatch.setenv(name, f"{scheme}://me:hun@ter/2@host/x")
    shown = {name: value for name, value, _ in load().described()}
    assert shown["MONITOR_DATABASE_URL"] == "postgresql+psycopg://me:********@host/x"
    assert shown["MONITOR_BROKER_URL"] == "redis://me:********@host/x"
    assert not [name for name, value in shown.items() if "ter" in value and "hun" in value]


@pytest.mark.parametrize("name", [variable(field) for field in Settings.model_fields if field != "feeds"])
def test_a_variable_that_is_set_but_empty_is_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    given = load()
    monkeypatch.delenv(name)
    assert given == load()


def test_a_dot_env_file_is_read() -> None:
    Path(".env").write_text("MONITOR_HUB_INTERVAL=17\n")
    assert load().hub_interval == 17


def test_the_signing_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    key = settings.signing_key()
    assert len(key) >= 32
    assert settings.signing_key() == key
    assert (tmp_path / "a.key").stat().st_mode & 0o077 == 0


def test_without_an_sqlite_file_the_signing_key_must_be_set() -> None:
    with pytest.raises(SettingsError, match="MONITOR_SECRET_KEY"):
        Settings(database_url="postgresql+psycopg://db/x").signing_key()
