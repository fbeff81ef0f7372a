"""Clicks and modals: buttons of alerts and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from monitor.channels.slack import replies
from monitor.channels.slack.api import SlackError, call
from monitor.channels.slack.commands import LONGEST, unreadable
from monitor.channels.slack.installs import installed
from monitor.channels.slack.markup import code, escaped, line
from monitor.channels.slack.replies import Reply
from monitor.channels.slack.request_verification import House
from monitor.channels.slack.subscriptions import Room, narrowed, recent, subscriptions_of, target_of
from monitor.db.engine import reading, transaction
from monitor.enums import Digest
from monitor.models import Subscription
from monitor.notify.message import SendError
from monitor.notify.subscriptions import SubscriptionCreate, SubscriptionError, change, resume, subscribe, zone
from monitor.notify.subscriptions import remove as drop
from monitor.releases.query import QueryError, parse

Payload = dict[str, Any]
Work = Callable[[], Reply | None]


def clicked(house: House, payload: Payload) -> Work | None:
    """The work that a click asks for, which gives an answer or none."""
    actions = payload.get("actions") or [{}]
    name, value = str(actions[0].get("action_id", "")), str(actions[0].get("value", ""))
    room, user = _room(payload), str((payload.get("user") or {}).get("id", ""))
    ident, _, rest = value.partition(" ")
    work: dict[str, Work] = {
        "mute": lambda: _narrow(house, room, ident, f"-{rest}"),
        "bases": lambda: _narrow(house, room, ident, "kind:base"),
        "undo": lambda: _undo(house, room, ident, rest),
        "edit": lambda: _edit(house, room, ident, payload),
        "remove": lambda: _remove(house, room, ident),
        "resume": lambda: _resume(house, room, ident),
        "keep": lambda: _keep(house, room, user, name.partition(":")[2], value.strip()),
        "cancel": lambda: {"delete_original": True},
    }
    return work.get(name.partition(":")[0])


def submitted(house: House, payload: Payload) -> tuple[Payload, Work | None]:
    """What a modal is answered at once, and the work afterwards."""
    view = payload.get("view") or {}
    values = (view.get("state") or {}).get("values") or {}
    typed = str(((values.get("filter") or {}).get("typed") or {}).get("value") or "").strip()
    try:
        known = json.loads(view.get("private_metadata") or "{}")
        room, ident = Room(str(known["team"]), str(known["channel"]), str(known["name"])), str(known["subscription"])
    except (ValueError, KeyError, TypeError):
        return {"response_action": "clear"}, None
    if room.team != str((payload.get("team") or {}).get("id")):
        return {"response_action": "clear"}, None
    try:
        if unreadable(typed) is not None:
            parse(typed)
            return _wrong(f"at most {LONGEST:,} characters expected")
        with transaction(house.engine) as session:
            one = next((one for one in subscriptions_of(house, session, room) if one.id == ident), None)
            if one is None:
                return _wrong("this subscription was removed")
            former = one.typed or one.filter
            change(one, filter=typed)
            session.add(one)
    except QueryError as error:
        return _wrong(str(error))
    return {"response_action": "clear"}, lambda: _after(house, one, former)


def response_url(payload: Payload) -> str | None:
    """Where an answer goes: a modal remembers it from the click that opened it."""
    if payload.get("type") != "view_submission":
        return payload.get("response_url")
    try:
        known = json.loads((payload.get("view") or {}).get("private_metadata") or "{}")
    except ValueError:
        return None
    found = known.get("response_url")
    return found if isinstance(found, str) else None


def _wrong(text: str) -> tuple[Payload, None]:
    return {"response_action": "errors", "errors": {"filter": line(text, 900)}}, None


def _room(payload: Payload) -> Room:
    team, channel = payload.get("team") or {}, payload.get("channel") or {}
    return Room(str(team.get("id", "")), str(channel.get("id", "")), str(channel.get("name", "")))


def _with(house: House, room: Room, ident: str, act: Callable[[Any, Subscription], None]) -> Subscription | None:
    """Changes a subscription of this channel; None where it is none of it."""
    with transaction(house.engine) as session:
        one = next((one for one in subscriptions_of(house, session, room) if one.id == ident), None)
        if one is not None:
            act(session, one)
        return one


def _narrow(house: House, room: Room, ident: str, term: str) -> Reply:
    former: list[str] = []

    def act(session: Any, one: Subscription) -> None:
        former.append(one.typed or one.filter)
        narrowed(one, term)
        session.add(one)

    one = _with(house, room, ident, act)
    return _after(house, one, former[0]) if one else _gone()


def _undo(house: House, room: Room, ident: str, typed: str) -> Reply:
    def act(session: Any, one: Subscription) -> None:
        change(one, filter=typed)
        session.add(one)

    one = _with(house, room, ident, act)
    if one is None:
        return _gone()
    return replies.said(f"The filter is {code(typed) if typed else 'everything'} again.") | {"replace_original": True}


def _after(house: House, subscription: Subscription, former: str) -> Reply:
    return replies.changed(subscription, recent(house, parse(subscription.filter)), former)


def _remove(house: House, room: Room, ident: str) -> Reply:
    one = _with(house, room, ident, drop)
    return replies.said(f"This channel is no longer told of {code(one.typed or 'everything')}.") if one else _gone()


def _resume(house: House, room: Room, ident: str) -> Reply:
    def act(session: Any, one: Subscription) -> None:
        resume(one)
        session.add(one)

    one = _with(house, room, ident, act)
    return replies.said(f"This channel is told again of {code(one.typed or 'everything')}.") if one else _gone()


def _gone() -> Reply:
    return replies.said("This subscription is not there any more: */hub list* shows what is.")


def _keep(house: House, room: Room, user: str, digest: str, query: str) -> Reply:
    """Keeps a subscription that was shown before, once the app can post to the channel."""
    team = room.team if installed(house.engine, room.team) else None
    try:
        client = house.slack.client(team)
        _enter(client, room.channel)
        when = Digest(digest)
        timezone = _timezone(client, user) if when in {Digest.DAILY, Digest.WEEKLY} else "UTC"
    except SlackError as error:
        if error.code in {"channel_not_found", "not_in_channel", "method_not_supported_for_channel_type"}:
            return replies.said("I cannot see this channel yet: type */invite* and my name, then click again.")
        return replies.said(f"Not kept: {escaped(error, 300)}.")
    except (SendError, ValueError) as error:
        return replies.said(f"Not kept: {escaped(error, 300)}.")
    with transaction(house.engine) as session:
        wish = SubscriptionCreate(
            "slack", target_of(house, room), query, when, timezone, created_by=f"slack:{user}"[:100]
        )
        one = subscribe(session, wish)
        if one.paused:
            resume(one)
            session.add(one)
    return replies.kept(one)


def _enter(client: Any, channel: str) -> None:
    """Joins a public channel; raises SlackError where the app can neither see nor join it."""
    found = call(client.conversations_info, channel=channel).get("channel") or {}
    if not found.get("is_member") and not found.get("is_im"):
        call(client.conversations_join, channel=channel)


def _timezone(client: Any, user: str) -> str:
    try:
        name = str((call(client.users_info, user=user).get("user") or {}).get("tz") or "UTC")
        zone(name)
    except (SendError, SubscriptionError):
        return "UTC"
    return name


def _edit(house: House, room: Room, ident: str, payload: Payload) -> Reply | None:
    """Opens the modal in which a filter is changed."""
    with reading(house.engine) as session:
        one = next((one for one in subscriptions_of(house, session, room) if one.id == ident), None)
    if one is None:
        return _gone()
    team = room.team if installed(house.engine, room.team) else None
    known = {"team": room.team, "channel": room.channel, "name": room.name, "subscription": ident}
    view = {
        "type": "modal",
        "callback_id": "filter",
        "title": {"type": "plain_text", "text": "Edit filter"},
        "submit": {"type": "plain_text", "text": "Keep"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps(known | {"response_url": payload.get("response_url")}),
        "blocks": [
            {
                "type": "input",
                "block_id": "filter",
                "optional": True,
                "label": {"type": "plain_text", "text": "What this channel is told of"},
                "hint": {"type": "plain_text", "text": "Like origin:CN,KR kind:base params:>=30B; empty: everything."},
                "element": {
                    "type": "plain_text_input",
                    "action_id": "typed",
                    "multiline": True,
                    "initial_value": line(one.typed or one.filter, 2_000),
                    "max_length": 2_000,
                },
            }
        ],
    }
    try:
        call(house.slack.client(team).views_open, trigger_id=str(payload.get("trigger_id", "")), view=view)
    except SendError as error:
        return replies.said(f"The window did not open: {escaped(error, 300)}.")
    return None
