"""What Slack sends, let in: signed by Slack, no older than five minutes, and never twice."""

from __future__ import annotations

import hashlib
import re
import time
from datetime import timedelta
from functools import cached_property

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine, delete
from sqlmodel import Session, col

from monitor.channels.request_body import read_limited_body
from monitor.channels.slack.transport import Slack
from monitor.db.engine import now, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.labs import Registry, load
from monitor.models import SlackSeen
from monitor.settings import Settings

LARGEST = 1_000_000
"""Bytes of a request; a click comes with the whole message that was clicked in."""
LASTS = 300
"""Seconds for which a signature is good (Slack's own advice)."""
_SIGNATURE, _STAMP = re.compile(r"v0=[0-9a-f]{64}"), re.compile(r"[0-9]{1,12}")
_NOT_SLACK = "not signed by Slack, or longer than five minutes ago"
KEPT = timedelta(minutes=15)
"""How long what was used is remembered: longer than any signature or state is good for."""


class House:
    """What the routes work with."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine

    @cached_property
    def slack(self) -> Slack:
        return Slack(self.settings, self.engine)

    @cached_property
    def registry(self) -> Registry:
        return load(self.settings.labs_file)


def house_of(request: Request) -> House:
    """The house behind the application, one for all requests."""
    state = request.app.state
    if not hasattr(state, "slack"):
        state.slack = House(state.service.settings, state.service.web_engine)
    house: House = state.slack
    return house


async def signed_body(request: Request) -> bytes:
    """The body of a request of Slack's. 403 where no signing secret is set, 401 for anything that is not Slack's."""
    from slack_sdk.signature import SignatureVerifier

    house = house_of(request)
    secret = house.settings.slack_signing_secret
    if secret is None:
        raise HTTPException(403, "MONITOR_SLACK_SIGNING_SECRET is not set, so nothing is taken from Slack")
    stamp = request.headers.get("x-slack-request-timestamp", "")
    signature = request.headers.get("x-slack-signature", "")
    # The body of who cannot be Slack is not read.
    if not _SIGNATURE.fullmatch(signature) or not _STAMP.fullmatch(stamp) or abs(time.time() - int(stamp)) > LASTS:
        raise HTTPException(401, _NOT_SLACK)
    body = await read_limited_body(request, LARGEST)
    try:
        good = SignatureVerifier(secret.get_secret_value()).is_valid(body, stamp, signature)
    except (ValueError, TypeError):  # no number, no UTF-8, no ASCII
        good = False
    if not good:
        raise HTTPException(401, _NOT_SLACK)
    if not await run_in_threadpool(first_use, house.engine, signature):
        raise HTTPException(401, "this request was taken before")
    return body


def first_use(engine: Engine, token: str) -> bool:
    """Whether a signature or a state is used for the first time; the second time it is not."""
    with transaction(engine) as session:
        _forget(session)
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Without the option, the count of an INSERT is read from a cursor that may be closed by then: -1.
        connection = session.connection().execution_options(preserve_rowcount=True)
        return connection.execute(insert_or_ignore(session, SlackSeen), {"digest": digest, "at": now()}).rowcount == 1


def _forget(session: Session) -> None:
    session.execute(delete(SlackSeen).where(col(SlackSeen.at) < now() - KEPT))
