"""The MCP server: through the client of the official SDK, over standard streams and over HTTP, on either database."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from sqlalchemy import Engine
from sqlmodel import select

from monitor import db
from monitor.audit.policy import PolicyTable, RuleTable, WaiverTable
from monitor.channels import channel_classes
from monitor.models import Subscription
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.corrections import FIELDS as CORRECTABLE
from monitor.releases.lenses import load_lenses
from monitor.releases.schema import QUERY_FIELDS
from monitor.releases.triggers.expression import parse_trigger
from monitor.service import Service
from monitor.settings import Settings
from monitor.text import plain
from monitor.web.app import create_app
from monitor.web.audits import MAX_BODY_BYTES
from monitor.web.model_context.admin_tools import ADMIN_TOOLS, WHEN
from monitor.web.model_context.audit_tools import POLICY
from monitor.web.model_context.release_tools import SHOWN_FIELDS
from monitor.web.model_context.tools import TOOLS
from tests.fakes.hub import until
from tests.generated import on_one_fixture
from tests.servers import free_port, served
from tests.web.history import BASE, HOSTILE, SCRIPT, fill
from tests.web.test_disconnect import SLOW, busy, keeps_working, working
from tests.web.test_disconnect import service as slow_service  # noqa: F401 - a fixture

TOKEN, KEY = "the-token-of-the-administrator", "a-key-of-more-than-thirty-two-characters"
HUB_MONITOR = str(Path(sys.executable).with_name("hub-monitor"))
READ_TOOLS = {
    "search_releases", "get_release", "launches", "shares", "stats", "brief", "get_lab", "audit", "why",
    "explain_query",
}  # fmt: skip
WRITE_TOOLS = {
    "list_subscriptions", "create_subscription", "change_subscription", "remove_subscription", "correct_release"
}  # fmt: skip
CALLS: dict[str, dict[str, Any]] = {
    "search_releases": {"query": "origin:US foundation:CN", "limit": 3},
    "get_release": {"repo_id": BASE},
    "launches": {"query": "origin:CN", "limit": 2},
    "shares": {"of": "CN,US", "query": "kind:base", "lens": "all"},
    "stats": {"by": "month,origin", "query": "kind:base", "sum": "downloads"},
    "brief": {"period": "last-week"},
    "get_lab": {"lab": "Qwen"},
    "audit": {
        "documents": [{"name": "app.py", "text": f'AutoModel.from_pretrained("{BASE}")\n'}],
        "ids": ["no/such-model"],
    },
    "why": {"repo_id": BASE, "filters": ["origin:CN kind:base", "origin:US"]},
    "explain_query": {"query": "origin:CN,KR params:>=30B released:2026"},
}
"""A call of every tool that reads."""
Connect = Callable[[], AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="module")
def program(filled: Path) -> StdioServerParameters:
    """The command over the filled history."""
    return command(f"sqlite:///{filled}")


def command(url: str, **more: str) -> StdioServerParameters:
    environment = {"MONITOR_DATABASE_URL": url, "MONITOR_SECRET_KEY": KEY, "PATH": os.environ["PATH"]} | more
    return StdioServerParameters(command=HUB_MONITOR, args=["mcp"], env=environment)


def asked(connect: Connect, work: Callable[[Client], Any]) -> Any:
    """What ``work`` returns of a connected client."""

    async def run() -> Any:
        async with connect() as client:
            return await work(client)

    return anyio.run(run)


def over_http(address: str, mode: str = "auto", token: str | None = None) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=mode) as client,
        ):
            yield client

    return connect


def call(connect: Connect, name: str, **arguments: Any) -> Any:
    """The structured content of an answer."""
    result = asked(connect, lambda client: client.call_tool(name, arguments))
    assert not result.is_error, result.content[0].text
    return result.structured_content


def refused(connect: Connect, name: str, **arguments: Any) -> str:
    """The text of an error."""
    result = asked(connect, lambda client: client.call_tool(name, arguments))
    assert result.is_error and result.structured_content is None
    return str(result.content[0].text)


def protocol_error(connect: Connect, work: Callable[[Client], Any]) -> MCPError:
    """The error of the protocol that ``work`` meets."""

    async def run(client: Client) -> MCPError:
        try:
            await work(client)
        except MCPError as error:
            return error
        raise AssertionError("no error")

    error: MCPError = asked(connect, run)
    return error


async def every_answer(client: Client) -> dict[str, Any]:
    tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == READ_TOOLS
    for tool in tools:
        assert tool.annotations is not None and tool.annotations.read_only_hint is True
        assert not tool.annotations.destructive_hint and tool.output_schema is not None
    # The SDK's client holds what it gets against the schema that the tool states.
    results = {name: await client.call_tool(name, arguments) for name, arguments in CALLS.items()}
    for name, result in results.items():
        assert not result.is_error, (name, result.content)
    return {name: (result.structured_content, result.content[0].text) for name, result in results.items()}  # type: ignore[union-attr]


# --- answers ----------------------------------------------------------------------------------------------


@pytest.fixture
def history_url(engine: Engine, database_url: str) -> str:
    """A filled history on either database."""
    fill(engine)
    return database_url


def test_the_same_answers_over_standard_streams_and_http(history_url: str) -> None:
    with served(Service(Settings(database_url=history_url, secret_key=KEY, requests_per_minute=0))) as address:
        streams = asked(lambda: Client(command(history_url)), every_answer)
        for mode in ("auto", "legacy"):
            http = asked(over_http(address, mode), every_answer)
            for name, (content, text) in http.items():
                ours = streams[name][0]
                changing = {"as_of", "citation", "page", "query", "sections"}
                assert {key: value for key, value in content.items() if key not in changing} == {
                    key: value for key, value in ours.items() if key not in changing
                }, name
                assert content["as_of"].endswith("Z") and content["as_of"][:16] in text
                assert content["citation"] is not None, (name, content["citation_problem"])
                assert content["citation"]["url"] in text


@pytest.fixture(scope="module")
def connect(address: str) -> Connect:
    return over_http(address)


def test_releases_are_those_of_the_api_and_the_page_that_is_named(
    connect: Connect, address: str, service: Service
) -> None:
    found = call(connect, "search_releases", query="origin:US foundation:CN", limit=5)
    api = httpx.get(
        f"{address}/api/v1/releases", params={"q": "origin:US foundation:CN", "limit": 5}, timeout=60
    ).json()
    assert found["items"] == [{name: one[name] for name in SHOWN_FIELDS} for one in api["items"]]
    assert found["query"] == "foundation:CN origin:US"
    page = urlsplit(found["page"])
    assert httpx.get(f"{address}{page.path}?{page.query}", timeout=60).status_code == 200
    following = call(connect, "search_releases", query="origin:US foundation:CN", limit=5, cursor=found["next"])
    assert not {one["repo_id"] for one in following["items"]} & {one["repo_id"] for one in found["items"]}
    chosen = call(connect, "search_releases", query=f"repo:{BASE}", fields=["license", "tags"])
    assert set(chosen["items"][0]) == {"repo_id", "license", "tags"}


def test_every_citation_leads_to_its_page(connect: Connect, address: str) -> None:
    for name, arguments in CALLS.items():
        cited = call(connect, name, **arguments)["citation"]
        path = urlsplit(cited["url"]).path
        about = httpx.get(f"{address}/api/v1/citations/{path.removeprefix('/c/')}", timeout=60).json()
        assert about["rows"] == cited["rows"] and about["as_of"] == cited["as_of"], name
        assert httpx.get(f"{address}{path}", timeout=60).status_code == 200


def test_a_release_comes_with_the_evidence_of_its_values(connect: Connect, address: str) -> None:
    found = call(connect, "get_release", repo_id=BASE.upper())["release"]
    assert found == httpx.get(f"{address}/api/v1/releases/{BASE}", timeout=60).json()
    assert found["evidence"]["kind"][0]["says"]


def test_the_past_is_answered_as_it_was_known(connect: Connect) -> None:
    before = call(connect, "search_releases", query="released:this-month", as_of="2024-06-30")
    assert before["query"] == "released:2024-06"
    assert {one["released_at"][:7] for one in before["items"]} <= {"2024-06"}
    assert before["as_of"] == before["citation"]["as_of"] == "2024-07-01T00:00:00Z"


def test_a_search_without_matches_says_what_may_have_been_meant(connect: Connect) -> None:
    assert "did you mean" in " ".join(call(connect, "search_releases", query="lab:qwenn")["suggestions"])


def test_why_names_the_part_that_does_not_hold(connect: Connect) -> None:
    first, second = call(connect, "why", repo_id=BASE, filters=["origin:CN kind:base", "origin:US kind:base"])["items"]
    assert first["matches"] and not second["matches"]
    assert {"text": "origin:US", "holds": False} in second["parts"]
    assert "United States" in second["words"]


def test_an_audit_with_a_policy_lists_its_findings(connect: Connect) -> None:
    policy = '[[rule]]\nid = "no-cn"\ndeny = "origin:CN"\nmessage = "not from there"\n'
    documents = [{"name": "requirements.txt", "text": "x==1"}, {"name": "models.txt", "text": BASE}]
    found = call(connect, "audit", documents=documents, policy=policy)
    assert found["violations"] == 1 and found["items"][0]["findings"][0]["rule"] == "no-cn"
    assert found["items"][0]["places"][0]["source"] == "models.txt"


def test_resources_are_listed_and_read(connect: Connect) -> None:
    async def read(client: Client) -> dict[str, str]:
        templates = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        assert templates == {
            "hub-monitor://releases/{namespace}/{name}", "hub-monitor://labs/{lab}", "hub-monitor://briefs/{period}"
        }  # fmt: skip
        listed = [one.uri for one in (await client.list_resources()).resources]
        addresses = [
            *listed,
            f"hub-monitor://releases/{BASE}",
            "hub-monitor://labs/qwen",
            "hub-monitor://briefs/2026-04",
        ]
        return {uri: (await client.read_resource(uri)).contents[0].text for uri in addresses}  # type: ignore[union-attr]

    texts = asked(connect, read)
    assert "| `origin` |" in texts["hub-monitor://query-language"]
    assert "| `repo_id` |" in texts["hub-monitor://release-object"]
    release = json.loads(texts[f"hub-monitor://releases/{BASE}"])
    assert release["release"]["repo_id"] == BASE and release["citation"]["url"]
    assert json.loads(texts["hub-monitor://labs/qwen"])["lab"]["origin"] == "CN"
    brief = texts["hub-monitor://briefs/2026-04"]
    assert brief.startswith("# Open-weight releases")
    assert "Query: `released:2026-04`" in brief and "Cite: <http" in brief
    for wrong in ("hub-monitor://nothing", "hub-monitor://labs/nobody", f"hub-monitor://labs/{'x' * 5_000}"):
        error = protocol_error(connect, lambda client, uri=wrong: client.read_resource(uri)).error
        assert error.code == INVALID_PARAMS and len(error.message) < 500


def test_every_answer_has_its_query_time_and_citation(connect: Connect) -> None:
    for name, arguments in CALLS.items():
        found = call(connect, name, **arguments)
        assert found["query"] is not None and found["as_of"], name
        assert found["citation"]["url"], (name, found["citation_problem"])


def test_descriptions_name_what_an_argument_takes() -> None:
    texts = {(tool.name, name): one.description or "" for tool in (*TOOLS, *ADMIN_TOOLS)
            for name, one in tool.arguments.model_fields.items()}  # fmt: skip
    assert all(texts.values())
    words = {
        ("shares", "lens"): [f"`{lens}`" for lens in load_lenses(None)],
        ("audit", "policy"): [f"`{name}`" for table in (PolicyTable, RuleTable, WaiverTable)
                              for name in table.model_fields.keys() - {"rule", "waiver"}],
        ("create_subscription", "channel"): sorted(channel_classes().keys() - {"terminal"}),
        ("create_subscription", "when"): [f"{name}(" for name in ("share", "count", "first", "new", "drop")],
        ("correct_release", "values"): list(CORRECTABLE),
        ("search_releases", "query"): [f"`{one.name}`" for one in QUERY_FIELDS],
    }  # fmt: skip
    for place, expected in words.items():
        assert [word for word in expected if word not in texts[place]] == [], place


def test_the_forms_that_descriptions_give_are_read(connect: Connect) -> None:
    lines = re.findall(r"`(\[\[rule\]\]|\w+ = [^`]+)`", POLICY.partition("A whole policy: ")[2])
    found = call(connect, "audit", ids=[BASE], policy="\n".join(lines))
    assert len(lines) == 3 and found["items"][0]["findings"] == []
    for text in re.findall(r"`(share\(origin[^`]+)`", WHEN):
        assert parse_trigger(text).normal == text


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("search_releases", {"query": "orgin:CN"}, ["query: column 1", "did you mean origin"]),
        ("search_releases", {"query": "origin:CN ("}, ["query: column"]),
        ("search_releases", {"query": "x" * 2_001}, ["query:", "2000"]),
        ("search_releases", {"sort": "beauty"}, ["sort", "released"]),
        ("search_releases", {"limit": 0}, ["limit:", "greater than or equal to 1"]),
        ("search_releases", {"limit": 201}, ["limit:", "200"]),
        ("search_releases", {"cursor": "!"}, ["cursor"]),
        ("search_releases", {"fields": ["beauty"]}, ["fields:", "'beauty'", "repo_id"]),
        ("search_releases", {"colour": 1}, ["colour: no such argument", "query, sort"]),
        ("search_releases", {"as_of": "soon"}, ["as_of", "2026-01-31"]),
        ("search_releases", {"as_of": "2999-01-01"}, ["as_of", "not in the future"]),
        ("search_releases", {"query": "a\x00b"}, ["query: no NUL"]),
        ("get_release", {"repo_id": "no/such"}, ["repo_id", "no/such", "search_releases"]),
        ("get_release", {}, ["repo_id: Field required"]),
        ("shares", {"of": "Atlantis"}, ["of 'Atlantis'", "two letters"]),
        ("shares", {"of": "CN", "lens": "original"}, ["there is no lens 'original'", "originals"]),
        ("stats", {"by": "beauty"}, ["by", "month"]),
        ("brief", {"period": "someday"}, ["someday"]),
        ("get_lab", {"lab": "nobody"}, ["lab: there is no lab nobody", "namespace:NAME"]),
        ("audit", {}, ["documents: at least one"]),
        ("audit", {"ids": ["a/b"], "policy": "["}, ["policy"]),
        ("why", {"repo_id": BASE}, ["filters: at least one", "administrator"]),
        ("why", {"repo_id": BASE, "filters": ["kind:base", "kind:"]}, ["filters.1: column"]),
        ("explain_query", {"query": "params:>lots"}, ["query: column 9", "a count expected"]),
    ],
)
def test_an_error_names_the_place_and_the_fix(
    connect: Connect, name: str, arguments: dict[str, Any], said: list[str]
) -> None:
    text = refused(connect, name, **arguments)
    for part in said:
        assert part in text
    assert "\n" not in text and "Traceback" not in text


def test_an_unknown_tool_is_an_error_of_the_protocol(connect: Connect) -> None:
    for name in ("remove_subscription", "x" * 10_000, "\x1b[31m\u202e"):
        error = protocol_error(connect, lambda client, tool=name: client.call_tool(tool, {})).error
        assert error.code == INVALID_PARAMS
        message = error.message
        assert "search_releases" in message and message == plain(message) and len(message) < 400


# --- what comes from strangers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_data(connect: Connect, name: str) -> None:
    query = f'repo:"{name}"' if name == SCRIPT else "namespace:evil"
    arguments = {"query": query, "fields": ["tags", "task"]}
    result = asked(
        connect, lambda client: client.call_tool("search_releases", arguments | {"fields": ["tags", "task"]})
    )
    text = result.content[0].text
    shown = [one["repo_id"] for one in result.structured_content["items"]]
    assert plain(name) in shown
    assert all(line == plain(line) for line in text.split("\n"))
    # A name stands in JSON, on one line.
    lines = text.split("\n")
    for line in lines[lines.index("items:") + 1 :]:
        if line.startswith("{"):
            json.loads(line)


def test_long_and_deep_values_are_cut_and_said_to_be(engine: Engine, database_url: str) -> None:
    from tests.releases.query.test_query import release

    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    with db.transaction(engine) as session:
        row = release(1, tags=["t" * 5_000, "a\nb\x1b[31m\u202e", *(f"t{number}" for number in range(1_000))])
        row.evidence = {"kind": [{"signal": "x", "value": deep, "says": "y" * 10_000}]}
        session.add(row)
        name = row.repo_id
    with served(Service(Settings(database_url=database_url, secret_key=KEY))) as address:
        found = call(over_http(address), "get_release", repo_id=name)
    assert len(found["release"]["tags"]) == 200 and len(found["release"]["tags"][0]) == 2_000
    assert found["release"]["tags"][1] == "ab[31m"
    assert {"release.tags: 1002 items", "release.tags[0]: 5000 characters"} <= set(found["shortened"])
    assert any("nested" in one for one in found["shortened"])


RPC = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@on_one_fixture(60)
@given(st.sampled_from(sorted(CALLS)), st.data())
def test_no_arguments_break_the_server(client: httpx.Client, name: str, data: st.DataObject) -> None:
    names = st.sampled_from([*CALLS[name], "as_of", "limit", "cursor"]) | st.text(max_size=10)
    arguments = data.draw(st.dictionaries(names, ANY_JSON, max_size=4) | ANY_JSON)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    answer = client.post("/mcp", json=body, headers=RPC)
    assert answer.status_code in {200, 400}
    text = answer.json().get("result", {}).get("content", [{"text": ""}])[0]["text"]
    assert all(line == plain(line) for line in text.split("\n"))
    assert "the server failed" not in text


@on_one_fixture(60)
@given(st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode()), st.text("0123-", max_size=10))
def test_no_body_breaks_the_server(client: httpx.Client, body: bytes, version: str) -> None:
    answer = client.post("/mcp", content=body, headers=RPC | {"MCP-Protocol-Version": version})
    assert answer.status_code < 500


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ([{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 2, "not a list"),
        ("ping", "JSON-RPC"),
        ({"id": 1, "method": "ping"}, "JSON-RPC"),
        ({"jsonrpc": "2.0", "id": 1}, "method: a text expected"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, "params: an object expected"),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, "id: a text or a whole number expected"),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, "id: a text or a whole number expected"),
    ],
)
def test_what_is_no_message_is_refused_in_one_line(client: httpx.Client, message: Any, said: str) -> None:
    answer = client.post("/mcp", json=message, headers=RPC)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, -32600)
    assert said in error["message"] and "\n" not in error["message"] and "pydantic" not in error["message"]


def test_a_body_of_another_type_is_refused_as_elsewhere(client: httpx.Client) -> None:
    for declared in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/mcp", content=json.dumps(LIST), headers=RPC | {"Content-Type": declared})
        assert answer.status_code == 415
        assert "application/json expected" in answer.json()["error"]["message"]
    for declared in ("application/json; charset=utf-8", "Application/JSON"):
        assert client.post("/mcp", json=LIST, headers=RPC | {"Content-Type": declared}).status_code == 200


def test_the_address_may_end_with_a_slash(address: str) -> None:
    answer = httpx.post(f"{address}/mcp/", json=LIST, headers=RPC, follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/mcp")
    assert answer.json()["result"]["tools"]


# --- who may do what --------------------------------------------------------------------------------------


@pytest.fixture
def administered(engine: Engine, database_url: str) -> Iterator[tuple[str, Engine]]:
    """The address of an installation with an administrator's token."""
    fill(engine, hostile=False)
    service = Service(
        Settings(database_url=database_url, secret_key=KEY, admin_token=TOKEN, allow_private_targets=True)
    )
    with served(service) as address:
        yield address, engine
    service.dispose()


