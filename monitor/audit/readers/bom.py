"""Models in bills of materials: CycloneDX (JSON and XML) and SPDX (2.3 as JSON and tag-value, 3 as JSON-LD).

A model is a component whose package URL is of type ``huggingface``, or one declared as a machine-learning model.
Ancestors in a component's pedigree are no models that are run, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.parsers import expat

from packageurl import PackageURL
from yaml.nodes import Node

from monitor.audit.mentions import Mention, Place, hub_mention
from monitor.audit.readers.nodes import fields_of, items_of, place_of, text_of
from monitor.audit.readers.yaml_config import MAX_DEPTH
from monitor.classify.repo_ids import parse_repo_id

_PURL = re.compile(r"pkg:huggingface/[^\s\"'<>]+", re.IGNORECASE)
_HUB_ADDRESS = re.compile(r"(?:git\+)?https://huggingface\.co/(?!datasets/|spaces/)[^\s\"'<>]+")
_AI_TYPES = frozenset({"ai_AIPackage", "AIPackage"})
_INNER_LISTS = ("components", "services")


class XMLError(ValueError):
    """XML that is not well-formed, or declares a document type; the message names the line."""


def is_bom(node: Node) -> bool:
    """Whether a JSON document is a bill of materials."""
    fields = fields_of(node)
    context = text_of(fields.get("@context")) or ""
    return text_of(fields.get("bomFormat")) == "CycloneDX" or "spdxVersion" in fields or "spdx.org/rdf/3" in context


def read_bom(node: Node, source: str) -> Iterator[Mention]:
    """Yields the models of a JSON document that :func:`is_bom` accepts."""
    fields = fields_of(node)
    if "bomFormat" in fields:
        metadata = fields_of(fields["metadata"]) if "metadata" in fields else {}
        if "component" in metadata:
            yield from _of_component(metadata["component"], source, 0)
        yield from _of_components(fields, source, 0)
    for package in items_of(fields.get("packages")):
        yield from _of_spdx_package(package, source)
    for element in items_of(fields.get("@graph")):
        yield from _of_spdx_element(element, source)


def _of_components(fields: dict[str, Node], source: str, depth: int) -> Iterator[Mention]:
    for name in _INNER_LISTS:
        for component in items_of(fields.get(name)):
            yield from _of_component(component, source, depth + 1)


def _of_component(node: Node, source: str, depth: int) -> Iterator[Mention]:
    if depth > MAX_DEPTH:
        return
    fields = fields_of(node)
    purl, name = fields.get("purl"), fields.get("name")
    is_model = text_of(fields.get("type")) == "machine-learning-model"
    if (text := text_of(purl)) is not None and _PURL.fullmatch(text):
        yield purl_mention(text, place_of(purl, source))
    elif is_model and name is not None and (text := text_of(name)) is not None:
        group, version = text_of(fields.get("group")), text_of(fields.get("version"))
        full = f"{group}/{text}" if group and "/" not in text else text
        yield hub_mention(full, place_of(name, source), revision=version)
    yield from _of_components(fields, source, depth)


def purl_mention(text: str, place: Place) -> Mention:
    """The mention of a package URL of type ``huggingface``: ``pkg:huggingface/namespace/name@revision``."""
    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        return Mention(text, place, problem=f"not a valid package URL: {error}")
    repo_id = parse_repo_id(f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name)
    problem = None if repo_id else "not the id of a repository on the Hub"
    return Mention(text, place, repo_id, purl.version, problem=problem)


def _of_spdx_package(node: Node, source: str) -> Iterator[Mention]:
    fields = fields_of(node)
    for reference in items_of(fields.get("externalRefs")):
        locator = fields_of(reference).get("referenceLocator")
        if (text := text_of(locator)) and _PURL.fullmatch(text):
            yield purl_mention(text, place_of(locator, source))
            return
    yield from _of_address(fields.get("downloadLocation"), fields, "versionInfo", source)


def _of_spdx_element(node: Node, source: str) -> Iterator[Mention]:
    fields = fields_of(node)
    kind = text_of(fields.get("type")) or text_of(fields.get("@type"))
    for key in ("software_packageUrl", "packageUrl"):
        if (text := text_of(fields.get(key))) and _PURL.fullmatch(text):
            yield purl_mention(text, place_of(fields[key], source))
            return
    for key in ("software_downloadLocation", "downloadLocation"):
        if key in fields:
            found = list(_of_address(fields[key], fields, "software_packageVersion", source))
            if found:
                yield from found
                return
    if kind in _AI_TYPES and (name := text_of(fields.get("name"))):
        yield hub_mention(name, place_of(fields["name"], source))


def _of_address(node: Node | None, fields: dict[str, Node], version: str, source: str) -> Iterator[Mention]:
    if node is not None and (text := text_of(node)) and _HUB_ADDRESS.fullmatch(text):
        mention = hub_mention(text.removeprefix("git+"), place_of(node, source), revision=text_of(fields.get(version)))
        yield replace(mention, text=text)


def is_spdx_text(text: str) -> bool:
    """Whether a text is an SPDX document as tag-value pairs."""
    return re.search(r"^SPDXVersion:\s*SPDX-", text, re.MULTILINE) is not None


def read_spdx_text(text: str, source: str) -> Iterator[Mention]:
    """Yields the models of SPDX tag-value pairs; a package with a package URL is not read again by its address."""
    address: Mention | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        tag, _, value = line.partition(":")
        place = Place(source, number)
        if tag == "PackageName":
            if address is not None:
                yield address
            address = None
        elif tag == "PackageDownloadLocation" and _HUB_ADDRESS.fullmatch(value.strip()):
            address = replace(hub_mention(value.strip().removeprefix("git+"), place), text=value.strip())
        elif tag == "ExternalRef" and (found := _PURL.search(value)):
            address = None
            yield purl_mention(found[0], place)
    if address is not None:
        yield address


def is_xml(text: str) -> bool:
    """Whether a text is an XML document of CycloneDX."""
    return text.lstrip().startswith("<") and "cyclonedx.org/schema/bom" in text[:5000]


def read_xml(text: str, source: str) -> Iterator[Mention]:
    """Yields the models of CycloneDX XML. A document type, with which entities could be declared, raises XMLError."""
    path: list[str] = []
    found: list[Mention] = []
    value: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name.rpartition(" ")[2])
        value.clear()

    def end(_: str) -> None:
        written = "".join(value).strip()
        if path[-1] == "purl" and "ancestors" not in path and _PURL.fullmatch(written):
            found.append(purl_mention(written, Place(source, parser.CurrentLineNumber)))
        path.pop()
        value.clear()

    def refuse(*_: object) -> None:
        raise XMLError(f"line {parser.CurrentLineNumber}: a document type declaration, which is not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = value.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise XMLError(f"line {error.lineno}, column {error.offset + 1}: not well-formed XML") from None
    yield from found
