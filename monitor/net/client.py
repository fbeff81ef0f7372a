"""One polite and safe HTTP exchange with a server that nobody vouches for: a feed's, a subscriber's webhook.

The host's addresses are looked up once, checked, and the connection goes to a checked address itself, so that a
name which answers differently the second time gains nothing. Time and size are bounded for the exchange as a
whole, however slowly or tightly packed the answer comes.
"""

from __future__ import annotations

import base64
import functools
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import httpx

from monitor.masking import masked
from monitor.net.address_guard import AddressError, Admits, admitting, lookup
from monitor.observability.tracing import answered, http_call

CONNECT, READ = 10.0, 15.0
"""Seconds that a connection to one address, and one read of a silent server, may take."""
MOVED = {301, 302, 303, 307, 308}
FOR_GOOD = {301, 308}
TRY_AGAIN = {408, 425, 429}
"""Client errors that pass by themselves."""
PRIVATE_HEADERS = ("authorization", "cookie", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one exchange may go: seconds in all, bytes of body (packed, and unpacked), redirects followed."""

    seconds: float = 30.0
    size: int = 8 * 1024 * 1024
    redirects: int = 5


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of 2xx or 304.

    ``url`` is where it came from in the end; ``moved_to`` is where permanent redirects alone lead, None where
    there were none; it keeps the name and password of the first URL only while the server stays the same.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    moved_to: str | None


class FetchError(Exception):
    """There is no usable answer: one line that says why.

    ``permanent``: asking the same again is of no use (a URL that cannot be asked, a refused address, most 4xx).
    ``retry_after``: seconds that the server wants to be left alone. ``status``: the HTTP status, where one came.
    ``unsent``: no connection was made, so the server has certainly not got the request.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after
        self.status = status
        self.unsent = unsent


def get(
    url: str,
    *,
    user_agent: str,
    allow_private: bool = False,
    headers: Mapping[str, str] | None = None,
    limits: Limits = LIMITS,
    admits: Admits | None = None,
) -> Fetched:
    """GETs ``url``, following redirects. Raises FetchError, and nothing else.

    ``admits`` says of an IP address whether it may be connected to; without it the public ones may, and with
    ``allow_private`` all.
    """
    here, moved, lasting = _checked(url), None, True
    sent = _headers({"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"}, headers)
    visited = {str(here)}
    with _Exchange(admits or admitting(allow_private), limits) as exchange:
        while True:
            status, received, body = exchange.ask("GET", here, sent)
            if status not in MOVED:
                return Fetched(status, received, body, str(here), str(moved) if moved else None)
            there = _redirected(here, received)
            # Whoever stands between us and an unencrypted server must not be able to keep us there.
            lasting = lasting and status in FOR_GOOD and not (here.scheme == "https" and there.scheme == "http")
            moved = there if lasting else moved
            if not _same_origin(here, there):
                for name in PRIVATE_HEADERS:
                    sent.pop(name, None)
            if str(there) in visited:
                raise FetchError(f"{here.host} redirects in a circle")
            if len(visited) > limits.redirects:
                raise FetchError(f"{here.host} is one of more than {limits.redirects} redirects")
            visited.add(str(there))
            here = there


def post(
    url: str,
    content: bytes,
    *,
    user_agent: str,
    allow_private: bool = False,
    headers: Mapping[str, str] | None = None,
    limits: Limits = LIMITS,
) -> Fetched:
    """POSTs ``content`` to ``url``. A redirect is a failure, and the answer's body is left unread (empty here).

    Raises FetchError, and nothing else; after one without a status the server may have got the message or not.
    """
    answer = _send("POST", url, content, user_agent, allow_private, headers, limits)
    if answer.status in MOVED:
        host = httpx.URL(answer.url).host
        raise FetchError(f"{host} answers {answer.status}, a redirect, which is not followed", status=answer.status)
    return answer


def call(
    url: str,
    content: bytes,
    *,
    user_agent: str,
    allow_private: bool = False,
    headers: Mapping[str, str] | None = None,
    limits: Limits = LIMITS,
    method: str = "POST",
) -> Fetched:
    """Sends ``content`` and returns the answer with its body, whatever its status: for APIs that explain a refusal.

    A redirect is an answer too, and is not followed. Raises FetchError, and nothing else, where no answer came; unless
    it is ``unsent``, the server may have got the request or not.
    """
    return _send(method, url, content, user_agent, allow_private, headers, limits, whole=True)


def _send(
    method: str,
    url: str,
    content: bytes,
    user_agent: str,
    allow_private: bool,
    headers: Mapping[str, str] | None,
    limits: Limits,
    *,
    whole: bool = False,
) -> Fetched:
    """One request with a body, and its answer. ``whole``: also of a failure, and with its body. Raises FetchError."""
    here = _checked(url)
    sent = _headers({"User-Agent": user_agent, "Accept": "*/*"}, headers)
    with _Exchange(admitting(allow_private), limits) as exchange:
        status, received, body = exchange.ask(method, here, sent, content, whole=whole)
    return Fetched(status, received, body, str(here), None)


# --- URLs ---------------------------------------------------------------------------------------------------


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise FetchError(f"{_shown(url)} is no URL: {error}", permanent=True) from None
    return _askable(parsed)


def _askable(url: httpx.URL) -> httpx.URL:
    if url.scheme not in {"http", "https"}:
        raise FetchError(f"{url.scheme or 'a URL without a scheme'} is neither http nor https", permanent=True)
    if not url.host or not 0 < (url.port or 80) < 65_536:
        raise FetchError(f"{_shown(str(url))} names no host and port that can be asked", permanent=True)
    return url.copy_with(fragment=None)


def _shown(url: str) -> str:
    """``url``, short, without its password; a placeholder where it cannot even be taken apart."""
    try:
        return masked(url)[:200]
    except ValueError:
        return "it"


def _redirected(here: httpx.URL, headers: httpx.Headers) -> httpx.URL:
    """Where ``here`` sends us. A name and password stay only with the server that they were meant for."""
    location = headers.get("location")
    if not location:
        raise FetchError(f"{here.host} redirects to nowhere")
    try:
        there = _askable(here.join(location))
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchError(f"{here.host} redirects to what is no URL: {error}") from None
    return there.copy_with(userinfo=here.userinfo if _same_origin(here, there) else b"")


def _same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


# --- the exchange -------------------------------------------------------------------------------------------


class _Exchange:
    """The hops of one exchange: one deadline and one set of checked connections for all of them."""

    def __init__(self, admits: Admits, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=_CheckedBackend(self._deadline, admits)
        )

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def ask(
        self,
        method: str,
        url: httpx.URL,
        headers: httpx.Headers,
        content: bytes | None = None,
        *,
        whole: bool = False,
    ) -> tuple[int, httpx.Headers, bytes]:
        """(status, headers, body) of one hop. Raises FetchError, also for a status of failure unless ``whole``.

        The body of a redirect or of a POST is empty, unless ``whole``.
        """
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        timeouts = {"connect": CONNECT, "read": READ, "write": READ, "pool": READ}
        with (
            self._explained(url.host),
            # Without the path: addresses of webhooks and heartbeats are secrets.
            http_call(method, url.scheme, url.host, url.port) as sent,
            self._pool.stream(
                method, target, headers=_wire(url, headers), content=content, extensions={"timeout": timeouts}
            ) as answer,
        ):
            answered(sent, answer.status)
            received = httpx.Headers(answer.headers)
            if not whole:
                _raise_for(url.host, answer.status, received)
            wanted = whole or (method == "GET" and answer.status not in MOVED | {304})
            body = self._body(url.host, answer.iter_stream(), received) if wanted else b""
        return answer.status, received, body

    def _body(self, host: str, chunks: Iterable[bytes], headers: httpx.Headers) -> bytes:
        encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise FetchError(f"{host} packs its answer as {encoding[:40]}, which was not asked for")
        largest = self._limits.size
        declared = headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > largest:
            raise FetchError(f"{host} sends more than {largest} bytes")
        unpack = None if encoding == "identity" else _Gunzip()
        body, received = bytearray(), 0
        for chunk in chunks:
            received += len(chunk)
            body += chunk if unpack is None else unpack.feed(chunk, largest + 1 - len(body))
            if max(received, len(body)) > largest:
                raise FetchError(f"{host} sends more than {largest} bytes")
            if time.monotonic() > self._deadline:
                raise httpcore.ReadTimeout
        if unpack is not None and received and not unpack.complete:
            raise FetchError(f"{host} broke off within a gzip body")
        return bytes(body)

    @contextmanager
    def _explained(self, host: str) -> Iterator[None]:
        """Turns whatever goes wrong on the way into a FetchError."""
        try:
            yield
        except AddressError as error:
            raise FetchError(str(error), permanent=error.refused, unsent=True) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            reason = "does not answer" if isinstance(error, httpcore.ConnectTimeout) else f"cannot be asked: {error}"
            raise FetchError(f"{host} {reason}", unsent=True) from None
        except httpcore.TimeoutException:
            if time.monotonic() >= self._deadline:
                raise FetchError(f"{host} took longer than {self._limits.seconds:g} s") from None
            raise FetchError(f"{host} does not answer") from None
        except zlib.error:
            raise FetchError(f"{host} says gzip and sends something else") from None
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            ValueError,
        ) as error:
            raise FetchError(f"{host} cannot be asked: {error or type(error).__name__}") from None