def test_an_administrator_may_write(administered: tuple[str, Engine]) -> None:
    address, engine = administered
    admin = over_http(address, token=TOKEN)
    tools = asked(admin, lambda client: client.list_tools()).tools
    hints = {tool.name: tool.annotations for tool in tools}
    assert set(hints) == READ_TOOLS | WRITE_TOOLS
    assert hints["remove_subscription"].destructive_hint and not hints["create_subscription"].read_only_hint
    target = "https://127.0.0.1:9/hook?token=very-secret-value"
    made = call(admin, "create_subscription", channel="webhook", target=target, filter="origin:CN")["items"][0]
    assert "secret" not in made and "very-secret-value" not in json.dumps(made)
    why = asked(admin, lambda client: client.call_tool("why", {"repo_id": BASE}))
    assert why.structured_content["items"][0]["subscription"] == made["id"]
    assert "127.0.0.1:9" not in why.content[0].text and "very-secret" not in why.content[0].text
    assert call(admin, "change_subscription", id=made["id"], paused=True)["items"][0]["paused"] is True
    assert len(call(admin, "list_subscriptions")["items"]) == 1
    call(admin, "remove_subscription", id=made["id"])
    with db.reading(engine) as session:
        assert session.scalars(select(Subscription)).all() == []
    changed = call(admin, "correct_release", repo_id=BASE, values=["origin=KR"], because="a test")
    assert {"repo_id": BASE, "field": "origin", "before": "CN", "after": "KR"} in changed["items"]
    assert call(over_http(address), "get_release", repo_id=BASE)["release"]["origin"] == "KR"
    call(admin, "correct_release", repo_id=BASE, values=["origin"], because="undone", action="undo")
    assert call(over_http(address), "get_release", repo_id=BASE)["release"]["origin"] == "CN"
    assert "no subscription" in refused(admin, "remove_subscription", id="none")
    assert "channel 'pigeon'" in refused(admin, "create_subscription", channel="pigeon", target="x")
    assert "field=value" in refused(admin, "correct_release", repo_id=BASE, values=["beauty=1"], because="x")


