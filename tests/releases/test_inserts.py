"""Many rows at once: they go in as they are, what is there stays, and what cannot be kept is an error."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from monitor import db
from monitor.db.upsert import insert_new_rows
from monitor.models import Poll
from tests.generated import on_one_fixture

TABLE = Poll.__table__  # type: ignore[attr-defined]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
AWKWARD = ("\\N", "a\tb", "two\nlines", "back\\slash", "\\.", '"quoted"', "", "é 模型 🙂", "NULL", "\r")


def polls(number: int) -> list[dict[str, Any]]:
    return [{"name": f"p{n}", "state": {"n": n}, "failures": n, "succeeded_at": NOON} for n in range(number)]


def there(engine: Engine) -> dict[str, Any]:
    with db.reading(engine) as session:
        return {
            row.name: (row.state, row.failures, row.succeeded_at, row.error) for row in session.scalars(select(Poll))
        }


def test_a_datetime_without_a_time_zone_is_refused(sqlite_engine: Engine) -> None:
    rows = [{"name": "x", "state": {}, "failures": 0, "succeeded_at": datetime(2026, 1, 1)}]  # noqa: DTZ001
    with pytest.raises(StatementError, match="without a time zone"), db.transaction(sqlite_engine) as session:
        insert_new_rows(session, TABLE, rows, "name")


@pytest.mark.parametrize("number", [1, 1_101])
def test_rows_go_in_as_they_are(engine: Engine, number: int) -> None:
    rows = polls(number)
    with db.transaction(engine) as session:
        assert insert_new_rows(session, TABLE, rows, "name") == {row["name"] for row in rows}
        assert insert_new_rows(session, TABLE, [], "name") == set()
    assert there(engine) == {row["name"]: (row["state"], row["failures"], NOON, None) for row in rows}


@pytest.mark.parametrize("number", [len(AWKWARD), 100])
def test_no_text_is_read_as_anything_but_itself(engine: Engine, number: int) -> None:
    odd = [AWKWARD[n % len(AWKWARD)] for n in range(number)]
    rows = [
        {**row, "name": f"{text}{n}", "error": text or None, "state": {text: [text]}}
        for n, (row, text) in enumerate(zip(polls(number), odd, strict=True))
    ]
    with db.transaction(engine) as session:
        insert_new_rows(session, TABLE, rows, "name")
    found = there(engine)
    assert found == {row["name"]: (row["state"], row["failures"], NOON, row["error"]) for row in rows}


@on_one_fixture(30)
@given(texts=st.lists(TEXT, min_size=60, max_size=60))
def test_any_text_comes_back_as_it_went_in(engine: Engine, texts: list[str]) -> None:
    rows = [row | {"error": text, "state": {"said": text}} for row, text in zip(polls(60), texts, strict=True)]
    with db.transaction(engine) as session:
        session.execute(delete(Poll))
        insert_new_rows(session, TABLE, rows, "name")
    assert {name: (row[0], row[3]) for name, row in there(engine).items()} == {
        row["name"]: (row["state"], row["error"]) for row in rows
    }


def test_a_text_that_no_database_keeps_is_an_error_of_the_database(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite keeps it")
    for number in (2, 100):
        with pytest.raises(DataError, match=r"NUL|u0000|0x00"), db.transaction(engine) as session:
            insert_new_rows(session, TABLE, [row | {"error": "a\x00b"} for row in polls(number)], "name")


@pytest.mark.parametrize("number", [2, 100])
def test_what_is_there_stays_and_the_rest_is_written_beside_it(engine: Engine, number: int) -> None:
    rows = polls(number)
    with db.transaction(engine) as session:
        insert_new_rows(session, TABLE, [rows[1] | {"failures": 99}], "name")
    with db.transaction(engine) as session:
        session.add(Poll(name="before"))
        inserted = insert_new_rows(session, TABLE, rows, "name")
        session.add(Poll(name="after"))
    assert inserted == {row["name"] for row in rows} - {"p1"}
    found = {name: row[1] for name, row in there(engine).items()}
    assert found == {f"p{n}": n for n in range(number)} | {"p1": 99, "before": 0, "after": 0}


@pytest.mark.parametrize("number", [2, 100])
def test_a_row_that_cannot_be_kept_is_an_error_of_the_database(engine: Engine, number: int) -> None:
    rows = [row | {"failures": None} for row in polls(number)]
    with pytest.raises(IntegrityError, match="failures"), db.transaction(engine) as session:
        insert_new_rows(session, TABLE, rows, "name")
    assert there(engine) == {}
