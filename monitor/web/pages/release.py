"""The page of a release: facts, evidence, lineage and timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor import charts
from monitor.classify.bases import stated_bases
from monitor.enums import FORMAT_NAMES, MEASURE_NAMES, Event, kind_name
from monitor.models import Adoption, Change, Release, ReleaseObservation
from monitor.releases.adoption import MEASURES, series
from monitor.releases.formats import FIELD
from monitor.releases.notable import measured_against
from monitor.releases.query.watch import watch_query
from monitor.releases.schema import release_object
from monitor.releases.search import find, recorded_ids
from monitor.web.api import Reading, service_of
from monitor.web.cards import card_response, release_card
from monitor.web.markdown import markdown_response, release_text
from monitor.web.pages.chart import Narrow, csv_response, drawn_response
from monitor.web.pages.problem import error
from monitor.web.render import format_value, page, when

router = APIRouter()
DERIVATIVES_PER_PAGE = 40
MAX_COUNTED_DERIVATIVES = 1_000
"""At most so many derivatives are counted exactly."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An entry of a release's timeline. ``detail``: how it is known, or the old and new value."""

    at: datetime
    event: str
    detail: str = ""


@dataclass(slots=True)
class Branch:
    """A repository in the lineage tree, with the repositories made from it. ``row``: its release, if recorded."""

    repo_id: str
    relation: str | None = None
    here: bool = False
    row: Release | None = None
    branches: list[Branch] = field(default_factory=list)


@router.get("/releases/{namespace}/{name}", response_class=HTMLResponse)
def release(
    request: Request, session: Reading, namespace: str, name: str, after: Annotated[int, Query(ge=0)] = 0
) -> HTMLResponse:
    """One release, by its present or a former name."""
    row = find(session, f"{namespace}/{name}")
    if row is None:
        # What others were built on need not be in the history: the Hub may know it.
        return error(request, 404, f"Release {namespace}/{name} is not recorded.", hub=f"{namespace}/{name}")
    derivatives = _derivatives(session, row, after)
    more = derivatives[DERIVATIVES_PER_PAGE - 1].id if len(derivatives) > DERIVATIVES_PER_PAGE else None
    context: dict[str, Any] = {
        "r": row,
        "watch": watch_query(row.repo_id, row.lab),
        "recorded": recorded_ids(session, [row.foundation_repo_id, *measured_against(row.notable)]),
        "json": release_object(row),
        "adoption": _adoption(session, row),
        "measures": MEASURE_NAMES,
        "lab": service_of(request).registry.get(row.lab) if row.lab else None,
        "tree": _tree(session, row, derivatives[:DERIVATIVES_PER_PAGE]),
        "derivatives": _counted(session, row),
        "after": after,
        "more": more,
        "timeline": _timeline(session, row),
        "evidence": _evidence(row),
    }
    return page(request, "release", **context, card=release_card(row, context["lab"]))


@router.get("/releases/{namespace}/{name}/card.png")
def card_picture(request: Request, session: Reading, namespace: str, name: str) -> Response:
    """A release as the picture of a link preview."""
    row = _found(session, namespace, name)
    lab = service_of(request).registry.get(row.lab) if row.lab else None
    return card_response(request, release_card(row, lab))


@router.get("/releases/{namespace}/{name}/release.md")
def as_markdown(request: Request, session: Reading, namespace: str, name: str) -> Response:
    """A release as Markdown."""
    service = service_of(request)
    row = _found(session, namespace, name)
    text = release_text(row, service.registry, service.settings.public_url, request.state.as_of)
    return markdown_response(request, text)


@router.get("/releases/{namespace}/{name}/adoption.csv")
def adoption_csv(request: Request, session: Reading, namespace: str, name: str) -> Response:
    """How a release was taken up, day by day, as CSV."""
    rows = series(session, _found(session, namespace, name))
    return csv_response(request, ("day", *MEASURES), rows, "adoption.csv")