def test_without_the_token_nothing_of_subscriptions_is_shown(administered: tuple[str, Engine]) -> None:
    address, engine = administered
    with db.transaction(engine) as session:
        subscribe(session, SubscriptionCreate("terminal", "the-target", "origin:CN"))
    result = asked(over_http(address), lambda client: client.call_tool("why", {"repo_id": BASE, "filters": [""]}))
    assert "the-target" not in result.content[0].text and len(result.structured_content["items"]) == 1
    assert "at least one" in refused(over_http(address), "why", repo_id=BASE)


def test_a_wrong_token_is_refused_before_the_body_is_read(administered: tuple[str, Engine]) -> None:
    address, _ = administered
    for token in ("wrong", TOKEN + "x", TOKEN[:-1]):
        answer = httpx.post(
            f"{address}/mcp", content=b"\xff no JSON", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        assert answer.status_code == 401 and "MONITOR_ADMIN_TOKEN" in answer.json()["error"]["message"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as one:
        head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer no\r\nContent-Length: 1000\r\n\r\n"
        one.sendall(head.encode())  # and no body
        assert b"401" in one.recv(1_000)


def test_the_scheme_of_the_token_is_written_in_any_case(administered: tuple[str, Engine]) -> None:
    for scheme in ("bearer", "BEARER"):
        answer = httpx.post(f"{administered[0]}/mcp", json=LIST, headers=RPC | {"Authorization": f"{scheme} {TOKEN}"})
        assert {tool["name"] for tool in answer.json()["result"]["tools"]} == READ_TOOLS | WRITE_TOOLS
    for wrong in (f"Basic {TOKEN}", TOKEN, "Bearer", ""):
        refused_ = httpx.post(f"{administered[0]}/mcp", json=LIST, headers=RPC | {"Authorization": wrong})
        assert refused_.status_code == 401, wrong


def test_a_token_without_an_administrator_is_refused(address: str) -> None:
    answer = httpx.post(f"{address}/mcp", json={}, headers={"Authorization": "Bearer x"}, timeout=60)
    assert answer.status_code == 403 and "MONITOR_ADMIN_TOKEN is not set" in answer.json()["error"]["message"]


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "monitor.example.org"}, 200),
        ({"Host": "monitor.example.org", "Origin": "https://monitor.example.org"}, 200),
        ({"Host": "web:8000"}, 200),
        ({"Host": "[::1]:8000", "Origin": "http://localhost:5173"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Host": "10.0.0.7", "Origin": "http://localhost:5173"}, 403),
        ({"Host": "[evil", "Origin": "http://[evil"}, 421),
    ],
)
def test_pages_of_other_sites_reach_nothing(sqlite_engine: Engine, sqlite_url: str, headers: Any, status: int) -> None:
    service = Service(Settings(database_url=sqlite_url, public_url="https://monitor.example.org"))
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        answer = client.post("/mcp", json=LIST, headers=RPC | headers)
        assert answer.status_code == status
        if status != 200:
            assert "MONITOR_PUBLIC_URL" in answer.json()["error"]["message"]
        assert "access-control-allow-origin" not in answer.headers
        assert client.get("/mcp", headers={"Accept": "text/event-stream"}).status_code == 405


