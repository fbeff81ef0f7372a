"""The webhook to which Telegram posts updates. It answers at once and works in the background."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import Response

from monitor.channels.telegram.commands import handle_command, pause_chat
from monitor.channels.telegram.replies import text_reply
from monitor.channels.telegram.targets import TelegramTarget
from monitor.channels.telegram.updates import (
    TelegramContext,
    Update,
    counts,
    left_chat,
    migrated_chat,
    read_command,
    verified_update,
)
from monitor.notify.message import SendError

log = structlog.get_logger(__name__)
UPDATES_PATH = "/telegram/updates"
router = APIRouter(tags=["telegram"], include_in_schema=False)
Verified = Annotated[Update, Depends(verified_update)]


@router.post(UPDATES_PATH)
def take_update(request: Request, update: Verified, background: BackgroundTasks) -> Response:
    """A message in a chat, or the bot's removal from one; others, and repeated ones, are ignored."""
    context = TelegramContext.of(request)
    if counts(context.engine, context.settings, update):
        background.add_task(_act, context, update)
    return Response(status_code=200)


def _act(context: TelegramContext, update: Update) -> None:
    left, migrated = left_chat(update), migrated_chat(update)
    if left:
        log.info("Telegram chat removed the bot", chat=left[0], paused=pause_chat(context, left))
    elif migrated is not None:
        context.channel.follow(TelegramTarget(str(migrated[0])), migrated[1])
    else:
        try:
            _answer(context, update)
        except SendError as error:
            log.warning("Telegram command not answered", error=str(error))


def _answer(context: TelegramContext, update: Update) -> None:
    """Handles a command and posts the reply, or that something went wrong. Raises SendError."""
    command = read_command(update, context.channel.username())
    if command is None:
        return
    if not context.limiter.allows(command.target):
        log.info("Telegram command ignored: too many", chat=command.target.chat)
        return
    try:
        shown = handle_command(context, command)
    except SendError:
        raise
    except Exception:
        log.exception("Telegram command failed")
        shown = text_reply("Something went wrong. Please try again; details are in the monitor's log.")
    if shown is not None:
        context.channel.reply(command.target, shown, command.message_id)
