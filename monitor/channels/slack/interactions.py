"""Handles button clicks and modals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from monitor.channels.chat_subscriptions import add_term, preview_filter
from monitor.channels.slack import replies
from monitor.channels.slack.api import SlackError, call
from monitor.channels.slack.commands import MAX_QUERY_UNITS, check_query
from monitor.channels.slack.markup import code, escape, line
from monitor.channels.slack.replies import Reply
from monitor.channels.slack.request_verification import SlackContext
from monitor.channels.slack.subscriptions import (
    ChannelRef,
    channel_target,
    client_team,
    list_subscriptions,
)
from monitor.db.engine import reading, transaction
from monitor.enums import Digest
from monitor.models import Subscription
from monitor.notify.message import SendError
from monitor.notify.subscriptions import (
    BY_OPERATOR,
    SubscriptionCreate,
    SubscriptionError,
    change,
    resume,
    subscribe,
    zone,
)
from monitor.notify.subscriptions import remove as remove_subscription
from monitor.releases.query import QueryError, parse

Payload = dict[str, Any]
Work = Callable[[], Reply | None]


def handle_click(context: SlackContext, payload: Payload) -> Work | None:
    """Returns the function that handles a click and may return a reply; None for an unknown action."""
    actions = payload.get("actions") or [{}]
    name, value = str(actions[0].get("action_id", "")), str(actions[0].get("value", ""))
    channel, user = _channel_ref(payload), str((payload.get("user") or {}).get("id", ""))
    ident, _, rest = value.partition(" ")
    work: dict[str, Work] = {
        "mute": lambda: _add_term(context, channel, ident, f"-{rest}"),
        "bases": lambda: _add_term(context, channel, ident, "kind:base"),
        "undo": lambda: _undo(context, channel, ident, rest),
        "edit": lambda: _open_edit_modal(context, channel, ident, payload),
        "remove": lambda: _remove(context, channel, ident),
        "resume": lambda: _resume(context, channel, ident),
        "keep": lambda: _subscribe(context, channel, user, name.partition(":")[2], value.strip()),
        "when": lambda: _subscribe(context, channel, user, name.partition(":")[2], "", when=value.strip()),
        "cancel": lambda: {"delete_original": True},
    }
    return work.get(name.partition(":")[0])


def handle_submission(context: SlackContext, payload: Payload) -> tuple[Payload, Work | None]:
    """Returns the immediate response to a submitted modal, and the function to run after it."""
    view = payload.get("view") or {}
    values = (view.get("state") or {}).get("values") or {}
    typed = str(((values.get("filter") or {}).get("typed") or {}).get("value") or "").strip()
    try:
        known = json.loads(view.get("private_metadata") or "{}")
        channel = ChannelRef(str(known["team"]), str(known["channel"]), str(known["name"]))
        ident = str(known["subscription"])
    except (ValueError, KeyError, TypeError):
        return {"response_action": "clear"}, None
    if channel.team != str((payload.get("team") or {}).get("id")):
        return {"response_action": "clear"}, None
    try:
        if check_query(typed) is not None:
            parse(typed)
            return _modal_error(f"Queries can have at most {MAX_QUERY_UNITS:,} characters.")
        with transaction(context.engine) as session:
            one = next((one for one in list_subscriptions(context, session, channel) if one.id == ident), None)
            if one is None:
                return _modal_error("This subscription was removed.")
            former = one.typed or one.filter
            change(one, filter=typed)
            session.add(one)
    except (QueryError, SubscriptionError) as error:
        return _modal_error(str(error))
    return {"response_action": "clear"}, lambda: _filter_changed(context, one, former)


def response_url(payload: Payload) -> str | None:
    """Returns the URL for replies; a modal carries that of the click that opened it."""
    if payload.get("type") != "view_submission":
        return payload.get("response_url")
    try:
        known = json.loads((payload.get("view") or {}).get("private_metadata") or "{}")
    except ValueError:
        return None
    found = known.get("response_url")
    return found if isinstance(found, str) else None


def _modal_error(text: str) -> tuple[Payload, None]:
    return {"response_action": "errors", "errors": {"filter": line(text, 900)}}, None


def _channel_ref(payload: Payload) -> ChannelRef:
    team, channel = payload.get("team") or {}, payload.get("channel") or {}
    return ChannelRef(str(team.get("id", "")), str(channel.get("id", "")), str(channel.get("name", "")))


def _update_subscription(
    context: SlackContext, channel: ChannelRef, ident: str, act: Callable[[Any, Subscription], None]
) -> Subscription | None:
    """Applies ``act`` to a subscription of this channel; returns None if the channel has none with this id."""
    with transaction(context.engine) as session:
        one = next((one for one in list_subscriptions(context, session, channel) if one.id == ident), None)
        if one is not None:
            act(session, one)
        return one


def _add_term(context: SlackContext, channel: ChannelRef, ident: str, term: str) -> Reply:
    former: list[str] = []

    def act(session: Any, one: Subscription) -> None:
        former.append(one.typed or one.filter)
        add_term(one, term)
        session.add(one)

    one = _update_subscription(context, channel, ident, act)
    return _filter_changed(context, one, former[0]) if one else _not_found()


def _undo(context: SlackContext, channel: ChannelRef, ident: str, typed: str) -> Reply:
    def act(session: Any, one: Subscription) -> None:
        change(one, filter=typed)
        session.add(one)

    one = _update_subscription(context, channel, ident, act)
    if one is None:
        return _not_found()
    text = f"Undone. The filter is {code(typed) if typed else 'empty (all releases)'}."
    return replies.text_reply(text) | {"replace_original": True}


def _filter_changed(context: SlackContext, subscription: Subscription, former: str) -> Reply:
    return replies.filter_changed_reply(
        subscription, preview_filter(context.engine, context.settings, parse(subscription.filter)), former
    )


def _remove(context: SlackContext, channel: ChannelRef, ident: str) -> Reply:
    one = _update_subscription(context, channel, ident, remove_subscription)
    if one is None:
        return _not_found()
    return replies.text_reply(f"Removed: this channel no longer gets alerts for {replies.describe_filter(one)}.")


def _resume(context: SlackContext, channel: ChannelRef, ident: str) -> Reply:
    def act(session: Any, one: Subscription) -> None:
        if one.paused_because != BY_OPERATOR:
            resume(one)
            session.add(one)

    one = _update_subscription(context, channel, ident, act)
    if one is None:
        return _not_found()
    if one.paused:
        return _paused_by_operator()
    return replies.text_reply(f"Resumed: this channel gets alerts for {replies.describe_filter(one)} again.")


def _paused_by_operator() -> Reply:
    return replies.text_reply("The operator of this monitor has paused this subscription, and can resume it.")


def _not_found() -> Reply:
    return replies.text_reply("This subscription no longer exists. Type */hub list* to see the current ones.")


def _subscribe(context: SlackContext, channel: ChannelRef, user: str, digest: str, query: str, when: str = "") -> Reply:
    """Creates the previewed subscription after checking that the app can post to the channel."""
    try:
        client = context.transport.client(client_team(context, channel))
        _join_channel(client, channel.id)
        pace = Digest(digest)
        timezone = _timezone(client, user) if pace in {Digest.DAILY, Digest.WEEKLY} else "UTC"
    except SlackError as error:
        if error.code in {"channel_not_found", "not_in_channel", "method_not_supported_for_channel_type"}:
            return replies.text_reply("The app is not in this channel. Type */invite* with its name, then click again.")
        return replies.text_reply(f"Not subscribed: {escape(error, 300)}.")
    except (SendError, ValueError) as error:
        return replies.text_reply(f"Not subscribed: {escape(error, 300)}.")
    target, by = channel_target(context, channel), f"slack:{user}"[:100]
    try:
        with transaction(context.engine) as session:
            wanted = SubscriptionCreate("slack", target, query, pace, timezone, created_by=by, when=when)
            one = subscribe(session, wanted)
            if one.paused and one.paused_because != BY_OPERATOR:
                resume(one)
                session.add(one)
    except SubscriptionError as error:
        return replies.text_reply(f"Not subscribed: {escape(error, 300)}.")
    return _paused_by_operator() if one.paused else replies.subscribed_reply(one)


def _join_channel(client: Any, channel: str) -> None:
    """Joins a public channel. Raises SlackError if the app can neither see nor join it."""
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


def _open_edit_modal(context: SlackContext, channel: ChannelRef, ident: str, payload: Payload) -> Reply | None:
    """Opens the modal that edits a filter."""
    with reading(context.engine) as session:
        one = next((one for one in list_subscriptions(context, session, channel) if one.id == ident), None)
    if one is None:
        return _not_found()
    known = {"team": channel.team, "channel": channel.id, "name": channel.name, "subscription": ident}
    view = {
        "type": "modal",
        "callback_id": "filter",
        "title": {"type": "plain_text", "text": "Edit filter"},
        "submit": {"type": "plain_text", "text": "Save"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps(known | {"response_url": payload.get("response_url")}),
        "blocks": [
            {
                "type": "input",
                "block_id": "filter",
                "optional": True,
                "label": {"type": "plain_text", "text": "Alert this channel about"},
                "hint": {
                    "type": "plain_text",
                    "text": "Example: origin:CN,KR kind:base. Empty means all releases.",
                },
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
        call(
            context.transport.client(client_team(context, channel)).views_open,
            trigger_id=str(payload.get("trigger_id", "")),
            view=view,
        )
    except SendError as error:
        return replies.text_reply(f"Could not open the editor: {escape(error, 300)}.")
    return None
