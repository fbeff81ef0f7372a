"""The bill of materials is, byte for byte, what the library of CycloneDX writes of the same components."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from cyclonedx.model.bom import Bom
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from monitor.audit.cyclonedx import to_cyclonedx
from monitor.audit.mentions import Mention, Place
from monitor.audit.resolve import Entry
from tests.releases.query.test_query import release

AT = datetime(2026, 11, 29, 6, 30, 0, 125, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARENTS = [
    {"repo_id": "zeta/base", "relation": "finetune", "lab": "Zeta", "origin": "US", "license": "mit", "status": None},
    {"repo_id": "gpt2", "relation": "finetune"},
    {"repo_id": "alpha/base", "relation": "merge", "license_class": "permissive"},
]


def mention(text: str, line: int = 1) -> Mention:
    return Mention(text=text, place=Place("models.txt", line), repo_id=None, revision=None)


def entry(repo_id: str | None, revision: str | None = None, **more: object) -> Entry:
    made = Entry(repo_id, revision, (mention(repo_id or "Großes Modell\t\U0001f40b"),), "recorded")
    return replace(made, **more)


def written(*entries: Entry) -> str:
    return "".join(to_cyclonedx(entries, AT, "stack.txt"))


def rewritten(text: str) -> str:
    """What the library writes of a document that it has read."""
    bom = Bom.from_json(json.loads(text))
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def same(text: str) -> str:
    """The document with the escapes of Python's encoder, which the library uses, and nothing else changed."""
    return json.dumps(json.loads(text), indent=2) + "\n"


def test_it_is_what_the_library_writes_and_valid() -> None:
    rows = [
        release(1, name="b", license="apache-2.0", lab="acme", origin="DE", params_total=8_000_000_000),
        release(2, name="a", license="MIT OR Apache-2.0"),
        release(3, name="c", license="some licence of theirs", license_conflict=True),
    ]
    entries = [
        entry(None),
        *(entry(row.repo_id, row=row, sha=COMMIT, chain=PARENTS, successors=["x/y", "x/y", "x/a"]) for row in rows),
        entry(rows[0].repo_id, "main", row=rows[0], sha=COMMIT, mentions=(mention("b", 2), mention("b", 3))),
        entry(rows[1].repo_id, "v1.0", row=rows[1]),
        entry("gpt2"),
        entry("nobody/knows", problem="not in the history"),
    ]
    text = written(*entries)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text.isascii() is False
    assert rewritten(text) == same(text)
    assert same(text).encode() == text.encode().replace("ß".encode(), rb"\u00df").replace(
        "\U0001f40b".encode(), rb"\ud83d\udc0b"
    )
    assert len(json.loads(text)["components"]) == len(entries)


def test_an_empty_one_is_valid_too() -> None:
    text = written()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert rewritten(text) == text


def test_a_commit_that_is_named_in_two_ways_has_two_references() -> None:
    text = written(entry("acme/m", COMMIT), entry("acme/m", None, sha=COMMIT), entry("acme/m", "main", sha=COMMIT))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert rewritten(text) == text
    refs = [one["bom-ref"] for one in json.loads(text)["components"]]
    purl = f"pkg:huggingface/acme/m@{COMMIT}"
    assert refs == [purl, f"{purl}#2", f"{purl}#main"]
