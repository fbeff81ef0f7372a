from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from monitor import db
from monitor.db import migrations
from monitor.models import Poll


def test_migrations_agree_with_the_models(engine: Engine) -> None:
    migrations.check(engine)


def test_migrations_run_down_and_up_again(engine: Engine) -> None:
    migrations.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(engine)
    migrations.check(engine)
    assert migrations.revision(engine) == migrations.head()


def test_a_difference_between_models_and_tables_is_found(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE feed ADD COLUMN surplus TEXT"))
    with pytest.raises(db.DatabaseError, match="surplus"):
        migrations.check(engine)


def test_a_database_from_a_newer_version_is_refused_with_what_to_do(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    with pytest.raises(db.DatabaseError, match=r"from-the-future.*newer hub-monitor") as caught:
        migrations.upgrade(engine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql+psycopg://u:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_opened_is_one_line_without_its_password(url: str) -> None:
    with pytest.raises(db.DatabaseError, match="MONITOR_DATABASE_URL") as caught:
        migrations.upgrade(db.make_engine(url))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("These are my notes, not a database. " * 100)
    with pytest.raises(db.DatabaseError, match="not a database"):
        migrations.upgrade(db.make_engine(f"sqlite:///{path}"))
    assert path.read_text().startswith("These are my notes")


def test_times_come_back_in_utc_with_their_zone(engine: Engine) -> None:
    here = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    with db.transaction(engine) as session:
        session.add(Poll(name="x", succeeded_at=here))
    with db.reading(engine) as session:
        found = session.get_one(Poll, "x").succeeded_at
    assert found == here
    assert found is not None
    assert found.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(sqlite_engine: Engine) -> None:
    with pytest.raises(Exception, match="without a time zone"), db.transaction(sqlite_engine) as session:
        session.add(Poll(name="x", succeeded_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_transaction_is_written_as_one_or_not_at_all(engine: Engine) -> None:
    with pytest.raises(RuntimeError), db.transaction(engine) as session:
        session.add(Poll(name="half"))
        session.flush()
        raise RuntimeError("half way")
    with db.reading(engine) as session:
        assert session.get(Poll, "half") is None
