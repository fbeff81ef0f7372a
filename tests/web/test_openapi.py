"""The OpenAPI document: accepted by the tools that people use, and held by every answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import SecretStr

from monitor.releases.schema import FIELDS, example
from monitor.releases.search import SORTS
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.openapi import TAGS
from tests.conftest import ROOT

LINTERS = ROOT / "build" / "linters" / "node_modules" / ".bin"
VALIDATORS = ROOT / "build" / "validators" / "bin"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
ADMIN = {"Authorization": "Bearer t"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of an application."""
    path = tmp_path_factory.mktemp("described") / "monitor.db"
    given = Settings(database_url=f"sqlite:///{path}", public_url="https://monitor.example.org/models")
    found: dict[str, Any] = create_app(Service(given)).openapi()
    return found


@pytest.fixture(scope="module")
def file(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields (method, path, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


# --- tools ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["redocly", "lint", "--max-problems=50", "--format=stylish"],
        ["spectral", "lint", "--ruleset", str(ROOT / ".ci" / "openapi" / "spectral.yaml"), "--fail-severity=hint"],
    ],
    ids=lambda command: command[0],
)
def test_linters_find_no_error_and_warn_of_nothing(file: Path, command: list[str]) -> None:
    program = LINTERS / command[0]
    if not program.exists():
        pytest.skip("run `make validators` first, with Node.js and npm on the PATH")
    done = subprocess.run(
        [program, *command[1:], file], cwd=file.parent, env=os.environ | QUIET, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"[1-9]\d* (warning|error)", done.stdout + done.stderr), done.stdout + done.stderr


@pytest.mark.slow
def test_it_is_what_the_specification_says(file: Path) -> None:
    program = VALIDATORS / "openapi-spec-validator"
    if not program.exists():
        pytest.skip("run `make validators` first")
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the document -----------------------------------------------------------------------------------------


def test_each_operation_has_a_name_a_topic_and_a_description_of_each_part(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 40
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), where
        assert not operation["operationId"].endswith(f"_{method}"), f"{where}: give it an operation_id"
        assert len(operation["tags"]) == 1, where
        assert operation["tags"][0] in TAGS, where
        assert operation["summary"], where
        assert operation["description"], where
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (where, parameter["name"])
            assert "anyOf" not in parameter["schema"], (where, parameter["name"])
        for status, response in operation["responses"].items():
            assert response.get("$ref") or response["description"] != "Successful Response", (where, status)
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == set(TAGS)


def test_it_says_where_the_api_is_and_what_needs_a_token(document: dict[str, Any]) -> None:
    assert document["servers"][0]["url"] == "https://monitor.example.org/models"
    assert document["components"]["securitySchemes"]["adminToken"]["scheme"] == "bearer"
    assert document["security"] == []
    for method, path, operation in operations(document):
        wanted = {"401"} <= operation["responses"].keys()
        assert bool(operation.get("security")) == wanted, f"{method} {path}"
        assert all(one["name"].lower() != "authorization" for one in operation.get("parameters", ()))


