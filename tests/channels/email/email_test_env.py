"""An environment at which emails are written: a database, a sender, a sink, and the web routes over them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlmodel import col

from monitor.channels.email import Email, send_confirmations
from monitor.channels.email.tokens import Purpose, Tokens
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import Delivery
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.service import Service
from monitor.web.app import create_app
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.smtp import SmtpSink

READER = "reader@example.org"


@dataclass
class EmailTestEnv(ChannelTestEnv):
    """Everything that a test of emails needs."""

    sink: SmtpSink
    email: Email

    @cached_property
    def client(self) -> TestClient:
        """A reader's browser."""
        return self.visitor("192.0.2.1")

    def visitor(self, host: str) -> TestClient:
        """A browser at an address."""
        return TestClient(create_app(Service(self.settings)), base_url="https://monitor.example", client=(host, 50_000))

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.settings.signing_key())

    def token(self, purpose: Purpose, subscription: str) -> str:
        return self.tokens.make(purpose, subscription)

    # --- readers ------------------------------------------------------------------------------------------

    def subscriber(self, query: str = "", address: str = READER, **wish: Any) -> str:
        """A confirmed subscription; its id."""
        with transaction(self.engine) as session:
            return subscribe(session, SubscriptionCreate("email", address, query, **wish)).id

    def sign_up(self, email: str = READER, **terms: Any) -> Any:
        return self.client.post("/api/v1/email/subscriptions", json={"email": email, **terms})

    def confirmations(self) -> int:
        """Sends the confirmation emails that are due."""
        return send_confirmations(self.engine, self.email)

    # --- news ---------------------------------------------------------------------------------------------

    def deliver(self) -> int:
        return outbox.send_due(self.engine, {"email": self.email})

    def make_due(self) -> None:
        """Lets every waiting delivery and target be due now."""
        with transaction(self.engine) as session:
            for row in session.scalars(select(Delivery).where(col(Delivery.state) == "pending")):
                row.due_at = now()
                session.add(row)

    def rows(self, table: type) -> int:
        with reading(self.engine) as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def everything(self) -> dict[str, list[Any]]:
        """The whole database, to see that nothing changed."""
        with self.engine.execution_options(reading=True).connect() as connection:
            from sqlmodel import SQLModel

            tables = SQLModel.metadata.sorted_tables
            return {table.name: [tuple(map(str, row)) for row in connection.execute(select(table))] for table in tables}


def path_in(text: str, what: str) -> str:
    """The path of the first link of a sort in an email: ``/confirm/…``."""
    found = re.search(rf"https://monitor\.example(/{what}/[\w.-]+)", text)
    assert found is not None, text
    return found[1]


def texts(message: Any) -> tuple[str, str]:
    """The text and the HTML of an email."""
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    return plain.get_content(), html.get_content()


DIGESTS = list(Digest)