# --- limits -----------------------------------------------------------------------------------------------


def test_bodies_are_bounded_as_those_of_the_audit(address: str) -> None:
    answer = httpx.post(f"{address}/mcp", content=b" " * (MAX_BODY_BYTES + 1), headers=RPC, timeout=60)
    assert answer.status_code == 413 and str(MAX_BODY_BYTES) in answer.json()["error"]["message"]


def test_calls_count_against_the_rate_limit(sqlite_engine: Engine, sqlite_url: str) -> None:
    service = Service(Settings(database_url=sqlite_url, requests_per_minute=5))
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        answers = [client.post("/mcp", json=LIST, headers=RPC) for _ in range(12)]
        assert 429 in {one.status_code for one in answers}


def test_a_call_ends_when_its_client_disconnects(slow_service: Service) -> None:  # noqa: F811
    from urllib.parse import unquote

    arguments = {"query": unquote(SLOW), "by": "origin"}
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "stats", "arguments": arguments}}
    ).encode()
    with served(slow_service) as address, busy(slow_service.engine):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as one:
            lines = [f"{name}: {value}" for name, value in (RPC | {"Host": host, "Content-Length": len(body)}).items()]
            one.sendall("\r\n".join(["POST /mcp HTTP/1.1", *lines, "", ""]).encode() + body)
            until(lambda: keeps_working(slow_service), what="the query to run")
        until(lambda: not working(slow_service), what="its connection to be given back")


