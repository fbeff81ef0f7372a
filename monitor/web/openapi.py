"""The OpenAPI document: what FastAPI reads from the routes, and what it leaves out.

FastAPI drops nulls from examples, repeats each error at each operation, knows no headers, and has one path for all
endings of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from monitor.releases.export import FORMATS
from monitor.releases.schema import example
from monitor.settings import Settings

TAGS = {
    "releases": "Releases on the Hub, with what is known about each.",
    "statistics": "Counts, shares and how fast derivatives come.",
    "exports": "All that matches, as a file.",
    "launches": "Repositories that came out together, and announcements.",
    "labs": "The registry of labs and their countries.",
    "briefs": "What came out in a week or a month.",
    "citations": "Permalinks of a question, its time and the digest of its rows.",
    "audit": "The models that documents name: whose they are, and under which terms.",
    "feeds": "Subscribe to any query: Atom, JSON or a calendar.",
    "email": "Sign up for email alerts.",
    "administration": "Subscriptions and stacks, with the bearer token of MONITOR_ADMIN_TOKEN.",
    "hooks": "Endpoints that other services call.",
    "operation": "For operators.",
}
"""Topics of the API, in the order in which they are shown."""
DESCRIPTION = """\
Open-weight model releases on the Hugging Face Hub: whose, from where, how big, on which terms.

Read by anybody, without a key, within the limits of this server; only administration needs a token. `q` is a query in
the query language. Unknown values are null, times are ISO 8601 in UTC. HEAD is answered wherever GET is. A request with
`If-None-Match` is answered with 304 while the ETag is the same. A parameter that an address does not take is refused
with 422. Errors are `{"error": {"code", "message", "field"}}`.\
"""
HEADERS = {
    "X-Request-ID": "The request's id in the server's log; the one that was sent with it, if any.",
    "ETag": "Version of the answer: send it as `If-None-Match`.",
    "Cache-Control": "How long the answer may be kept, and by whom.",
    "Content-Disposition": "The name of the file.",
    "Content-Range": "Which bytes of the file these are, and how many it has.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "The scheme that is required: Bearer.",
}
_METHODS = ("get", "put", "post", "patch", "delete")
_ERROR_HEADERS = {"401": ("WWW-Authenticate",), "416": ("Content-Range",), "429": ("Retry-After",)}
Node = dict[str, Any]


def about(settings: Settings) -> Node:
    """Arguments of FastAPI that describe the API as a whole."""
    base = settings.public_url
    return {
        "description": DESCRIPTION,
        "servers": [{"url": base, "description": "This server."}],
        "contact": {"name": "The operator of this server", "url": f"{base}/status"},
        "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "openapi_tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    }


def completed(found: Node) -> Node:
    """The document as FastAPI makes it, with what it leaves out."""
    components = found["components"]
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
    }
    components["responses"] = {}
    found["security"] = []
    found["paths"] = dict(_concrete(found["paths"]))
    for methods in found["paths"].values():
        for operation in (methods[name] for name in _METHODS if name in methods):
            _describe(operation, components["schemas"])
            for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
                _share_schemas(holder, components["schemas"])
            _share_errors(operation, components["responses"])
            for parameter in operation.get("parameters", ()):
                _simplify(parameter)
    components["schemas"]["ReleaseObject"]["example"] = example()
    return found


def _concrete(paths: Node) -> Iterator[tuple[str, Node]]:
    """Each path; of ``/export.{form}`` one for each form, which answers with one media type."""
    for path, methods in paths.items():
        if not path.endswith(".{form}"):
            yield path, methods
            continue
        ((method, operation),) = methods.items()
        form = next(one for one in operation["parameters"] if one["name"] == "form")
        for ending in form["schema"]["enum"]:
            own = deepcopy(operation)
            own["operationId"] += f"_{ending}"
            own["parameters"] = [one for one in own["parameters"] if one["name"] != "form"]
            media_type = FORMATS[ending].partition(";")[0]
            for status in {"200", "206"} & own["responses"].keys():
                response = own["responses"][status]
                response["content"] = {media_type: {"schema": _FILE if ending == "parquet" else _TEXT}}
                response["headers"] = _headers("Content-Disposition", *(["Content-Range"] if status == "206" else []))
            yield path.replace("{form}", ending), {method: own}


_TEXT = {"type": "string"}
_FILE = {"type": "string", "format": "binary"}


def _describe(operation: Node, schemas: Node) -> None:
    """Its summary is the first sentence of its description; its responses have descriptions and headers."""
    operation["description"] = operation["description"].replace("``", "`")
    operation["summary"] = _sentence(operation["description"]).rstrip(".")
    if "security" in operation:
        operation["security"] = [{name: [] for name in one} for one in operation["security"]]
    for status, response in operation["responses"].items():
        if response["description"] == "Successful Response":
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            response["description"] = _sentence(schemas.get(_name(schema), {}).get("description", "Done."))
        names = ["X-Request-ID", *_ERROR_HEADERS.get(status, ())]
        if status == "304" or ("304" in operation["responses"] and status in {"200", "206"}):
            names += ["ETag", "Cache-Control"]
        response["headers"] = response.get("headers", {}) | _headers(*names)


def _sentence(text: str) -> str:
    """The first sentence of a text."""
    return text.replace("``", "`").replace("\n", " ").partition(". ")[0].partition("; ")[0].rstrip(".") + "."


def _name(schema: Node) -> str:
    """The name of the component that a schema refers to; empty if it refers to none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _headers(*names: str) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _share_schemas(holder: Node, schemas: Node) -> None:
    """Moves the schema of a body that FastAPI has not read, and those that it refers to, to the components."""
    for media in holder.get("content", {}).values():
        schema = media.get("schema", {})
        for name, one in schema.pop("$defs", {}).items():
            schemas.setdefault(name, one)
        if "title" in schema and "properties" in schema:
            schemas.setdefault(schema["title"], schema)
            media["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _share_errors(operation: Node, shared: Node) -> None:
    """Refers to one description of each error, with the example as it is sent: ``field`` is null, not missing."""
    for status, response in operation["responses"].items():
        media = response.get("content", {}).get("application/json", {})
        if _name(media.get("schema", {})) != "Problems":
            continue
        media["example"]["error"].setdefault("field", None)
        if shared.setdefault(f"Error{status}", response) == response:
            operation["responses"][status] = {"$ref": f"#/components/responses/Error{status}"}


def _simplify(parameter: Node) -> None:
    """Describes it once; none can be null: what is not sent is missing."""
    schema = parameter["schema"]
    schema.pop("description", None)
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        parameter["schema"] = options[0] | schema
