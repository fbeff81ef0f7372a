"""The tools of administrators: subscriptions and corrections, by the functions of the administration API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from monitor import db
from monitor.enums import Digest
from monitor.releases.corrections import FIELDS as CORRECTABLE
from monitor.releases.corrections import parse_correction
from monitor.releases.reclassify import correct_release
from monitor.releases.tally import DIMENSIONS
from monitor.releases.triggers.expression import NUMBERS
from monitor.web import admin
from monitor.web.model_context.answers import Corrected, SubscriptionsFound
from monitor.web.model_context.arguments import RepoId
from monitor.web.model_context.citing import time_of
from monitor.web.model_context.filters import MAX_SUBSCRIPTIONS
from monitor.web.model_context.reading import found_release
from monitor.web.model_context.tool import Arguments, Caller, Tool

NO_CITATION = "what an administrator sees or does cannot be cited"
Ident = Annotated[str, Field(min_length=1, max_length=40, description="id of a subscription")]


def _envelope() -> dict[str, Any]:
    return {"query": None, "as_of": time_of(None), "citation": None, "citation_problem": NO_CITATION}


CHANNEL_NAMES = ("slack", "email", "telegram", "discord", "teams", "webhook", "apprise")
"""The channels that reach somebody; the terminal is that of the command."""
WHEN = (
    "A trigger instead of a filter: a notice when a number crosses a line, and when it is crossed back. One of "
    "`share(PART, WHOLE, SPAN) >= 80%`, `count(QUERY, SPAN) > 100`, `first(FIELD, QUERY)` (a value's first release "
    "that matches), `new(FIELD, QUERY)` (a value's first release of all, if it matches) and "
    "`drop(NUMBER, REPO) >= 10%`. PART, WHOLE and QUERY are filters; WHOLE and QUERY may be left out. SPAN is 24h, 7d, "
    f"4w, 3mo or all. FIELD is one of {', '.join(DIMENSIONS)}. NUMBER is one of {', '.join(NUMBERS)}. A comma and a "
    "space separate arguments: `share(origin:CN, kind:base params:>=100B, 30d) >= 80%`."
)


class ListSubscriptions(Arguments):
    """All of them."""


def list_subscriptions(caller: Caller, _wanted: ListSubscriptions) -> tuple[SubscriptionsFound, str]:
    """Every subscription, oldest first."""
    items = [_shown(one) for one in admin.all_subscriptions(caller.service)["items"]]
    answer = SubscriptionsFound(**_envelope(), done="listed", items=items[:MAX_SUBSCRIPTIONS])
    more = f", of which the {MAX_SUBSCRIPTIONS} oldest are shown" if len(items) > MAX_SUBSCRIPTIONS else ""
    return answer, f"{len(items)} subscriptions{more}."


class CreateSubscription(Arguments):
    """Where alerts go, and which."""

    channel: str = Field(
        max_length=40, description=f"one of {', '.join(CHANNEL_NAMES)}, where this installation has it set up"
    )
    target: str = Field(
        min_length=1,
        max_length=2_000,
        description="where messages go: an email address, the id of a channel or chat, or a URL, as the channel has it",
    )
    filter: str = Field("", max_length=2_000, description="which releases, in the query language; empty: all")
    when: str = Field("", max_length=2_000, description=WHEN)
    digest: Digest = Field(Digest.IMMEDIATE, description="at once, or as a digest")
    timezone: str = Field("UTC", max_length=64, description="time zone of digests, like Europe/Paris")
    hour: int = Field(8, ge=0, le=23, description="hour of daily and weekly digests")


def create_subscription(caller: Caller, wanted: CreateSubscription) -> tuple[SubscriptionsFound, str]:
    """Creates a subscription, or returns the same one."""
    made = admin.add(caller.service, admin.NewSubscription(**wanted.model_dump()))
    return SubscriptionsFound(**_envelope(), done="created", items=[_shown(made)]), f"Subscription {made['id']}."


class ChangeSubscription(Arguments):
    """Which one, and what changes."""

    id: Ident
    paused: bool | None = Field(None, description="true pauses, false resumes")
    filter: str | None = Field(None, max_length=2_000, description="a new filter; empty: all releases")
    digest: Digest | None = Field(None, description="a new rhythm")


def change_subscription(caller: Caller, wanted: ChangeSubscription) -> tuple[SubscriptionsFound, str]:
    """Changes, pauses or resumes a subscription."""
    changes = admin.ChangedSubscription(**wanted.model_dump(exclude={"id"}))
    changed = admin.patch(caller.service, wanted.id, changes)
    return SubscriptionsFound(**_envelope(), done="changed", items=[_shown(changed)]), f"Changed {changed['id']}."


class RemoveSubscription(Arguments):
    """Which one."""

    id: Ident


def remove_subscription(caller: Caller, wanted: RemoveSubscription) -> tuple[SubscriptionsFound, str]:
    """Removes a subscription with its deliveries."""
    removed = admin.one(caller.service, wanted.id)
    admin.remove(caller.service, wanted.id)
    return SubscriptionsFound(**_envelope(), done="removed", items=[_shown(removed)]), f"Removed {removed['id']}."


def _shown(subscription: dict[str, Any]) -> dict[str, Any]:
    """A subscription without the key of its receiver, which belongs in no conversation."""
    return {name: value for name, value in subscription.items() if name != "secret"}


class CorrectRelease(Arguments):
    """Which release, which values, and why."""

    repo_id: RepoId
    values: list[Annotated[str, Field(max_length=300)]] = Field(
        min_length=1,
        max_length=len(CORRECTABLE),
        description=f"field=value, with a field of {', '.join(CORRECTABLE)}; the value none means unknown",
    )
    because: str = Field(min_length=1, max_length=1_000, description="the reason, which is shown as evidence")
    action: Literal["correct", "undo"] = Field("correct", description="undo removes the corrections of these fields")


def correct(caller: Caller, wanted: CorrectRelease) -> tuple[Corrected, str]:
    """Corrects values of a release by hand."""
    undo = wanted.action == "undo"
    values = [(text.partition("=")[0], None) if undo else parse_correction(text) for text in wanted.values]
    with db.transaction(caller.service.web_engine) as session:
        row = found_release(session, wanted.repo_id)
        changed = correct_release(session, row, values, wanted.because, caller.service.registry, undo=undo)
        items = [one._asdict() for one in changed]
        name = row.repo_id
    return Corrected(**_envelope(), repo_id=name, items=items), f"{len(items)} values of {name} changed."


ADMIN_TOOLS: tuple[Tool, ...] = (
    Tool(
        "list_subscriptions", "List subscriptions",
        "Every subscription with its channel, its target without secrets, its filter and whether it is paused.",
        ListSubscriptions, SubscriptionsFound, list_subscriptions,
    ),
    Tool(
        "create_subscription", "Create a subscription",
        "Sends alerts for a filter, or notices of a trigger, to a target from now on. Ask the user to confirm the "
        "target first: messages go there.",
        CreateSubscription, SubscriptionsFound, create_subscription, writes=True,
    ),
    Tool(
        "change_subscription", "Change, pause or resume a subscription",
        "Pauses or resumes a subscription, or changes its filter or rhythm. What is matched while it is paused is not "
        "sent later.",
        ChangeSubscription, SubscriptionsFound, change_subscription, writes=True,
    ),
    Tool(
        "remove_subscription", "Remove a subscription",
        "Removes a subscription with its pending alerts and the record of what it was sent. It cannot be undone: pause "
        "it instead if in doubt.",
        RemoveSubscription, SubscriptionsFound, remove_subscription, writes=True, destroys=True,
    ),
    Tool(
        "correct_release", "Correct a release",
        "Corrects values of a release by hand, for everyone; a correction outranks all other evidence and is shown "
        "with its reason. `undo` removes corrections.",
        CorrectRelease, Corrected, correct, writes=True, destroys=True,
    ),
)  # fmt: skip
"""The tools that the administrator's token adds."""