def test_a_thousand_sessions_leave_nothing_behind(service: Service) -> None:
    start = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
    }  # fmt: skip
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    lab = {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/call",
        "params": {"name": "get_lab", "arguments": {"lab": "Qwen"}},
    }

    async def session(http: httpx.AsyncClient, limiter: anyio.CapacityLimiter, *, calls: bool) -> None:
        async with limiter:
            for message in (start, ready, *([LIST, lab] if calls else [ping])):
                answer = await http.post("/mcp", json=message, headers=RPC)
                assert answer.status_code in {200, 202}, answer.text
                assert "mcp-session-id" not in answer.headers

    async def sessions(address: str, number: int) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)  # one that is kept may be closed while it is used again
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as http:
            limiter = anyio.CapacityLimiter(20)
            async with anyio.create_task_group() as group:
                for one in range(number):
                    group.start_soon(lambda calls=one % 100 == 0: session(http, limiter, calls=calls))

    def kept() -> int:
        gc.collect()
        return sum(str(type(one).__module__).startswith("mcp.") for one in gc.get_objects())

    with served(service) as address:
        anyio.run(sessions, address, 100)
        before, blocks = kept(), sys.getallocatedblocks()
        anyio.run(sessions, address, 1_000)
        assert kept() <= before + 5
        # One a session would be a thousand of each of its objects.
        assert sys.getallocatedblocks() - blocks < 5_000


