"""One exchange with a server that nobody vouches for: bounded, checked, explained."""

from __future__ import annotations

import base64
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from monitor.net.client import Fetched, FetchError, Limits, _tls, call, get, post, retry_after
from tests.fakes.dns import DnsServer
from tests.fakes.feeds import FeedServer

AGENT = "hub-release-monitor/0 (+https://monitor.example)"


@pytest.fixture
def web() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


def ask(url: str, limits: Limits | None = None, **headers: str) -> Fetched:
    return get(url, user_agent=AGENT, allow_private=True, headers=headers, limits=limits or Limits())


def refused(url: str, limits: Limits | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        ask(url, limits)
    return caught.value


def test_the_body_the_headers_and_where_they_came_from(web: FeedServer) -> None:
    url = web.put("/feed", "hello", etag='"1"')
    answer = ask(url)
    assert (answer.status, answer.body, answer.url, answer.moved_to) == (200, b"hello", url, None)
    assert answer.headers["ETag"] == '"1"'


def test_the_server_is_sent_who_asks_and_what_is_understood(web: FeedServer) -> None:
    ask(web.put("/feed", "hello"), Accept="application/rss+xml")
    sent = web.last("/feed").headers
    assert sent["user-agent"] == AGENT
    assert sent["accept"] == "application/rss+xml"
    assert sent["accept-encoding"] == "gzip"
    assert sent["host"] == f"127.0.0.1:{web.port}"


def test_a_user_agent_with_letters_of_any_script_is_sent(web: FeedServer) -> None:
    answer = get(web.put("/feed", "hello"), user_agent="monitor (+https://bücher.example)", allow_private=True)
    assert answer.body == b"hello"


def test_gzip_is_unpacked_also_where_it_comes_in_several_parts(web: FeedServer) -> None:
    assert ask(web.put("/a", "hello" * 1_000, packed=True)).body == b"hello" * 1_000
    parts = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 8
    assert ask(web.put("/b", parts, headers={"Content-Encoding": "gzip"})).body == b"one two"


def test_an_unchanged_page_has_no_body(web: FeedServer) -> None:
    answer = ask(web.put("/feed", "hello", etag='"1"'), **{"If-None-Match": '"1"'})
    assert (answer.status, answer.body) == (304, b"")


# --- redirects ----------------------------------------------------------------------------------------------


def test_permanent_redirects_are_reported(web: FeedServer) -> None:
    target = web.put("/new", "hello")
    web.redirect("/middle", "/new", 308)
    answer = ask(web.redirect("/old", "/middle", 301))
    assert (answer.body, answer.url, answer.moved_to) == (b"hello", target, target)


def test_a_temporary_redirect_is_followed_and_not_reported(web: FeedServer) -> None:
    web.put("/new", "hello")
    for status in (302, 303, 307):
        answer = ask(web.redirect("/old", "/new", status))
        assert (answer.body, answer.moved_to) == (b"hello", None)


def test_what_comes_after_a_temporary_redirect_does_not_last(web: FeedServer) -> None:
    web.put("/end", "hello")
    web.redirect("/c", "/end", 301)
    web.redirect("/b", "/c", 302)
    answer = ask(web.redirect("/a", "/b", 301))
    assert answer.url == web.url("/end")
    assert answer.moved_to == web.url("/b")


def test_five_redirects_are_followed_and_a_sixth_is_not(web: FeedServer) -> None:
    web.put("/0", "hello")
    for number in range(1, 7):
        web.redirect(f"/{number}", f"/{number - 1}", 302)
    assert ask(web.url("/5")).body == b"hello"
    assert "more than 5 redirects" in refused(web.url("/6")).reason


def test_a_circle_is_refused_as_one(web: FeedServer) -> None:
    web.redirect("/a", "/b")
    web.redirect("/b", "/a")
    assert "redirects in a circle" in refused(web.url("/a")).reason
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "file is neither http nor https"),
        ("ftp://lab.example/", "ftp is neither http nor https"),
        ("javascript:alert(1)", "javascript is neither http nor https"),
        ("http://[::1", "redirects to what is no URL"),
        ("", "redirects to nowhere"),
    ],
)
def test_a_redirect_out_of_the_web_is_refused(web: FeedServer, target: str, reason: str) -> None:
    assert reason in refused(web.redirect("/a", target)).reason


def test_a_name_and_password_go_to_their_own_server_only(web: FeedServer) -> None:
    expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
    with FeedServer() as other:
        other.put("/there", "hello")
        web.redirect("/here", other.url("/there"))
        web.redirect("/start", "/here")
        answer = ask(f"http://me:p%40ss@127.0.0.1:{web.port}/start", Cookie="a=b")
        assert web.last("/start").headers["authorization"] == expected
        assert web.last("/here").headers["authorization"] == expected
        assert not {"authorization", "cookie"} & set(other.last("/there").headers)
        assert answer.moved_to == other.url("/there")


def test_no_reason_tells_a_password(web: FeedServer) -> None:
    error = refused(f"http://me:secret@127.0.0.1:{web.port}/none")
    assert error.status == 404
    assert "secret" not in str(error)
    assert "secret" not in str(refused("ftp://me:secret@lab.example/"))


