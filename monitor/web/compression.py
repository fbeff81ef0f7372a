"""Compression: which clients are sent gzip, and what an answer then says of itself (RFC 9110, 8.4 and 12.5.3)."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AS_IT_IS = {"Content-Encoding": "identity"}
"""Headers of an answer that is not to be compressed; they are not sent."""


def takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header prefers gzip, by its name, to an answer as it is: a weight of 0 refuses it."""
    weights = {}
    for item in header.lower().split(","):
        name, _, parameters = item.partition(";")
        weights[name.strip()] = _weight(parameters)
    gzip = weights.get("gzip", 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


class CompressionMiddleware:
    """Compresses for clients that prefer gzip.

    Starlette's middleware also compresses where ``gzip;q=0`` refuses it, names Accept-Encoding in Vary neither in 304
    nor in short answers, and leaves what it compressed the strong ETag and the ranges of the file.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.compressing = app, GZipMiddleware(app, minimum_size=1_000, compresslevel=4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = takes_gzip(",".join(Headers(scope=scope).getlist("accept-encoding")))
        others = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        scope["headers"] = [*others, *([(b"accept-encoding", b"gzip")] if wanted else [])]

        async def described(message: Message) -> None:
            if message["type"] == "http.response.start":
                _describe(MutableHeaders(scope=message))
            await send(message)

        await (self.compressing if wanted else self.app)(scope, receive, described)


def _describe(headers: MutableHeaders) -> None:
    headers.add_vary_header("Accept-Encoding")
    encoding = headers.get("content-encoding")
    if encoding == AS_IT_IS["Content-Encoding"]:
        del headers["content-encoding"]
    elif encoding is not None:
        # Two encodings are not the same bytes: they share a weak tag, and no ranges.
        if headers.get("etag", "").startswith('"'):
            headers["etag"] = f"W/{headers['etag']}"
        if headers.get("accept-ranges") == "bytes":
            del headers["accept-ranges"]