# --- the command ------------------------------------------------------------------------------------------


def environment(url: str, **more: str) -> dict[str, str]:
    found = command(url, **more).env
    assert found is not None
    return dict(found)


def test_the_command_ends_with_its_input_and_by_signals(sqlite_url: str, tmp_path: Path) -> None:
    for number in (None, signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [HUB_MONITOR, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(sqlite_url), cwd=tmp_path,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        assert b'"jsonrpc"' in process.stdout.readline()
        if number is None:
            process.stdin.close()
        else:
            process.send_signal(number)
        assert process.wait(300) in {0, -signal.SIGTERM, -signal.SIGINT}
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()


def test_the_command_writes_only_with_the_right_token(filled: Path, sqlite_url: str, tmp_path: Path) -> None:
    for more, said in (
        ({"MONITOR_MCP_TOKEN": TOKEN}, "MONITOR_ADMIN_TOKEN is not set"),
        ({"MONITOR_MCP_TOKEN": "wrong-token-here", "MONITOR_ADMIN_TOKEN": TOKEN}, "not the value"),
    ):
        done = subprocess.run(
            [HUB_MONITOR, "mcp"],
            input=b"",
            env=environment(sqlite_url, **more),
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2 and said in done.stderr.decode() and TOKEN not in done.stderr.decode()
    with_token = command(f"sqlite:///{filled}", MONITOR_MCP_TOKEN=TOKEN, MONITOR_ADMIN_TOKEN=TOKEN)
    tools = asked(lambda: Client(with_token), lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == READ_TOOLS | WRITE_TOOLS
    without = command(f"sqlite:///{filled}", MONITOR_ADMIN_TOKEN=TOKEN)
    assert {
        tool.name for tool in asked(lambda: Client(without), lambda client: client.list_tools()).tools
    } == READ_TOOLS


def test_the_command_serves_http(filled: Path, tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [HUB_MONITOR, "mcp", "--http", "--port", str(port)], env=environment(f"sqlite:///{filled}"), cwd=tmp_path,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        assert process.stderr is not None and f"{address}/mcp".encode() in process.stderr.readline()
        until(lambda: _answers(address), what="the server to answer")
        found = call(over_http(address), "get_release", repo_id=SCRIPT)
        assert found["page"].startswith(f"{address}/releases/")
        link = urlsplit(found["citation"]["url"])
        assert httpx.get(f"{address}{link.path}", timeout=60).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(300) in {0, 130, -signal.SIGINT}


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def test_without_the_sdk_the_command_and_the_address_say_how_to_install_it(sqlite_url: str, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['mcp'] = None; from workers.main import main; sys.argv[1:] = ['mcp']; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        input=b"",
        env=environment(sqlite_url),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2 and "pip install 'hub-release-monitor[mcp]'" in done.stderr.decode()
    asked_for = (
        "import sys; sys.modules['mcp'] = None\n"
        "from fastapi.testclient import TestClient; from monitor.service import Service\n"
        "from monitor.settings import load; from monitor.web.app import create_app\n"
        "answer = TestClient(create_app(Service(load())), base_url='http://127.0.0.1').post('/mcp', json={})\n"
        "print(answer.status_code, answer.text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked_for], env=environment(sqlite_url), cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(b"503") and b"hub-release-monitor[mcp]" in done.stdout


def test_the_application_imports_the_sdk_only_when_it_is_asked(sqlite_url: str, tmp_path: Path) -> None:
    code = "import sys, monitor.web.app, monitor.cli.query; print([name for name in sys.modules if name == 'mcp'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(sqlite_url), cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[]"