def _headers(ours: dict[str, str], wanted: Mapping[str, str] | None) -> httpx.Headers:
    # An address with characters of any script may stand in the user agent.
    headers = httpx.Headers(ours, encoding="utf-8")
    headers.update(httpx.Headers(wanted, encoding="utf-8"))
    return headers


def _wire(url: httpx.URL, headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    wired = [(b"Host", url.netloc), *headers.raw]
    if url.userinfo and "authorization" not in headers:
        pair = f"{url.username}:{url.password}".encode()
        wired.append((b"Authorization", b"Basic " + base64.b64encode(pair)))
    return wired


def _raise_for(host: str, status: int, headers: httpx.Headers) -> None:
    if 200 <= status < 300 or status in MOVED or status == 304:
        return
    raise FetchError(
        f"{host} answers {status} {httpx.codes.get_reason_phrase(status)}".rstrip(),
        permanent=400 <= status < 500 and status not in TRY_AGAIN,
        retry_after=retry_after(headers.get("retry-after")),
        status=status,
    )


def retry_after(value: str | None, at: datetime | None = None) -> float | None:
    """Seconds from ``at`` (now) that a Retry-After header asks for, as a number or a date; None where unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return max(0.0, (date - (at or datetime.now(UTC))).total_seconds())


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _Gunzip:
    """Unpacks gzip as it comes, never further than asked, so that a bomb costs no memory."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def complete(self) -> bool:
        """Whether what was fed ends where a gzip member ends."""
        return self._unpacker.eof

    def feed(self, packed: bytes, most: int) -> bytes:
        """What ``packed`` holds, at the most ``most`` (at least 1) bytes of it. Raises zlib.error."""
        plain = bytearray()
        while packed and len(plain) < most:
            if self._unpacker.eof:
                if not packed.startswith(b"\x1f"):
                    # Padding after the last member.
                    break
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            plain += self._unpacker.decompress(packed, most - len(plain))
            packed = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
        return bytes(plain)


# --- addresses ----------------------------------------------------------------------------------------------


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only. Host and server name stay those of the URL: httpcore keeps them."""

    def __init__(self, deadline: float, admits: Admits) -> None:
        self._deadline = deadline
        self._admits = admits
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in lookup(host, port, self._admits):
            try:
                left = _left(self._deadline, timeout)
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline of the whole."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left if timeout is None else min(left, timeout)