# --- bounds -------------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_not_even_read(web: FeedServer) -> None:
    assert "more than 8388608 bytes" in refused(web.put("/feed", b" " * (10 * 1024 * 1024))).reason


def test_a_body_that_grows_too_large_is_left(web: FeedServer) -> None:
    assert "more than 8388608 bytes" in refused(web.endless("/feed")).reason


def test_a_gzip_bomb_is_left_while_it_unpacks(web: FeedServer) -> None:
    assert "more than 8388608 bytes" in refused(web.gzip_bomb("/feed", 300 * 1024 * 1024)).reason


def test_a_body_that_drips_ends_at_the_deadline(web: FeedServer) -> None:
    error = refused(web.endless("/feed", drip=0.02), Limits(seconds=0.4))
    assert "took longer than 0.4 s" in error.reason


def _raw_server(serve: Callable[[socket.socket, threading.Event], None]) -> tuple[int, Callable[[], None]]:
    """A server of raw bytes: (port, stop). A stranger, who asks for whoever had the port before, is served as well."""
    listener, stopped = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def run() -> None:
        while not stopped.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    serve(connection, stopped)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        thread.join(5)
        listener.close()

    return listener.getsockname()[1], stop


def test_headers_that_drip_end_at_the_deadline_too() -> None:
    def serve(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stopped.wait(0.02):
            connection.sendall(b"X")

    port, stop = _raw_server(serve)
    assert "took longer than 0.4 s" in refused(f"http://127.0.0.1:{port}/", Limits(seconds=0.4)).reason
    stop()


def test_a_server_that_speaks_no_http_is_an_explained_error() -> None:
    port, stop = _raw_server(lambda connection, _: connection.sendall(b"220 mail.example ESMTP\r\n"))
    assert "cannot be asked" in refused(f"http://127.0.0.1:{port}/").reason
    stop()


def test_a_body_cut_short_is_an_error(web: FeedServer) -> None:
    cut = gzip.compress(b"hello" * 1_000)[:-12]
    assert "broke off" in refused(web.put("/a", cut, headers={"Content-Encoding": "gzip"})).reason
    port, stop = _raw_server(
        lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
    )
    assert "cannot be asked" in refused(f"http://127.0.0.1:{port}/").reason
    stop()


def test_an_encoding_that_was_not_asked_for_is_an_error(web: FeedServer) -> None:
    assert "says gzip" in refused(web.put("/a", "hello", headers={"Content-Encoding": "gzip"})).reason
    assert "packs its answer as br" in refused(web.put("/b", "hello", headers={"Content-Encoding": "br"})).reason


# --- answers that are none ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (403, True), (404, True), (410, True), (408, False), (429, False), (503, False)],
)
def test_an_error_says_whether_asking_again_is_of_use(web: FeedServer, status: int, permanent: bool) -> None:
    error = refused(web.fail("/feed", status))
    assert (error.status, error.permanent, error.retry_after) == (status, permanent, None)
    assert f"127.0.0.1 answers {status}" in error.reason


def test_how_long_the_server_wants_to_be_left_alone(web: FeedServer) -> None:
    assert refused(web.fail("/feed", 429, retry_after="120")).retry_after == 120
    at = datetime(2026, 1, 27, 12, 0, tzinfo=UTC)
    assert retry_after("Tue, 27 Jan 2026 12:01:30 GMT", at) == 90
    assert retry_after("Tue, 27 Jan 2026 11:00:00 GMT", at) == 0
    for nonsense in (None, "", "soon", "-5", "1.5e9", "٣"):
        assert retry_after(nonsense, at) is None


def test_nobody_there_is_an_explained_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "cannot be asked" in refused(f"http://127.0.0.1:{port}/").reason
    assert "is not found" in refused("http://nobody.invalid/").reason


@pytest.mark.parametrize(
    "url",
    [
        "",
        "feed",
        "ftp://lab.example/",
        "file:///etc/passwd",
        "http://",
        "http://lab.example:99999/",
        "http://[::1",
        "//x/y",
    ],
)
def test_what_is_no_address_of_the_web_is_refused_for_good(url: str) -> None:
    assert refused(url).permanent


# --- private addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "localhost.", "[::1]", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0", "0.0.0.0",
        "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255",
        "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "[::127.0.0.1]", "[ff02::1]", "[fec0::1]",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_in_every_spelling(web: FeedServer, host: str) -> None:
    web.put("/", "secret")
    with pytest.raises(FetchError, match=r"private address|is not found") as caught:
        get(f"http://{host}:{web.port}/", user_agent=AGENT)
    assert caught.value.permanent or "not found" in caught.value.reason
    assert not web.asked


def test_each_redirect_is_checked_like_the_first(web: FeedServer) -> None:
    """The server's own address is admitted here, so that its redirect to another one is what stops."""
    url = web.redirect("/", f"http://127.0.0.2:{web.port}/secret")
    web.put("/secret", "secret")
    with pytest.raises(FetchError, match=r"127\.0\.0\.2 has a private address"):
        get(url, user_agent=AGENT, admits=lambda address: address == "127.0.0.1")
    with pytest.raises(FetchError, match=r"localhost has a private address"):
        get(web.redirect("/", f"http://localhost:{web.port}/secret"), user_agent=AGENT, admits=_once())
    assert web.count("/secret") == 0


