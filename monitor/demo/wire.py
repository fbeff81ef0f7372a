"""How the Hub writes repositories: list rows, details, cursors and refusals, as seen on the wire."""

import base64
import binascii
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from monitor.demo.world import SERVED, SORTS, Facts, Key, made_id, sort_value

PLAIN = (
    *("_id", "id", "likes", "trendingScore", "private", "downloads", "tags"),
    *("pipeline_tag", "library_name", "createdAt", "modelId"),
)
FULL = (*PLAIN, "author", "sha", "lastModified", "gated", "siblings")
DETAIL = (
    *("_id", "id", "private", "pipeline_tag", "library_name", "tags", "downloads", "likes", "modelId", "author"),
    *("sha", "lastModified", "gated", "disabled", "model-index", "config", "cardData", "siblings", "spaces"),
    *("createdAt", "safetensors", "gguf", "usedStorage"),
)
# huggingface_hub 2.4, hf_api.ExpandModelProperty_T.
EXPAND = frozenset(
    (
        *("author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled"),
        *("downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference"),
        *("inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token", "model-index"),
        *("pipeline_tag", "private", "resourceGroup", "safetensors", "sha", "siblings", "spaces", "tags"),
        *("transformersInfo", "trendingScore", "usedStorage", "widgetData"),
    )
)


class HubError(Exception):
    """An answer that refuses: status, the `error` of its body and `X-Error-Message`, and perhaps `X-Error-Code`."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Query:
    """The parameters of one request: each a list of strings, as a query string has them."""

    def __init__(self, params: Mapping[str, list[str]]) -> None:
        self._params = params

    def all(self, name: str) -> list[str]:
        """Every value of a parameter that may be repeated, as `name=` or `name[]=`."""
        return [*self._params.get(name, ()), *self._params.get(f"{name}[]", ())]

    def one(self, name: str) -> str | None:
        values = self._params.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool | None:
        """True or False where it is given (`full=true`, `full=1`, `full`), else None."""
        value = self.one(name)
        return None if value is None else value.lower() in {"", "1", "true"}


def fields_of_list(query: Query) -> tuple[str, ...]:
    """The fields that a list row holds; `expand` and `full`/`cardData`/`config` exclude each other."""
    expand = fields_of_expand(query)
    more = [name for name in ("full", "cardData", "config") if query.flag(name)]
    if expand is not None:
        if more:
            raise HubError(400, f"Cannot use expand with {', '.join(more)}")
        return expand
    fields = FULL if "full" in more else PLAIN
    return (*fields, *(name for name in ("cardData", "config") if name in more))


def fields_of_expand(query: Query) -> tuple[str, ...] | None:
    """`_id`, `id` and what `expand` names, or None without it."""
    named = query.all("expand")
    if unknown := sorted(set(named) - EXPAND):
        raise HubError(400, f"Invalid expand value: {', '.join(unknown)}")
    return ("_id", "id", *named) if named else None


def sort_of(query: Query) -> str:
    sort = query.one("sort") or "trendingScore"
    if sort not in SORTS:
        raise HubError(400, f"Invalid sort parameter: {sort}. Expected one of {', '.join(SORTS)}")
    return sort


def limit_of(query: Query) -> int:
    """Rows a page: what is asked for, 1,000 at most and by default."""
    limit = query.one("limit") or "1000"
    if not limit.isascii() or not limit.isdigit() or int(limit) == 0:
        raise HubError(400, f"Invalid limit: {limit}")
    return min(int(limit), 1000)


def written(facts: Facts, fields: Collection[str], *, blobs: bool = False, listed: bool = False) -> Facts:
    """The named fields of a repository, or what is served in their place. Unknown facts are left out; file sizes come
    with `blobs` only. `listed`: in a listing, where providers are a list; in details they are an object by name."""
    row = {field: facts[field] for field in fields if facts.get(field) is not None}
    if "config" in row:
        row["config"] = _trimmed(row["config"])
    if "baseModels" in fields and (bases := _base_models(facts)) is not None:
        row["baseModels"] = bases
    if "model-index" in fields:
        row.setdefault("model-index", None)
    if "siblings" in row and not blobs:
        row["siblings"] = [{"rfilename": file["rfilename"]} for file in row["siblings"]]
    if listed and isinstance(row.get("inferenceProviderMapping"), dict):
        mapping = row["inferenceProviderMapping"].items()
        row["inferenceProviderMapping"] = [{"provider": name, **entry} for name, entry in mapping]
    served = facts.get(SERVED) or {}
    row |= {field: served[field] for field in fields if field in served}
    return row


CONFIG = ("architectures", "auto_map", "model_type", "tokenizer_config", "processor_config", "diffusers", "peft")
QUANTIZATION = ("bits", "load_in_4bit", "load_in_8bit", "quant_method")


def _trimmed(config: Any) -> Any:
    """What the Hub serves of a config.json: no dimensions, and of the quantization four fields."""
    if not isinstance(config, dict):
        return config
    served = {key: config[key] for key in CONFIG if key in config}
    packing = config.get("quantization_config")
    if isinstance(packing, dict):
        served["quantization_config"] = {key: packing[key] for key in QUANTIZATION if key in packing}
    return served


def _base_models(facts: Facts) -> dict[str, Any] | None:
    """What the Hub resolved the card's bases to, as its tags name them: one relation for all."""
    named = [tag.split(":", 2) for tag in facts["tags"] or () if tag.startswith("base_model:")]
    models = [{"_id": made_id(ids[-1]), "id": ids[-1]} for ids in named if len(ids) == 3]
    relation = next((ids[1] for ids in named if len(ids) == 3), None)
    return {"relation": relation, "models": models} if models else None


