"""What is kept in a table under the secret key: read by its keys alone, through a change of keys too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sealing import Seal, SealError
from monitor.settings import Settings, SettingsError, load

OLD, NEW = Seal(["the old key"]), Seal(["the new key"])
BOTH = Seal(["the new key", "the old key"])


@given(st.text())
def test_what_was_sealed_comes_back(text: str) -> None:
    sealed = OLD.seal(text)
    assert OLD.unseal(sealed) == text
    assert len(text) < 4 or text not in sealed


def test_the_same_text_is_never_sealed_alike() -> None:
    assert OLD.seal("xoxb-1") != OLD.seal("xoxb-1")


@pytest.mark.parametrize("change", [lambda s: s[:-2], lambda s: s[:20] + ("A" if s[20] != "A" else "B") + s[21:]])
def test_what_was_changed_is_not_opened(change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SealError):
        OLD.unseal(change(OLD.seal("xoxb-1")))


@pytest.mark.parametrize("text", ["", "xoxb-plain", "é", "gAAAAA"])
def test_what_was_never_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(SealError, match="MONITOR_SECRET_KEY"):
        OLD.unseal(text)


def test_keys_are_changed_without_a_gap() -> None:
    sealed = OLD.seal("xoxb-1")
    with pytest.raises(SealError):
        NEW.unseal(sealed)
    assert BOTH.unseal(sealed) == "xoxb-1"
    assert NEW.unseal(BOTH.reseal(sealed)) == "xoxb-1"


def test_several_keys_are_one_setting_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_SECRET_KEY", "new, old,")
    settings = load()
    assert settings.signing_keys() == ("new", "old")
    assert settings.signing_key() == "new"


def test_a_setting_of_commas_alone_is_no_key() -> None:
    with pytest.raises(SettingsError, match="MONITOR_SECRET_KEY"):
        load(secret_key=" , ")


def test_the_key_beside_the_embedded_database_serves_as_well(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url)
    assert Seal(settings.signing_keys()).unseal(Seal(settings.signing_keys()).seal("x")) == "x"
