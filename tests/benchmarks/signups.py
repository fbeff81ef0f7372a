"""Ten thousand sign-ups for one address, over HTTP, each from another client: what becomes of them, and how fast."""

from __future__ import annotations

import os
import tempfile
import time

from fastapi.testclient import TestClient
from sqlalchemy import func, select

from monitor import db
from monitor.channels.email import send_confirmations
from monitor.db import migrations
from monitor.models import EmailConfirmation, Subscription
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.fakes.smtp import SmtpSink

NUMBER = int(os.environ.get("SIGNUPS", "10000"))
BARE = 500


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder, SmtpSink() as sink:
        settings = Settings(
            database_url=f"sqlite:///{folder}/signups.db",
            smtp_url=sink.url,  # type: ignore[arg-type]
            email_from="news@alerts.example",
            secret_key="a key for many sign-ups",  # type: ignore[arg-type]
        )
        service = Service(settings)
        migrations.upgrade(service.engine)
        app = create_app(service)
        clients = [TestClient(app, client=(f"198.51.{number // 250}.{number % 250}", 1)) for number in range(1_000)]
        began = time.monotonic()
        for number in range(BARE):
            clients[number].get("/healthz")
        bare = BARE / (time.monotonic() - began)
        began = time.monotonic()
        codes = set()
        for number in range(NUMBER):
            wish = {"email": "reader@example.org", "filter": f"m{number}"}
            codes.add(clients[number % 1_000].post("/api/v1/email/subscriptions", json=wish).status_code)
            if number % 1_000 == 0:
                send_confirmations(service.engine, service.channels["email"])
        rate = NUMBER / (time.monotonic() - began)
        with db.reading(service.engine) as session:
            kept = {
                table: session.scalar(select(func.count()).select_from(table))
                for table in (Subscription, EmailConfirmation)
            }
    print("| sign-ups for one address | responses | emails | subscriptions | sign-ups/s | relative to `GET /healthz` |")
    print("| --- | --- | --- | --- | --- | --- |")
    answers = ", ".join(map(str, sorted(codes)))
    print(f"| {NUMBER:,} | {answers} | {len(sink.emails)} | {kept[Subscription]} | {rate:,.0f} | {rate / bare:.2f} |")


if __name__ == "__main__":
    main()
