"""Exports by ranges: parts of one state, whoever writes meanwhile, and bounds of what is kept for that."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sqlalchemy import Engine

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.export_files import ExportFile, ExportFiles
from monitor.web.ranges import Part, UnsatisfiableError, parse_range
from tests.releases.query.test_query import release
from tests.servers import served

PLAIN = {"Accept-Encoding": "identity"}
"""As readers of tables ask; browsers take compressed streams."""


@pytest.fixture
def service(engine: Engine, database_url: str) -> Iterator[Service]:
    """A service over two hundred releases."""
    add(engine, 0, 200)
    made = Service(Settings(database_url=database_url, requests_per_minute=0))
    yield made
    made.dispose()


def add(engine: Engine, first: int, number: int) -> None:
    """Records releases, which is a commit."""
    with db.transaction(engine) as session:
        session.add_all([release(one, origin="CN") for one in range(first, first + number)])


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """Somebody who reads ranges."""
    with TestClient(create_app(service), headers=PLAIN) as made:
        yield made


def other(client: TestClient) -> TestClient:
    """Another client of the same application."""
    return TestClient(client.app, headers=PLAIN, client=("203.0.113.7", 50_000))


def ranged(client: httpx.Client, path: str, value: str, **headers: str) -> httpx.Response:
    """The answer to a request for a range."""
    given_ = {name.replace("_", "-"): one for name, one in headers.items()}
    return client.get(path, headers={"Range": f"bytes={value}"} | given_)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_parts_make_the_whole_and_head_says_how_long_it_is(client: TestClient, form: str) -> None:
    path = f"/export.{form}"
    head = client.head(path)
    assert (head.status_code, head.headers["accept-ranges"], head.content) == (200, "bytes", b"")
    size, etag = int(head.headers["content-length"]), head.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{24}\.[0-9a-f]{24}"', etag)  # a strong one
    whole = client.get(path)
    assert (len(whole.content), whole.headers["etag"]) == (size, etag)
    parts = []
    for start in range(0, size, 50_000):
        part = ranged(client, path, f"{start}-{start + 49_999}", If_Range=etag)
        end = min(size, start + 50_000) - 1
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {start}-{end}/{size}")
        assert int(part.headers["content-length"]) == len(part.content)
        assert part.headers["etag"] == etag
        parts.append(part.content)
    assert b"".join(parts) == whole.content
    assert ranged(client, path, "-7").content == whole.content[-7:]
    assert ranged(client, path, f"-{size + 10}").content == whole.content
    assert ranged(client, path, f"{size - 2}-").content == whole.content[-2:]


def test_a_range_is_not_compressed_and_a_stream_is(client: TestClient) -> None:
    gzip = {"Accept-Encoding": "gzip"}
    stream = client.get("/export.csv", headers=gzip)
    assert stream.headers["content-encoding"] == "gzip"
    assert stream.headers["etag"].startswith('W/"')
    assert stream.headers["accept-ranges"] == "none"
    part = ranged(client, "/export.csv", "0-6", Accept_Encoding="gzip")
    assert (part.status_code, part.content) == (206, b"repo_id")
    # Of one state: what has the stream is not sent it again.
    assert client.get("/export.csv", headers={"If-None-Match": part.headers["etag"]}).status_code == 304
    assert client.get("/export.csv", headers={"If-None-Match": stream.headers["etag"]}).status_code == 304
    assert client.head("/export.csv", headers={"If-None-Match": part.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("value", ["999999999-", "99999999999999999999999-", "-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(client: TestClient, value: str) -> None:
    size = client.head("/export.csv").headers["content-length"]
    answer = ranged(client, "/export.csv", value)
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert answer.json()["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "bytes=5-1", "bytes=", "bytes=-", "bytes=a-b", "rows=0-1", "0-1", "bytes=0-1-2", "bytes=+1-2",
     "bytes=٣-٤".encode().decode("latin-1"), "bytes=" + "1" * 5_000 + "-"],
)  # fmt: skip
def test_what_is_no_single_range_is_answered_with_the_whole(client: TestClient, header: str) -> None:
    answer = client.get("/export.csv", headers={"Range": header.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 200
    assert len(list(csv.DictReader(io.StringIO(answer.text)))) == 200


def test_a_reader_of_ranges_reads_one_state_while_others_see_what_is_new(client: TestClient, engine: Engine) -> None:
    path = "/export.parquet"
    before = client.head(path).headers["etag"]
    end = ranged(client, path, "-1000")
    add(engine, 200, 50)
    rest = ranged(client, path, "0-99999999")
    assert rest.headers["etag"] == end.headers["etag"] == before
    assert parquet.read_table(io.BytesIO(rest.content)).num_rows == 200
    with other(client) as another:
        after = another.head(path).headers["etag"]
        assert after != before
        assert ranged(another, path, "-10").headers["etag"] == after
        # One that knows the earlier file by its tag gets parts of that, too, as long as it is kept.
        assert ranged(another, path, "0-3", If_Range=before).headers["etag"] == before
        assert ranged(another, path, "0-3", If_Match=before).status_code == 206
    assert ranged(client, path, "0-3").headers["etag"] == before
    assert ranged(client, path, "-10").headers["etag"] == after  # it begins anew
    assert ranged(client, path, "0-3").headers["etag"] == after
    whole = client.get(path)
    assert parquet.read_table(io.BytesIO(whole.content)).num_rows == 250
    assert whole.headers["etag"] == after


def test_a_file_that_is_not_kept_any_more_is_not_mixed_with_another(client: TestClient) -> None:
    for path in ("/export.parquet", "/export.csv"):
        size = int(client.head(path).headers["content-length"])
        gone = '"000000000000000000000000.000000000000000000000000"'
        whole = ranged(client, path, "0-3", If_Range=gone)
        assert (whole.status_code, len(whole.content)) == (200, size)
        refused = ranged(client, path, "0-3", If_Match=gone)
        assert (refused.status_code, refused.json()["error"]["code"]) == (412, "precondition_failed")
        assert ranged(client, path, "0-3", If_Match="*").status_code == 206
        # A weak tag says nothing about bytes, and there is no date of change.
        tag = client.head(path).headers["etag"]
        for condition in (f"W/{tag}", "Sun, 29 Nov 2026 00:00:00 GMT", "", tag.strip('"')):
            assert ranged(client, path, "0-3", If_Range=condition).status_code == 200, condition
        assert ranged(client, path, "0-3", If_None_Match=tag).status_code == 304


def test_a_query_with_relative_dates_has_a_tag_of_its_content(client: TestClient, engine: Engine) -> None:
    path = "/export.csv?q=seen:>=400d"
    head = client.head(path)
    again = client.head(path)
    assert head.headers["etag"] == again.headers["etag"]
    assert client.get(path, headers={"If-None-Match": head.headers["etag"]}).status_code == 304
    assert "etag" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers
    add(engine, 300, 1)
    assert client.head(path).headers["etag"] != head.headers["etag"]


def test_an_export_of_the_past_keeps_its_tag_when_something_is_written(client: TestClient, engine: Engine) -> None:
    path = "/export.parquet?as_of=2026-10-01"
    etag = client.head(path).headers["etag"]
    add(engine, 300, 1)
    assert client.head(path).headers["etag"] == etag
    assert ranged(client, path, "0-3").headers["etag"] == etag


def test_many_at_once_wait_for_one_file_and_take_one_slot(sqlite_engine: Engine, sqlite_url: str) -> None:
    add(sqlite_engine, 0, 2_000)
    service = Service(Settings(database_url=sqlite_url, requests_per_minute=0, concurrent_exports=1))
    with served(service) as address, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.head(f"{address}/export.parquet", timeout=60), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["etag"] for answer in answers}) == 1
    service.dispose()


def test_where_all_slots_are_taken_a_new_file_is_refused_and_one_that_is_there_is_read(client: TestClient) -> None:
    slots = client.app.state.exports  # type: ignore[attr-defined]
    assert client.head("/export.csv").status_code == 200
    with slots.acquire(), slots.acquire(), slots.acquire(), slots.acquire():
        assert ranged(client, "/export.csv", "0-6").content == b"repo_id"
        refused = ranged(client, "/export.parquet", "0-6")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert ranged(client, "/export.parquet", "0-3").content == b"PAR1"


def test_what_is_too_large_to_keep_is_streamed_without_ranges(sqlite_engine: Engine, sqlite_url: str) -> None:
    service = Service(Settings(database_url=sqlite_url, requests_per_minute=0, export_files_mb=1))
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(one, tags=["x" * 3_000]) for one in range(500)])
    with TestClient(create_app(service), headers=PLAIN) as client:
        for _ in range(2):  # the second time it is known, and nothing is written for it
            head = client.head("/export.csv")
            assert (head.status_code, head.headers["accept-ranges"]) == (200, "none")
            assert "content-length" not in head.headers
            answer = ranged(client, "/export.csv", "0-6")
            assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
            assert len(list(csv.DictReader(io.StringIO(answer.text)))) == 500
        assert ranged(client, "/export.parquet", "0-3").content == b"PAR1"  # which is small
    service.dispose()


def test_without_room_nothing_is_kept(sqlite_engine: Engine, sqlite_url: str) -> None:
    add(sqlite_engine, 0, 5)
    service = Service(Settings(database_url=sqlite_url, requests_per_minute=0, export_files_mb=0))
    with TestClient(create_app(service), headers=PLAIN) as client:
        for form in ("csv", "parquet"):
            head = client.head(f"/export.{form}")
            assert (head.headers["accept-ranges"], "content-length" in head.headers) == ("none", False)
            assert ranged(client, f"/export.{form}", "0-3").status_code == 200
        assert parquet.read_table(io.BytesIO(client.get("/export.parquet").content)).num_rows == 5
    service.dispose()


def test_a_temporary_directory_that_is_full_is_said(
    sqlite_engine: Engine, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(sqlite_engine, 0, 5)
    service = Service(Settings(database_url=sqlite_url, requests_per_minute=0))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with TestClient(create_app(service), headers=PLAIN) as client:
        answer = client.get("/export.parquet")
        assert (answer.status_code, "temporary directory" in answer.text) == (503, True)
        assert client.get("/export.csv").status_code == 200  # which needs none
    service.dispose()


# --- what is kept -----------------------------------------------------------------------------------------


def writes(content: bytes, written: list[bytes]) -> object:
    """What writes a file, and notes that it did."""

    def write(file: BinaryIO, _most: int) -> None:
        written.append(content)
        file.write(content)

    return write


async def got(files: ExportFiles, key: str, client: str, write: object, opaque: str | None) -> ExportFile:
    return await files.get(
        (key,), client, write, opaque=opaque, relative=False, goes_on=True, named=()  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_files_are_bounded_in_bytes_and_the_least_used_goes_first() -> None:
    async def ask() -> None:
        files, written = ExportFiles(1_000), list[bytes]()
        for name in ("a", "b"):
            await got(files, name, "x", writes(name.encode() * 400, written), "1")
        await got(files, "a", "x", writes(b"again", written), "1")
        await got(files, "c", "x", writes(b"c" * 400, written), "1")  # for which b goes
        await got(files, "a", "x", writes(b"again", written), "1")
        await got(files, "b", "x", writes(b"b" * 400, written), "1")
        assert [one[:1] for one in written] == [b"a", b"b", b"c", b"b"]
        large = await got(files, "d", "x", writes(b"d" * 2_000, written), "1")
        assert large.read(1_998, 100) == b"dd"  # sent, and not kept
        assert files.is_too_large(("d",))
        files.close()

    asyncio.run(ask())


def test_a_file_that_nobody_reads_is_dropped_and_one_that_is_read_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.web.export_files.KEEP_SECONDS", 0.01)

    async def ask() -> None:
        files, written = ExportFiles(1_000), list[bytes]()
        file = await got(files, "a", "x", writes(b"content", written), "1")
        while files.present(("a",), "1", relative=False):
            await asyncio.sleep(0.01)
        assert file.read(3, 4) == b"tent"
        await got(files, "a", "x", writes(b"content", written), "1")
        assert len(written) == 2
        files.close()

    asyncio.run(ask())


def test_a_hold_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        files, written = ExportFiles(1_000), list[bytes]()
        await got(files, "a", "x", writes(b"1", written), "state 1")
        await got(files, "a", "x", writes(b"2", written), "state 2")
        assert written == [b"1"]
        await got(files, "a", "y", writes(b"2", written), "state 2")
        assert written == [b"1", b"2"]
        monkeypatch.setattr("monitor.web.export_files.MAX_HOLD_SECONDS", 0)
        assert (await got(files, "a", "x", writes(b"3", written), "state 3")).read(0, 9) == b"3"
        files.close()

    asyncio.run(ask())


def test_a_write_that_fails_leaves_nothing_and_the_next_one_writes() -> None:
    def fails(file: BinaryIO, _most: int) -> None:
        file.write(b"half")
        raise RuntimeError

    async def ask() -> None:
        files, written = ExportFiles(1_000), list[bytes]()
        with pytest.raises(RuntimeError):
            await got(files, "a", "x", fails, "1")
        assert (await got(files, "a", "x", writes(b"whole", written), "1")).read(0, 9) == b"whole"
        files.close()

    asyncio.run(ask())


# --- the grammar ------------------------------------------------------------------------------------------


def expected(first: int | None, last: int | None, size: int) -> Part | type[UnsatisfiableError] | None:
    """RFC 9110, section 14.1.2, said another way: which of the file's bytes are in the range."""
    if first is None:
        last = last or 0
        wanted = [at for at in range(size) if at >= size - last]
        return Part(wanted[0], size) if wanted else UnsatisfiableError
    if last is not None and last < first:
        return None
    wanted = [at for at in range(size) if at >= first and (last is None or at <= last)]
    return Part(wanted[0], wanted[-1] + 1) if wanted else UnsatisfiableError


NUMBERS = st.none() | st.integers(0, 60) | st.just(10**25)


@given(first=NUMBERS, last=NUMBERS, size=st.integers(0, 50))
@settings(max_examples=120)
def test_a_range_is_read_as_the_specification_says(first: int | None, last: int | None, size: int) -> None:
    if first is None and last is None:
        assert parse_range("bytes=-", size) is None
        return
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        found: object = parse_range(header, size)
    except UnsatisfiableError:
        found = UnsatisfiableError
    assert found == expected(first, last, size)


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=30))
@settings(max_examples=120)
def test_any_header_is_a_part_of_the_file_the_whole_or_refused(header: str) -> None:
    try:
        part = parse_range(header, 40)
    except UnsatisfiableError:
        return
    assert part is None or 0 <= part.start < part.end <= 40
