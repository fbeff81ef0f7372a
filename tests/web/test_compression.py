"""Compressed answers: who is sent them, and what they say of themselves."""

from __future__ import annotations

import gzip

import httpx
import pytest

from monitor.web.compression import takes_gzip

LONG, SHORT = "/api/v1/labs", "/api/v1/labs/qwen"
FILE = "/export.csv?q=kind:base"
ZIPPED, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("br;q=1.0, GZIP;q=0.8, *;q=0.1", True), ("gzip ; q = 0.5", True),
        ("gzip;q=1, identity;q=0.5", True),
        ("", False), ("identity", False), ("br", False), ("*", False), ("gzip;q=0", False), ("gzip;q=0.000", False),
        ("gzip;q=0.2, identity;q=0.5", False), ("gzip;q=much", False), ("xgzip", False),
    ],
)  # fmt: skip
def test_a_weight_of_nothing_refuses(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


@pytest.mark.parametrize("path", [LONG, SHORT, FILE, "/static/style.css", "/feed.atom", "/labs"])
def test_every_answer_says_that_it_depends_on_the_encoding(address: str, path: str) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        for asked in (ZIPPED, PLAIN, {"Accept-Encoding": "gzip;q=0"}):
            answer = client.get(path, headers=asked)
            assert answer.headers.get("content-encoding") in ({None, "gzip"} if asked is ZIPPED else {None}), asked
            again = client.get(path, headers=asked | {"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert "content-type" not in again.headers
            for one in (answer, again, client.head(path, headers=asked)):
                assert "accept-encoding" in one.headers["vary"].lower(), (asked, one.status_code)


def test_a_file_that_was_compressed_shares_no_strong_tag_and_has_no_ranges(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        plain = client.get("/static/style.css", headers=PLAIN)
        with client.stream("GET", "/static/style.css", headers=ZIPPED) as zipped:
            assert gzip.decompress(b"".join(zipped.iter_raw())) == plain.content
        assert zipped.headers["etag"] == f"W/{plain.headers['etag']}"
        assert "accept-ranges" not in zipped.headers and plain.headers["accept-ranges"] == "bytes"
        part = {"Range": "bytes=0-9"}
        assert client.get("/static/style.css", headers=part | {"If-Range": zipped.headers["etag"]}).status_code == 200
        assert client.get("/static/style.css", headers=part | {"If-Range": plain.headers["etag"]}).status_code == 206


def test_parquet_is_the_same_for_everyone(address: str) -> None:
    path = "/export.parquet?q=kind:base"
    answers = [httpx.get(f"{address}{path}", headers=asked) for asked in (ZIPPED, PLAIN)]
    for answer in answers:
        assert "content-encoding" not in answer.headers and answer.headers["accept-ranges"] == "bytes"
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


@pytest.mark.parametrize("path", ["/export.csv", "/export.parquet"])
def test_a_file_that_has_not_changed_keeps_its_strong_tag(address: str, path: str) -> None:
    with httpx.Client(base_url=address, headers=PLAIN, timeout=60) as client:
        tag = client.head(path).headers["etag"]
        unchanged = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)
        part = client.get(path, headers={"Range": "bytes=0-3", "If-Range": unchanged.headers["etag"]})
        assert part.status_code == 206
        # RFC 9110, section 13.1.2: there is one, so the condition is false.
        assert client.get(path, headers={"If-None-Match": "*"} | ZIPPED).status_code == 304


def test_the_description_of_the_api_has_a_tag(address: str) -> None:
    first = httpx.get(f"{address}/openapi.json")
    assert first.headers["cache-control"] == "public, max-age=60" and first.json()["openapi"].startswith("3.1")
    again = httpx.get(f"{address}/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
