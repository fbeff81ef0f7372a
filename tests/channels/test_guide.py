"""The channel that docs/contributors/channels.md shows works as it says, and is as short."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from monitor.db.engine import reading, transaction
from monitor.models import Delivery, Subscription
from monitor.notify import matching as match
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.recorder import News
from tests.channels.channel_test_env import message_of, release
from tests.conftest import ROOT

GUIDE = (ROOT / "docs" / "contributors" / "channels.md").read_text()


def journal() -> Any:
    """The channel of the guide."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(code.splitlines()) < 60
    module: dict[str, Any] = {}
    exec(compile(code, "docs/contributors/channels.md", "exec"), module)
    return module["Journal"]()


def _alerts(engine: Engine, target: Path) -> Delivery:
    with transaction(engine) as session:
        subscribe(session, SubscriptionCreate("journal", str(target)))
        row = release()
        session.add(row)
        session.flush()
        match.enqueue(session, [News(row, "release")])
    outbox.send_due(engine, {"journal": journal()})
    with reading(engine) as session:
        return session.scalars(select(Delivery)).one()


def test_it_tells_once(sqlite_engine: Engine, tmp_path: Path) -> None:
    row = _alerts(sqlite_engine, tmp_path / "releases.txt")
    assert row.state == "sent"
    assert "Qwen released Qwen/Qwen3-Next-80B-A3B" in (tmp_path / "releases.txt").read_text()
    with reading(sqlite_engine) as session:
        subscription = session.scalars(select(Subscription)).one()
    journal().send(message_of(subscription, release(), key=str(row.receipt), in_doubt=True))
    assert len((tmp_path / "releases.txt").read_text().splitlines()) == 1


def test_what_cannot_be_pauses(sqlite_engine: Engine, tmp_path: Path) -> None:
    assert _alerts(sqlite_engine, tmp_path).state == "dead"
    with reading(sqlite_engine) as session:
        assert "directory" in str(session.scalars(select(Subscription)).one().paused_because)


def test_what_it_speaks_of_is_there() -> None:
    for path in re.findall(r"`((?:monitor|tests)/[\w/.]+)`", GUIDE):
        if "journal" not in path:
            assert (ROOT / path).exists(), path
    for name in re.findall(r"`(monitor\.[\w.]+)`", GUIDE):
        assert pkgutil.resolve_name(name) is not None