def test_answers_have_their_headers_and_errors_are_described_once(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            where = f"{method} {path} {status}"
            if status >= "400":
                assert response == {"$ref": f"#/components/responses/Error{status}"}, where
            else:
                assert "X-Request-ID" in response["headers"], where
        if "304" in operation["responses"]:
            assert {"ETag", "Cache-Control"} <= operation["responses"]["200"]["headers"].keys()
    shared = document["components"]["responses"]
    assert "Retry-After" in shared["Error429"]["headers"]
    assert "WWW-Authenticate" in shared["Error401"]["headers"]


def test_examples_hold_what_is_null_and_enumerations_are_of_one_type(document: dict[str, Any]) -> None:
    released = document["components"]["schemas"]["ReleaseObject"]
    assert released["example"] == example()
    assert list(released["properties"]) == [field.name for field in FIELDS]
    for name, schema in document["components"]["schemas"].items():
        if "example" in schema:
            _validator(document, {"$ref": f"#/components/schemas/{name}"}).validate(schema["example"])
    for response in document["components"]["responses"].values():
        media = response["content"]["application/json"]
        assert media["example"]["error"].keys() == {"code", "message", "field"}
        _validator(document, media["schema"]).validate(media["example"])
    for enum in _enums(document):
        assert len({type(value) for value in enum}) == 1, enum
    sort = next(one for one in document["paths"]["/api/v1/releases"]["get"]["parameters"] if one["name"] == "sort")
    assert {value.removeprefix("-") for value in sort["schema"]["enum"]} == set(SORTS)


def _enums(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield node["enum"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _enums(one)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    assert references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


# --- answers ----------------------------------------------------------------------------------------------

PATHS = {
    "/api/v1/releases": ["?limit=200", "?q=notable:any", "?sort=-params&limit=3"],
    "/api/v1/releases/{namespace}/{name}": ["Qwen/Qwen3.5-9B-Base"],
    "/api/v1/releases/{namespace}/{name}/adoption": ["Qwen/Qwen3.5-9B-Base/adoption"],
    "/api/v1/stats": ["?by=month,origin", "?by=origin&sum=downloads", "?by=size&median=true", "?by=root,kind",
                      "?by=month&time=stock&sum=likes"],
    "/api/v1/labs/{lab}": ["qwen"],
    "/api/v1/launches/{ident}": ["1"],
    "/api/v1/uptake": ["", "?by=origin&days=40"],
    "/api/v1/brief/{period}": ["last-week", "last-month"],
    "/api/v1/shares": ["?of=CN,US", "?of=CN&lens=all"],
    "/api/v1/side-by-side": ["?id=Qwen/Qwen3.5-9B-Base&id=nobody/at-all"],
    "/api/v1/stacks/{name}": ["prod"],
}  # fmt: skip
"""How each path with parameters is asked: what stands after the part of it that is fixed."""


@pytest.fixture(scope="module")
def asked(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Asks, as an administrator, an application over a copy of the recorded timeline."""
    path = tmp_path_factory.mktemp("asked") / "monitor.db"
    shutil.copy(filled, path)
    given = Settings(database_url=f"sqlite:///{path}", requests_per_minute=0, admin_token=SecretStr("t"),
                     hub_webhook_secret=SecretStr("t"), secret_key=SecretStr("k"))  # fmt: skip
    service = Service(given)
    with TestClient(create_app(service), headers=ADMIN) as made:
        yield made
    service.dispose()


def test_every_answer_in_json_is_what_it_is_said_to_be(asked: httpx.Client) -> None:
    document = asked.get("/openapi.json").json()
    seen = dict(_changes(asked))
    idents = {"/api/v1/citations/{ident}": seen["post /api/v1/citations"].json()["id"],
              "/api/v1/subscriptions/{ident}": seen["post /api/v1/subscriptions"].json()["id"]}  # fmt: skip
    for method, path, operation in operations(document):
        if method != "get" or not any(
            name.endswith(("/json", "+json")) for name in operation["responses"]["200"].get("content", {})
        ):
            continue
        fixed = path.partition("{")[0]
        for more in PATHS.get(path, [idents.get(path, "")]):
            answer = asked.get(f"{fixed}{more}")
            # A service whose last poll is minutes ago is not ready, and says so in JSON, too.
            expected = {200, 503} if path == "/readyz" else {200}
            assert answer.status_code in expected, (path, more, answer.text)
            seen[f"get {path} {more}"] = answer
            _held(document, operation, answer)
    assert len(seen) > 35
    for key, answer in seen.items():
        method, path, *_ = key.split(" ")
        _held(document, document["paths"][path][method], answer)
    for path in ("/api/v1/releases?q=nothing:1", "/api/v1/labs/nobody", "/api/v1/releases?limit=0"):
        answer = asked.get(path)
        assert answer.status_code in {404, 422}
        _validator(document, {"$ref": "#/components/schemas/Problems"}).validate(answer.json())


def _changes(asked: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Makes one of each thing that can be made, so that there is something to be read."""
    yield "post /api/v1/citations", asked.post("/api/v1/citations", json={"q": "origin:CN", "as_of": "2026-01-01"})
    webhook = {"channel": "webhook", "target": "https://example.org/hook", "filter": "origin:CN"}
    yield "post /api/v1/subscriptions", (made := asked.post("/api/v1/subscriptions", json=webhook))
    trigger = {"channel": "webhook", "target": "https://example.org/other", "when": "count(origin:CN, 30d) >= 5"}
    assert asked.post("/api/v1/subscriptions", json=trigger).json()["trigger"]["message"] == "not evaluated yet"
    path = f"/api/v1/subscriptions/{made.json()['id']}"
    yield "patch /api/v1/subscriptions/{ident}", asked.patch(path, json={"paused": True})
    text = "model: Qwen/Qwen3.5-9B-Base\nother: nobody/at-all\n"
    body = {"documents": [{"name": "compose.yaml", "text": text}], "ids": ["not an id"]}
    yield "put /api/v1/stacks/{name}", asked.put("/api/v1/stacks/prod", json=body)
    yield "post /hooks/hub", asked.post("/hooks/hub", json={"event": {}}, headers={"X-Webhook-Secret": "t"})


def _held(document: dict[str, Any], operation: dict[str, Any], answer: httpx.Response) -> None:
    """Asserts that an answer is one that its operation describes: status, type, headers and content."""
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, (operation["operationId"], answer.status_code, answer.text)
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert {name.lower() for name in response["headers"]} <= answer.headers.keys(), operation["operationId"]
    media = response["content"][answer.headers["content-type"].partition(";")[0]]
    _validator(document, media["schema"]).validate(answer.json())


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": document["components"]}, format_checker=FORMATS)


FORMATS = FormatChecker(formats=["date"])


@FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    """Whether a text is a time of UTC as RFC 3339 has it; others are of no format."""
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) is not None
