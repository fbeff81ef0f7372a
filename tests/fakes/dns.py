"""A name server on loopback that answers from a table, over UDP. Real sockets."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class DnsServer:
    """``records``: (name without the last dot, type) to texts as in a zone file. Anything else is not there.

    ``second``: what a name is at every question after the first. ``asked``: every question so far.
    """

    def __init__(
        self,
        records: Mapping[tuple[str, str], list[str]],
        *,
        host: str = "127.0.0.1",
        second: Mapping[tuple[str, str], list[str]] | None = None,
    ) -> None:
        outer = self
        self.records = records
        self.second = second or {}
        self.asked: list[tuple[str, str]] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                sock.sendto(outer.answer(data), self.client_address)

        self._server = socketserver.ThreadingUDPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def resolver(self) -> dns.resolver.Resolver:
        """A client that asks here."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers = [str(self._server.server_address[0])]
        made.port = int(self._server.server_address[1])
        return made

    @contextmanager
    def as_system(self) -> Iterator[None]:
        """Every look-up of this process asks here, whichever library makes it."""
        dns.resolver.override_system_resolver(self.resolver)
        try:
            yield
        finally:
            dns.resolver.restore_system_resolver()

    def answer(self, data: bytes) -> bytes:
        question = dns.message.from_wire(data)
        response = dns.message.make_response(question)
        response.flags |= dns.flags.RA
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        key = (name, dns.rdatatype.to_text(asked.rdtype))
        texts = self.second.get(key) if key in self.asked else None
        texts = texts or self.records.get(key)
        self.asked.append(key)
        if texts:
            response.answer.append(dns.rrset.from_text(asked.name, 60, "IN", asked.rdtype, *texts))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