def test_a_name_is_looked_up_once_and_asked_where_it_was_checked() -> None:
    name = ("rebind.example", "A")
    with (
        FeedServer("127.0.0.2") as public,
        FeedServer("127.0.0.1", public.port) as private,
        DnsServer({name: ["127.0.0.2"]}, second={name: ["127.0.0.1"]}) as dns,
        dns.as_system(),
    ):
        public.put("/", "hello")
        private.put("/", "secret")
        url = f"http://rebind.example:{public.port}/"
        assert get(url, user_agent=AGENT, admits="127.0.0.2".__eq__).body == b"hello"
        assert dns.asked.count(name) == 1 and public.last("/").headers["host"] == f"rebind.example:{public.port}"
        with pytest.raises(FetchError, match="private address"):
            get(url, user_agent=AGENT, admits="127.0.0.2".__eq__)
        assert private.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://lab.example@127.0.0.1:{port}/",
        "http://lab.example:80@127.0.0.1:{port}/",
        "http://lab.example\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@lab.example/",
        "http://127.0.0.1:{port}?@lab.example/",
        "http://１２７.0.0.1:{port}/",
        "http://127。0。0。1:{port}/",
        "http://①②⑦.0.0.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://017700000001:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://metadata.google.internal:{port}/computeMetadata/v1/",
        "http://printer.local:{port}/",
        "http://x.localhost:{port}/",
        "http://[::1%25lo]:{port}/",
        "http://[fe80::1%25lo]:{port}/",
    ],
)
def test_no_spelling_of_a_url_hides_where_it_leads(web: FeedServer, url: str) -> None:
    web.put("/", "secret")
    with pytest.raises(FetchError) as caught:
        get(url.format(port=web.port), user_agent=AGENT)
    assert caught.value.permanent or "is not found" in caught.value.reason
    assert not web.asked


def _once() -> Callable[[str], bool]:
    answers = iter([True])
    return lambda _address: next(answers, False)


def test_a_post_is_refused_a_private_address_too(web: FeedServer) -> None:
    with pytest.raises(FetchError, match="private address"):
        post(web.put("/", ""), b"{}", user_agent=AGENT)
    assert not web.asked


# --- TLS ----------------------------------------------------------------------------------------------------


def _certificate(folder: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    began = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def fresh_trust() -> Iterator[None]:
    _tls.cache_clear()
    yield
    _tls.cache_clear()


@pytest.mark.usefixtures("fresh_trust")
def test_the_checked_address_is_asked_by_the_name_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, names = _certificate(tmp_path, "localhost"), []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    context.sni_callback = lambda _connection, name, _context: names.append(name)

    def serve(connection: socket.socket, _: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(10_000)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    port, stop = _raw_server(serve)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(f"https://localhost:{port}/").reason
    stop()
    _tls.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    port, stop = _raw_server(serve)
    assert ask(f"https://localhost:{port}/").body == b"hello"
    stop()
    assert names == ["localhost", "localhost"]


# --- POST ---------------------------------------------------------------------------------------------------


def test_a_post_carries_its_content_and_leaves_the_answer_unread(web: FeedServer) -> None:
    url = web.endless("/hook", b"thanks")
    answer = post(url, b'{"a": 1}', user_agent=AGENT, allow_private=True, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body) == (200, b"")
    asked = web.last("/hook")
    assert (asked.method, asked.body, asked.headers["content-type"]) == ("POST", b'{"a": 1}', "application/json")


def test_a_post_follows_no_redirect(web: FeedServer) -> None:
    web.put("/there", "")
    with pytest.raises(FetchError, match="redirect, which is not followed"):
        post(web.redirect("/hook", "/there", 307), b"{}", user_agent=AGENT, allow_private=True)
    assert web.count("/there") == 0


# --- calls of an API ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 400, 429, 500])
def test_a_call_returns_the_body_of_every_status_and_follows_nothing(web: FeedServer, status: int) -> None:
    url = web.put("/api", '{"ok": false}', "application/json", status=status, headers={"Location": web.url("/there")})
    answer = call(url, b"{}", user_agent=AGENT, allow_private=True)
    assert (answer.status, answer.body) == (status, b'{"ok": false}')
    assert web.last("/api").body == b"{}"
    assert web.count("/there") == 0


def test_a_call_reads_no_more_than_its_limit_and_knows_what_was_never_sent(web: FeedServer) -> None:
    with pytest.raises(FetchError, match="more than 10 bytes") as caught:
        call(web.put("/api", "x" * 11), b"", user_agent=AGENT, allow_private=True, limits=Limits(size=10))
    assert not caught.value.unsent
    port = web.port
    web.__exit__(None, None, None)
    for url in (f"http://127.0.0.1:{port}/api", "http://no-such-name.invalid/"):
        with pytest.raises(FetchError) as caught:
            call(url, b"", user_agent=AGENT, allow_private=True)
        assert caught.value.unsent