@router.get("/releases/{namespace}/{name}/{of}.svg")
def adoption(
    request: Request,
    session: Reading,
    namespace: str,
    name: str,
    of: Literal["downloads", "downloads_all_time", "likes", "derivatives"],
    narrow: Narrow = False,
) -> Response:
    """How a release was taken up, day by day, as a chart."""
    row = _found(session, namespace, name)
    days = [{"day": one.day, of: getattr(one, of)} for one in _adoption(session, row)]
    drawn = charts.lines(days, "day", None, of, f"{row.repo_id}: {MEASURE_NAMES[of]}")
    return drawn_response(request, drawn, "svg", charts.NARROW_WIDTH if narrow else charts.WIDTH)


def _found(session: Session, namespace: str, name: str) -> Release:
    row = find(session, f"{namespace}/{name}")
    if row is None:
        raise HTTPException(404, f"There is no release {namespace}/{name}.")
    return row


def _adoption(session: Session, row: Release) -> list[Adoption]:
    """Its last two years of days on which something changed, the oldest first."""
    query = select(Adoption).where(col(Adoption.release_id) == row.id).order_by(col(Adoption.day).desc()).limit(730)
    return list(reversed(list(session.scalars(query))))


def _of(row: Release) -> Any:
    """What was built on it: by the root alone, which is indexed; others are looked for among the root's."""
    return col(Release.foundation_repo_id) == (row.foundation_repo_id or row.repo_id), col(Release.id) != row.id


def _derivatives(session: Session, row: Release, after: int) -> list[Release]:
    ident = col(Release.id)
    below = select(ident, col(Release.lineage)).where(*_of(row), col(Release.pending).is_(False)).order_by(ident.desc())
    if after:
        below = below.where(ident < after)
    root = row.foundation_repo_id in {None, row.repo_id}
    # Names alone first: whole rows are a hundred times as large, and few of them are shown.
    found = session.execute(below.limit(DERIVATIVES_PER_PAGE + 1 if root else MAX_COUNTED_DERIVATIVES))
    shown = [key for key, steps in found if root or any(step["repo_id"] == row.repo_id for step in steps)][
        : DERIVATIVES_PER_PAGE + 1
    ]
    rows = select(Release).where(ident.in_(shown)).order_by(ident.desc())
    return list(session.scalars(rows.options(defer(Release.facts), defer(Release.evidence))))  # type: ignore[arg-type]


def _counted(session: Session, row: Release) -> list[tuple[str, int]]:
    """(kind, count) of the models built on a root; counts the newest thousand if there are more."""
    if row.foundation_repo_id not in {None, row.repo_id}:
        return []
    newest: Any = (
        select(col(Release.kind).label("kind"))
        .where(*_of(row))
        .order_by(col(Release.id).desc())
        .limit(MAX_COUNTED_DERIVATIVES)
    )
    part = newest.subquery()
    counts = session.execute(select(part.c.kind, func.count()).group_by(part.c.kind))
    return sorted(((kind, count) for kind, count in counts), key=lambda item: -item[1])


def _tree(session: Session, row: Release, derivatives: Sequence[Release]) -> list[Branch]:
    """The roots of the lineage tree: the other parents of a merge, and the chain down to this release and below."""
    here = Branch(row.repo_id, row.kind if row.lineage else None, here=True, row=row)
    _below(here, derivatives)
    stated = {repo_id.lower() for repo_id in stated_bases(row.facts).ids}
    direct = [step for step in row.lineage if step["repo_id"].lower() in stated] or list(row.lineage[:1])
    chain = [direct[0], *(step for step in row.lineage if step not in direct)] if direct else []
    root = row.foundation_repo_id
    if chain and root is not None and root not in {row.repo_id, *(step["repo_id"] for step in row.lineage)}:
        chain.append({"repo_id": root, "relation": "unknown"})  # known from its parents
    known = _known(session, [step["repo_id"] for step in [*row.lineage, *chain]])
    steps = [Branch(step["repo_id"], row=known.get(step["repo_id"])) for step in chain]
    for place, step in enumerate(steps[:-1]):
        # The relation of a step is stated in the following one.
        following = chain[place + 1]["relation"]
        step.relation = step.row.kind if following == "unknown" and step.row else following
    top = here
    for step in steps:
        step.branches.append(top)
        top = step
    others = [Branch(step["repo_id"], row=known.get(step["repo_id"])) for step in direct[1:]]
    return [*others, top]


