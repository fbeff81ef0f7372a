"""How a citation is written where others cite: BibTeX, an APA line, and JSON-LD (schema.org's Dataset)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from monitor.releases.citations.citation import Citation

AUTHOR = "Hub Release Monitor"
_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def title_of(citation: Citation) -> str:
    """What was asked, and as known when."""
    return f"{citation.its_kind.title(citation.params)}, as known at {_time(citation.as_of)}"


def to_bibtex(citation: Citation, url: str) -> str:
    """A BibTeX entry; what LaTeX would read as a command is escaped."""
    at = citation.as_of
    registry = f", registry of labs {citation.registry}" if citation.registry else ""
    note = f"Data set, {citation.rows:,} rows, SHA-256 {citation.sha256}{registry}"
    lines = {
        "author": f"{{{AUTHOR}}}",
        "title": "".join(_ESCAPED.get(one, one) for one in title_of(citation)),
        "year": f"{at.year}",
        "month": at.strftime("%b").lower() if at.month != 9 else "sep",
        "publisher": urlsplit(url).netloc,
        "url": url,
        "note": note,
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in lines.items())
    return f"@misc{{hubmonitor-{citation.sha256[:10]},\n{body}\n}}\n"


def to_apa(citation: Citation, url: str) -> str:
    """A reference in the style of the APA (7th edition) for a data set."""
    at = citation.as_of
    return f"{AUTHOR}. ({at.year}, {_MONTHS[at.month - 1]} {at.day}). {title_of(citation)} [Data set]. {url}"


def to_json_ld(citation: Citation, url: str, description: str) -> dict[str, Any]:
    """schema.org's Dataset, as search engines for data sets read it."""
    rows = f"{url.replace('/c/', '/api/v1/citations/')}/rows"
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": title_of(citation),
        "description": description,
        "url": url,
        "identifier": [url, f"sha256:{citation.sha256}"],
        "version": citation.as_of.isoformat().replace("+00:00", "Z"),
        "dateModified": citation.as_of.isoformat().replace("+00:00", "Z"),
        "isAccessibleForFree": True,
        "creator": {"@type": "Organization", "name": AUTHOR, "url": url.partition("/c/")[0]},
        "distribution": [
            {"@type": "DataDownload", "encodingFormat": media, "contentUrl": f"{rows}.{form}"}
            | ({"sha256": citation.sha256} if form == "jsonl" else {})
            for form, media in (("jsonl", "application/x-ndjson"), ("csv", "text/csv"))
        ],
    }


def description_of(citation: Citation) -> str:
    """Two sentences on what it is and how it is checked."""
    return (
        f"{title_of(citation)}: {citation.rows:,} rows about releases of open-weight models on the Hugging Face Hub. "
        f"The SHA-256 of the rows as JSON lines is {citation.sha256}."
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at.second == 0 else f"{at:%Y-%m-%d %H:%M:%S} UTC"
