"""What RFC 4287 (Atom) and JSON Feed 1.1 demand of a document, as schemas."""

from __future__ import annotations

from collections import Counter
from typing import Any

from jsonschema import Draft202012Validator
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
_ATOM_GRAMMAR = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0" ns="http://www.w3.org/2005/Atom"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="feed"><interleave>
    <ref name="common"/>
    <optional><element name="generator"><text/>
      <optional><attribute name="uri"><data type="anyURI"/></attribute></optional>
      <optional><attribute name="version"/></optional></element></optional>
    <optional><element name="icon"><data type="anyURI"/></element></optional>
    <optional><element name="logo"><data type="anyURI"/></element></optional>
    <optional><element name="subtitle"><ref name="text"/></element></optional>
    <zeroOrMore><ref name="entry"/></zeroOrMore>
  </interleave></element></start>
  <define name="entry"><element name="entry"><interleave>
    <ref name="common"/>
    <optional><element name="content"><choice><ref name="text"/></choice></element></optional>
    <optional><element name="published"><ref name="date"/></element></optional>
    <optional><element name="summary"><ref name="text"/></element></optional>
  </interleave></element></define>
  <define name="common"><interleave>
    <element name="id"><data type="anyURI"><param name="minLength">1</param></data></element>
    <element name="title"><ref name="text"/></element>
    <element name="updated"><ref name="date"/></element>
    <zeroOrMore><element name="author"><ref name="person"/></element></zeroOrMore>
    <zeroOrMore><element name="category">
      <attribute name="term"/><optional><attribute name="scheme"><data type="anyURI"/></attribute></optional>
      <optional><attribute name="label"/></optional></element></zeroOrMore>
    <zeroOrMore><element name="link">
      <attribute name="href"><data type="anyURI"/></attribute>
      <optional><attribute name="rel"/></optional>
      <optional><attribute name="type"><data type="string"><param name="pattern">.+/.+</param></data></attribute>
      </optional><optional><attribute name="title"/></optional></element></zeroOrMore>
  </interleave></define>
  <define name="person"><interleave>
    <element name="name"><data type="string"><param name="minLength">1</param></data></element>
    <optional><element name="uri"><data type="anyURI"/></element></optional>
  </interleave></define>
  <define name="text"><optional><attribute name="type"><choice><value>text</value><value>html</value></choice>
    </attribute></optional><text/></define>
  <define name="date"><data type="dateTime">
    <param name="pattern">.+T.+(Z|[+\\-]\\d\\d:\\d\\d)</param></data></define>
</grammar>
"""
_ATOM = etree.RelaxNG(etree.fromstring(_ATOM_GRAMMAR))

URL = {"type": "string", "pattern": "^https?://[!-~]+$"}
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
AUTHORS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "minProperties": 1,
        "properties": {"name": {"type": "string", "minLength": 1}, "url": URL, "avatar": URL},
        "additionalProperties": False,
    },
}
JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": URL, "feed_url": URL, "next_url": URL, "icon": URL, "favicon": URL,
        "description": {"type": "string"}, "language": {"type": "string"}, "authors": AUTHORS,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "anyOf": [{"required": ["content_text"]}, {"required": ["content_html"]}],
                "properties": {
                    "id": {"type": "string", "minLength": 1}, "url": URL, "external_url": URL,
                    "title": {"type": "string"}, "content_text": {"type": "string"},
                    "content_html": {"type": "string"}, "summary": {"type": "string"},
                    "date_published": DATE, "date_modified": DATE, "authors": AUTHORS,
                    "language": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True},
                },
                # Anything else is an extension, and begins with an underscore; its value is an object.
                "patternProperties": {"^_[^.]+$": {"type": "object"}},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}  # fmt: skip


def check_atom(body: bytes) -> etree._Element:
    """Raises AssertionError unless it is an Atom feed; returns its root."""
    root = etree.fromstring(body)
    _ATOM.assertValid(root)
    entries = root.findall(f"{ATOM}entry")
    for part in (root, *entries):
        links = part.findall(f"{ATOM}link")
        alternates = Counter((one.get("type"), one.get("hreflang")) for one in links if one.get("rel") == "alternate")
        assert all(number == 1 for number in alternates.values())
        assert part.find(f"{ATOM}content") is not None or alternates or part is root
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
    assert all(entry.find(f"{ATOM}author") is not None or root.find(f"{ATOM}author") is not None for entry in entries)
    assert len([one for one in root.findall(f"{ATOM}link") if one.get("rel") == "self"]) == 1
    return root


def check_json_feed(content: Any) -> list[Any]:
    """Raises an error unless it is a JSON feed; returns its items."""
    Draft202012Validator(JSON_FEED).validate(content)
    assert content.get("next_url") != content["feed_url"]
    items: list[Any] = content["items"]
    assert len({item["id"] for item in items}) == len(items)
    return items