def _below(here: Branch, derivatives: Sequence[Release]) -> None:
    branches = {one.repo_id: Branch(one.repo_id, one.kind, row=one) for one in derivatives}
    for one in derivatives:
        parent = branches.get(one.lineage[0]["repo_id"]) if one.lineage else None
        mine = branches[one.repo_id]
        (parent if parent is not None and parent is not mine and not _within(parent, mine) else here).branches.append(
            mine
        )


def _within(branch: Branch, other: Branch) -> bool:
    """Whether ``branch`` hangs below ``other``: strangers' cards can name each other in circles."""
    return branch is other or any(_within(branch, below) for below in other.branches)


def _known(session: Session, names: Sequence[str]) -> dict[str, Release]:
    rows = session.scalars(select(Release).where(col(Release.repo_id).in_(names)).order_by(col(Release.id)))
    return {one.repo_id: one for one in rows}


CHANGE_LABELS = {
    "license": "Licence", "license_class": "Licence class", "gated": "Gating", "repo_id": "Renamed", "kind": "Kind",
    "foundation_repo_id": "Foundation", "params_total": "Parameters", "params_active": "Active parameters",
    "openness": "Openness", "origin": "Origin", "lab": "Lab", "status": "Status", "weights": "Weights",
    "providers": "First inference provider",
}  # fmt: skip


def _timeline(session: Session, row: Release) -> list[TimelineEntry]:
    """What happened to a release, the oldest first."""
    entries = [TimelineEntry(row.created_at, "Repository created")] if row.created_at else []
    if row.released_at and row.released_precision != "created":
        sure = f"not before {when(row.released_after)}" if row.released_after else f"{row.released_precision}"
        entries.append(TimelineEntry(row.released_at, "Public", sure))
    entries.append(TimelineEntry(row.first_seen_at, "First observed", f"by {row.detected_via}"))
    seen = select(ReleaseObservation).where(
        col(ReleaseObservation.release_id) == row.id, col(ReleaseObservation.via) != row.detected_via
    )
    entries += [TimelineEntry(one.observed_at, "First observed", f"by {one.via}") for one in session.scalars(seen)]
    changes = select(Change).where(col(Change.release_id) == row.id).order_by(col(Change.id)).limit(200)
    for change in session.scalars(changes):
        event = CHANGE_LABELS.get(change.field, change.field)
        if change.event == Event.RUNNABLE:
            form = FORMAT_NAMES.get(change.field.removeprefix(FIELD), "another format")
            entries.append(TimelineEntry(change.at, f"First seen as {form}", format_value(change.after)))
            continue
        before, after = change.before, change.after
        if change.field == "kind":
            before, after = kind_name(str(before)), kind_name(str(after))
        detail = f"{format_value(before)} → {format_value(after)} ({change.reason})"
        entries.append(TimelineEntry(change.at, event, detail))
    return sorted(entries, key=lambda entry: entry.at)


EVIDENCE_LABELS = {
    "origin": "Origin", "lineage": "Lineage", "foundation": "Foundation", "kind": "Kind", "size": "Size",
    "training": "Training", "params": "Parameters", "license": "Licence", "openness": "Openness", "weights": "Weights",
    "suspected_foundation": "Suspected foundation",
}  # fmt: skip


def _evidence(row: Release) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(EVIDENCE_LABELS.get(about, about), items) for about, items in row.evidence.items() if items]
