"""The API described for people, made from its own OpenAPI description."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from monitor.web.http_responses import as_json
from monitor.web.openapi import TAGS
from monitor.web.render import page

router = APIRouter()
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that can be asked of the API."""

    method: str
    path: str
    summary: str
    parameters: list[dict[str, str]]
    answers: list[tuple[str, str]]


@router.get("/openapi.json", include_in_schema=False)
def document(request: Request) -> Response:
    """The API as OpenAPI."""
    return as_json(request, request.app.openapi())


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request) -> HTMLResponse:
    """Every call of the API by topic."""
    topics: dict[str, list[Call]] = defaultdict(list)
    for path, methods in request.app.openapi()["paths"].items():
        for method in (method for method in METHODS if method in methods):
            call = methods[method]
            topics[(call.get("tags") or ["other"])[0]].append(_call(method, path, call))
    return page(request, "docs", topics=dict(topics), descriptions=TAGS)


def _call(method: str, path: str, call: dict[str, Any]) -> Call:
    parameters = [_parameter(item) for item in call.get("parameters", ())]
    answers = [(code, answer.get("description", "")) for code, answer in call.get("responses", {}).items()]
    return Call(method.upper(), path, call.get("description") or call.get("summary", ""), parameters, answers)


def _parameter(item: dict[str, Any]) -> dict[str, str]:
    schema = item.get("schema", {})
    options = schema.get("anyOf", [schema])
    kinds = " or ".join(str(one.get("type", "")) for one in options if one.get("type") not in {None, "null"})
    choices = [str(choice) for one in options for choice in one.get("enum", ())]
    limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return {
        "name": item["name"],
        "in": item["in"],
        "kind": ", ".join([*([" | ".join(choices)] if choices else [kinds]), *limits]),
        "usual": "" if schema.get("default") in (None, "", []) else str(schema["default"]),
        "description": item.get("description") or schema.get("description") or "",
    }
