"""Many emails at once: a sink in a process of its own, and worker processes that are killed."""

from __future__ import annotations

import multiprocessing
import re
import smtplib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, func, select, update
from sqlmodel import col

from monitor.channels.email import Email
from monitor.db.engine import reading, transaction
from monitor.models import Delivery, DeliveryState, Subscription, Target
from monitor.notify import matching as match
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.recorder import News
from monitor.settings import Settings
from tests.channels.channel_test_env import message_of, release
from tests.channels.workers import Workers
from tests.fakes.hub import until
from tests.fakes.smtp import SmtpSink

_ID = re.compile(rb"(?m)^Message-ID: (<[^>\r]+>)\r$")


class Sink:
    """An SmtpSink in a process of its own, so that it has a core to itself."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)

    def __enter__(self) -> Sink:
        self._process.start()
        self.url: str = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send("stop")
        self._process.join(300)

    def count(self) -> int:
        """How many emails have come."""
        number: int = self._ask("count")
        return number

    def emails(self) -> list[tuple[str, str]]:
        """(recipient, Message-ID) of each email, in the order of coming; they are forgotten then."""
        found: list[tuple[str, str]] = self._ask("letters")
        return found

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


def _serve(pipe: Connection) -> None:
    with SmtpSink() as sink:
        pipe.send(sink.url)
        while (asked := pipe.recv()) != "stop":
            if asked == "count":
                pipe.send(len(sink.emails))
            else:
                # Not parsed whole: ten thousand emails would take a minute.
                pipe.send([(email.recipients[0], _ID.search(email.raw)[1].decode()) for email in sink.emails])  # type: ignore[index]
                sink.emails.clear()


def settings_for(database_url: str, sink: Sink) -> dict[str, str]:
    """The environment of a worker."""
    return {
        "MONITOR_DATABASE_URL": database_url,
        "MONITOR_SMTP_URL": sink.url,
        "MONITOR_EMAIL_FROM": "News of Models <news@alerts.example>",
        "MONITOR_PUBLIC_URL": "https://monitor.example",
        "MONITOR_SECRET_KEY": "a key for many emails",
    }


# --- readers and news -------------------------------------------------------------------------------------


def readers(engine: Engine, number: int) -> None:
    """So many subscribers to everything, notified at once."""
    with transaction(engine) as session:
        for count in range(number):
            subscribe(session, SubscriptionCreate("email", f"reader{count}@example.org"))


def announce(engine: Engine, name: str) -> int:
    """One release that all are notified of; how many emails that makes."""
    with transaction(engine) as session:
        row = release(name)
        session.add(row)
        session.flush()
        return match.enqueue(session, [News(row, "release")])


def left(engine: Engine) -> int:
    """Deliveries that are neither sent nor given up."""
    with reading(engine) as session:
        query = select(func.count()).where(col(Delivery.state) == str(DeliveryState.PENDING))
        return session.scalar(query) or 0


def forget_leases(engine: Engine) -> None:
    """What a start does on a database where only one process runs: the leases of the dead are void."""
    with transaction(engine) as session:
        session.execute(update(Target).values(leased_until=None))


# --- measuring --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one run. ``lost``: readers without an email; ``twice``: emails that came again, under the
    same Message-ID; ``second_ids``: readers who saw more than one Message-ID."""

    emails: int
    seconds: float
    killed: int
    lost: int
    twice: int
    second_ids: int

    @property
    def rate(self) -> float:
        return self.emails / self.seconds


def bare(sink: Sink, engine: Engine, database_url: str, number: int) -> float:
    """Emails a second of a loop over smtplib: one connection, the same email each time."""
    email = _email(sink, engine, database_url)
    where = urlsplit(sink.url)
    assert where.hostname is not None and where.port is not None
    with smtplib.SMTP(where.hostname, where.port) as smtp:
        smtp.ehlo()
        began = time.monotonic()
        for count in range(number):
            smtp.sendmail("news@alerts.example", [f"reader{count}@example.org"], email)
        took = time.monotonic() - began
    sink.emails()
    return number / took


def _email(sink: Sink, engine: Engine, database_url: str) -> bytes:
    """An email as the workers write them."""

    settings = Settings(
        database_url=database_url,
        smtp_url=sink.url,  # type: ignore[arg-type]
        email_from="News of Models <news@alerts.example>",
        public_url="https://monitor.example",
        secret_key="a key for many emails",  # type: ignore[arg-type]
    )
    email = Email(settings, engine)
    with reading(engine) as session:
        subscription = session.scalars(select(Subscription)).first()
    assert subscription is not None
    message = message_of(subscription, release())
    return email.renderer.alert(message, subscription.target, email.message_context(message)).raw


def _came(sink: Sink) -> int:
    """How many emails have come; seldom enough that the sink has its time for emails."""
    time.sleep(0.05)
    return sink.count()


def run_load(
    engine: Engine,
    environment: dict[str, str],
    sink: Sink,
    name: str,
    workers: int,
    *,
    meanwhile: Callable[[Workers, int], object] = lambda _workers, _came: None,
    patience: float = 300,
) -> Result:
    """Announces a release to everyone while workers wait, until all were notified. ``meanwhile``: called all the time,
    with the workers and the number of emails that came."""
    sink.emails()
    with Workers(environment, workers) as running:
        number = announce(engine, name)
        began = time.monotonic()
        came = 0

        def over() -> bool:
            nonlocal came
            came = _came(sink)
            meanwhile(running, came)
            return came >= number and left(engine) == 0

        until(over, patience, f"{number} emails")
        seconds = time.monotonic() - began
    found = sink.emails()
    ids: dict[str, set[str]] = {}
    for recipient, message_id in found:
        ids.setdefault(recipient, set()).add(message_id)
    repeated = sum(times - 1 for times in Counter(found).values())
    second = sum(len(some) > 1 for some in ids.values())
    return Result(number, seconds, running.killed, number - len(ids), repeated, second)


@dataclass(frozen=True, slots=True)
class Pair:
    """Emails a second of the bare loop and of the workers, over the same slices of time in turn, and what came."""

    emails: int
    bare: float
    workers: float
    lost: int
    twice: int


def paired(engine: Engine, database_url: str, sink: Sink, workers: int, slices: int) -> Pair:
    """The bare loop and the workers by turns, so that what else the machine does slows both alike.

    Each slice is a release that everyone in the database is sent of, after as many emails of the bare loop.
    """
    emails = lost = twice = 0
    bare_took = took = 0.0
    with Workers(settings_for(database_url, sink), workers) as _:
        for number in range(slices):
            alerts = announce(engine, f"Model-{workers}-{number}")
            began = time.monotonic()
            until(lambda alerts=alerts: _came(sink) >= alerts and left(engine) == 0, what=f"{alerts} emails")  # type: ignore[misc]
            took += time.monotonic() - began
            found = sink.emails()
            emails, lost, twice = emails + alerts, lost + alerts - len(set(found)), twice + len(found) - len(set(found))
            bare_took += alerts / bare(sink, engine, database_url, alerts)
    return Pair(emails, emails / bare_took, emails / took, lost, twice)