def cursor_after(sort: str, facts: Facts) -> str:
    """The opaque cursor behind a row: base64 of the keyset condition that the next rows fulfil."""
    value = facts[sort]
    condition = {"$or": [{sort: value, "_id": {"$gt": facts["_id"]}}, {sort: {"$lt": value}}, {sort: None}]}
    return base64.b64encode(json.dumps(condition, separators=(",", ":")).encode()).decode()


def key_of_cursor(sort: str, cursor: str) -> Key:
    """The place in the order that a cursor of this sort stands for."""
    try:
        tie = json.loads(base64.b64decode(cursor, validate=True))["$or"][0]
        return -sort_value(sort, tie[sort]), str(tie["_id"]["$gt"])
    except (binascii.Error, ValueError, LookupError, TypeError) as error:
        raise HubError(400, "Invalid cursor") from error


def matcher(query: Query) -> Callable[[Facts], bool] | None:
    """What `filter`, `pipeline_tag`, `search`, `gated` and `num_parameters` ask of a row, all of it; None: nothing."""
    tags = {tag for value in query.all("filter") for tag in value.split(",")}
    search = (query.one("search") or "").lower()
    gated, task, bounds = query.flag("gated"), query.one("pipeline_tag"), query.one("num_parameters")
    low, high = _bounds(bounds or "")
    if not (tags or search or task or bounds) and gated is None:
        return None

    def match(facts: Facts) -> bool:
        own = {*(facts["tags"] or ()), facts.get("pipeline_tag"), facts.get("library_name")}
        total = (facts.get("safetensors") or facts.get("gguf") or {}).get("total")
        return (
            tags <= own
            and search in facts["id"].lower()
            and (gated is None or bool(facts["gated"]) is gated)
            and (task is None or facts.get("pipeline_tag") == task)
            and (bounds is None or (total is not None and low <= total <= high))
        )

    return match


def _bounds(text: str) -> tuple[float, float]:
    """`min:6B,max:128B` as counts."""
    scale: dict[str, float] = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    ends: dict[str, float] = {"min": 0.0, "max": float("inf")}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition(":")
        unit = scale.get(number[-1:].upper())
        try:
            ends[name] = float(number[:-1]) * unit if unit else float(number)
        except ValueError as error:
            raise HubError(400, f"Invalid num_parameters: {text}") from error
    return ends["min"], ends["max"]


def overview(name: str, owner: Facts) -> dict[str, Any]:
    """An organization's or a user's overview; what is not known of them is not said."""
    who = {"name": name} if owner["type"] == "org" else {"user": name}
    return {"avatarUrl": "", **who, **owner}
