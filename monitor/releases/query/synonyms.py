"""Other words that people use for fields and for the values of closed vocabularies, each with ours."""

from __future__ import annotations

import re
from functools import cache

from monitor.labs.countries import CONSORTIA, NAMES

FIELDS = {
    "country": "origin", "countries": "origin", "from": "origin",
    "licence": "license", "licenses": "license", "licences": "license", "license_class": "license",
    "base": "foundation", "base_model": "foundation", "root": "foundation", "built_on": "foundation",
    "suspected_foundation": "suspected",
    "license_conflict": "conflict", "licence_conflict": "conflict", "conflicts": "conflict",
    "publisher_kind": "lab_kind", "series": "family", "families": "family", "size_source": "params_source",
    "labs": "lab", "company": "lab", "publisher": "lab",
    "org": "namespace", "organization": "namespace", "organisation": "namespace", "author": "namespace",
    "owner": "namespace", "user": "namespace",
    "model": "repo", "repo_id": "repo", "repository": "repo", "id": "repo",
    "type": "kind",
    "context_length": "context",
    "parameters": "params", "params_total": "params", "params_active": "active", "active_params": "active",
    "pipeline": "task", "pipeline_tag": "task", "tasks": "task",
    "lang": "language", "languages": "language", "tags": "tag", "library_name": "library",
    "date": "released", "released_at": "released", "first_seen": "seen", "first_seen_at": "seen",
    "detected_via": "via", "events": "event", "formats": "format", "runs": "format", "vram": "memory",
    "ram": "memory", "trending_rank": "trending", "changes": "changed",
}  # fmt: skip
"""A field by another name: the release object's, the Hub's, and what people type."""

VALUES = {
    "kind": {
        "quantised": "quantized", "quant": "quantized", "quants": "quantized", "quantization": "quantized",
        "quantisation": "quantized", "finetuned": "finetune", "finetunes": "finetune", "finetuning": "finetune",
        "lora": "adapter", "adapters": "adapter", "merged": "merge", "merges": "merge", "converted": "conversion",
        "conversions": "conversion", "pretrained": "base", "foundation": "base", "basemodel": "base",
        "original": "base", "originals": "base", "none": "unknown",
    },
    "openness": {
        "open": "open-weights", "restricted": "restricted-weights", "science": "open-science",
        "none": "unknown",
    },
    "gated": {"yes": "true", "false": "no", "open": "no", "automatic": "auto"},
    "status": {"online": "live", "removed": "gone", "deleted": "gone", "withdrawn": "gone"},
    "event": {
        "released": "release", "launched": "launch", "license": "relicensed", "licence": "relicensed",
        "withdrawal": "withdrawn", "deleted": "withdrawn", "removed": "withdrawn", "gate": "gated",
        "return": "returned", "announcement": "announced", "rename": "renamed",
    },
    "changed": {
        "licence": "license", "licenseclass": "license", "gate": "gated", "name": "repo", "repoid": "repo",
        "repository": "repo", "owner": "namespace", "parameters": "params", "paramstotal": "params",
        "paramsactive": "active", "base": "foundation", "country": "origin", "files": "weights",
    },
    "format": {
        "llamacpp": "gguf", "ggml": "gguf", "mlxlm": "mlx", "bitsandbytes": "bnb", "float8": "fp8", "fp4": "nvfp4",
        "mlpackage": "coreml", "exllamav2": "exl2", "exllamav3": "exl3",
    },
    "license": {
        "research": "research-only", "nc": "non-commercial", "restricted": "use-restricted", "none": "none",
    },
}  # fmt: skip
"""For each closed vocabulary: a word without its marks, and the value that it means."""

_PEOPLES = """
AE emirati uae; AM armenian; AT austrian; AU australian; BD bangladeshi; BE belgian; BG bulgarian; BR brazilian;
CA canadian; CH swiss; CL chilean; CN chinese prc; CZ czech; DE german; DK danish; EE estonian; EG egyptian; ES spanish;
FI finnish; FR french; GB british uk britain england; GR greek; HK hongkong; HU hungarian; ID indonesian; IE irish; IL
israeli; IN indian; IR iranian; IS icelandic; IT italian; JP japanese; KE kenyan; KR korean korea southkorean; KZ
kazakh; LB lebanese; LT lithuanian; LV latvian; MX mexican; MY malaysian; NG nigerian; NL dutch holland; NO norwegian;
NZ newzealander; PL polish; PT portuguese; RO romanian; RU russian; SA saudi; SE swedish; SG singaporean; SI
slovenian; TH thai; TR turkish turkey; TW taiwanese; UA ukrainian; US american usa america unitedstatesofamerica; VN
vietnamese; ZA southafrican; EU european europe; INT international
"""
_LANGUAGES = """
ar arabic; bg bulgarian; bn bengali; ca catalan; cs czech; da danish; de german; el greek; en english; es spanish;
et estonian; fa persian farsi; fi finnish; fr french; he hebrew; hi hindi; hu hungarian; id indonesian; is icelandic;
it italian; ja japanese; ko korean; lt lithuanian; lv latvian; ms malay; nl dutch; no norwegian; pl polish;
pt portuguese; ro romanian; ru russian; sv swedish; sw swahili; ta tamil; te telugu; th thai; tr turkish; uk ukrainian;
ur urdu; vi vietnamese; zh chinese mandarin
"""


def comparison_key(text: str) -> str:
    """A word without case and marks: ``Fine-Tune`` and ``finetune`` are one."""
    return re.sub(r"[\W_]+", "", text).lower()


def _table(text: str) -> dict[str, str]:
    entries = (entry.split() for entry in text.replace("\n", " ").split(";"))
    return {word: code for code, *words in entries for word in words}


@cache
def countries() -> dict[str, str]:
    """Countries by name and by the name of their people, without marks, with their codes."""
    named = {comparison_key(name): code for code, name in NAMES.items()}
    return named | _table(_PEOPLES) | {code.lower(): code for code in {*NAMES, *CONSORTIA}}


@cache
def languages() -> dict[str, str]:
    """Languages by their English name, with the code that the Hub uses."""
    return _table(_LANGUAGES)
