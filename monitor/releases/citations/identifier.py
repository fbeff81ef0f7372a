"""The id of a citation: all that it says, packed and signed, so that nothing has to be kept.

Whoever has the id has the citation, also when the database is restored, moved or gone; nobody can fill a table with
citations. It is signed, so that an installation shows only those that it made. The bytes, in base64 for URLs:

| bytes | hold |
| --- | --- |
| 1 | the form of the id, ``1`` |
| 4 | the time, in seconds since 1970 |
| 6 | the version of the registry; zeros: unknown |
| 4 | the number of rows |
| 32 | SHA-256 of the canonical rows |
| … | kind and parameters as JSON, deflated |
| 10 | HMAC-SHA256 of all before, its first bytes |
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from monitor.releases.citations.citation import Citation, CitationError

FORM = 1
_HEAD = struct.Struct(">BI6sI32s")
_SIGNATURE_BYTES = 10
MAX_ID_CHARS = 6_000
"""Longer than the id of the longest query; what is longer is no id."""
_MAX_PARAMS_BYTES = 20_000


def encode(citation: Citation, keys: Sequence[str]) -> str:
    """The id of a citation, signed with the first of the keys: the same for the same citation."""
    registry = bytes.fromhex(citation.registry) if citation.registry else bytes(6)
    seconds = int(citation.as_of.timestamp())
    head = _HEAD.pack(FORM, seconds, registry, citation.rows, bytes.fromhex(citation.sha256))
    about = orjson.dumps([citation.kind, citation.params], option=orjson.OPT_SORT_KEYS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = head + packer.compress(about) + packer.flush()
    return base64.urlsafe_b64encode(body + _signature(body, keys[0])).decode().rstrip("=")


def decode(ident: str, keys: Sequence[str] | None) -> Citation:
    """The citation of an id. ``keys``: one of them signed it; None: whoever did. Raises CitationError."""
    try:
        if not 0 < len(ident) <= MAX_ID_CHARS or not ident.isascii():
            raise ValueError
        packed = base64.b64decode(ident + "=" * (-len(ident) % 4), altchars=b"-_", validate=True)
        body, signature = packed[:-_SIGNATURE_BYTES], packed[-_SIGNATURE_BYTES:]
        if base64.urlsafe_b64encode(packed).decode().rstrip("=") != ident or len(body) <= _HEAD.size:
            raise ValueError
        if keys is not None and not any(hmac.compare_digest(signature, _signature(body, key)) for key in keys):
            raise CitationError("this is no citation of this installation")
        return _read(body)
    except (ValueError, TypeError, KeyError, zlib.error, binascii.Error, struct.error) as error:
        if isinstance(error, CitationError):
            raise
        raise CitationError("this is no id of a citation") from None


def _read(body: bytes) -> Citation:
    form, seconds, registry, rows, digest = _HEAD.unpack_from(body)
    if form != FORM:
        raise ValueError
    unpacker = zlib.decompressobj(-15)
    about: Any = orjson.loads(unpacker.decompress(body[_HEAD.size :], _MAX_PARAMS_BYTES))
    kind, params = about
    if not isinstance(kind, str) or not isinstance(params, dict):
        raise TypeError
    at = datetime.fromtimestamp(seconds, UTC)
    return Citation(kind, params, at, registry.hex() if any(registry) else None, rows, digest.hex())


def _signature(body: bytes, key: str) -> bytes:
    return hmac.new(b"hub-monitor/citation:" + key.encode(), body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
