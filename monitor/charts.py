"""Charts as SVG and PNG, the same for pages, emails, Slack and the command line.

Each function takes plain rows and returns a :class:`Chart`, which is drawn on demand; Altair is imported by the first
drawing. The same rows give the same bytes. Labels are untrusted: they are cleaned, shortened, and only drawn as text.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from monitor.enums import FORMAT_NAMES, MEASURE_NAMES, Kind, LicenseClass, Openness, Size, kind_name
from monitor.labs.countries import name as country
from monitor.releases.listed import LISTED
from monitor.text import plain, short

Row = Mapping[str, Any]

INK, FAINT, LINE = "#1b1f23", "#57606a", "#dfe2e5"
OTHER, UNKNOWN = "#7b858f", "#b4bbc2"
PALETTE = ("#2f6fb4", "#c8601b", "#2e8555", "#7d54a8", "#b5373c", "#15828a", "#94750d", "#a8487f")
DARK = {
    INK: "#e4e6e8", FAINT: "#9aa3ab", LINE: "#30373e", OTHER: "#87919b", UNKNOWN: "#565f68",
    "#2f6fb4": "#6aaef0", "#c8601b": "#f0935a", "#2e8555": "#5fc48d", "#7d54a8": "#b99be4",
    "#b5373c": "#f2797c", "#15828a": "#4fc0c8", "#94750d": "#d6b650", "#a8487f": "#e38dbd",
}  # fmt: skip
"""Each colour of a chart, and its counterpart on dark screens."""

COLOURS = {
    "CN": "#b5373c", "US": "#2f6fb4", "FR": "#7d54a8", "KR": "#15828a", "JP": "#94750d", "DE": "#2e8555",
    "GB": "#a8487f", "IN": "#c8601b",
    Openness.OPEN_SCIENCE: "#2e8555", Openness.OPEN_WEIGHTS: "#2f6fb4", Openness.RESTRICTED_WEIGHTS: "#c8601b",
    LicenseClass.PERMISSIVE: "#2f6fb4", LicenseClass.COPYLEFT: "#2e8555", LicenseClass.COMMUNITY: "#c8601b",
    LicenseClass.NON_COMMERCIAL: "#b5373c",
    "open": "#2e8555", "announced only": "#7b858f",
    Kind.BASE: "#2f6fb4", Kind.FINETUNE: "#c8601b", Kind.QUANTIZED: "#2e8555",
}  # fmt: skip
"""Values with the same colour on every chart; others take the remaining colours in order."""

ORDERS: dict[str, tuple[str, ...]] = {"size": tuple(Size), "openness": tuple(Openness), "kind": tuple(Kind)}
"""Groups with a fixed order; others are sorted from the largest to the smallest."""

UNITS = {
    "count": "releases",
    "models": "launches or announced models",
    "launches": "launches",
    "params_total": "parameters",
    "params_median": "median parameters",
    "share": "share of releases",
    **MEASURE_NAMES,
}
WIDTH, HEIGHT = 720, 260
NARROW_WIDTH = 350
"""Width of a chart for a phone, where it is shown at its own size, so that its labels can be read."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
MAX_GROUPS = 8
"""Maximum groups in a chart; the smallest ones are combined."""
MAX_BARS = 20
MAX_SHOWN_POINTS, MAX_POINTS = 40, 400
"""Values of lines up to which each has a point that is seen, and up to which it has one at all."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, drawn on demand from its rows (``values``) by ``plan``, which takes the width in pixels.

    ``summary``: its text alternative.
    """

    title: str
    summary: str
    values: Sequence[Row]
    plan: Callable[[int], Any]
    height: int = HEIGHT

    def drawing(self, width: int = WIDTH) -> bytes:
        """The chart as Vega-Lite JSON. Its rows are added last, because Altair validates all that it is given."""
        drawn = self.plan(width) if self.values else _no_data()
        spec = drawn.properties(width=width, height=self.height, title=self.title).to_dict()
        spec |= {"config": _config(width), "datasets": {_ROWS: self.values or [{}]}}
        return orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)

    def svg(self, width: int = WIDTH) -> str:
        """The chart as SVG with a title, a description, a title for each value, and colours for light and dark."""
        head, tag, body = _drawn(self.drawing(width)).partition(">")
        about = f"<title>{html.escape(self.title)}</title><desc>{html.escape(self.summary)}</desc>"
        dark = "".join(f'[fill="{a}"]{{fill:{b}}}[stroke="{a}"]{{stroke:{b}}}' for a, b in DARK.items())
        style = f"<style>@media (prefers-color-scheme:dark){{{dark}}}</style>"
        return f'{head} role="img"{tag}{about}{style}{body}'

    def png(self, width: int = WIDTH) -> bytes:
        """The chart as PNG on white, at twice its size for dense screens."""
        import vl_convert  # only who draws needs its megabytes

        spec = orjson.loads(self.drawing(width)) | {"background": "white"}
        return bytes(vl_convert.vegalite_to_png(spec, vl_version=_VERSION, scale=2))


_VERSION = "6.4"
_ROWS = "rows"
_MARK = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="(bar|point)"([^>]*)/>')
"""A bar or a point with its description, which a browser shows only as a title."""
_CLIP = re.compile(r"(?<=[\"#])clip(\d+)(?=[\")])")


@lru_cache(maxsize=64)
def _drawn(drawing: bytes) -> str:
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(orjson.loads(drawing), vl_version=_VERSION))
    drawn = _MARK.sub(r"<path\3><title>\1</title></path>", drawn)
    # Its ids are numbered across drawings: they are named after the drawing, so that a page can have two charts.
    name = hashlib.blake2b(drawing, digest_size=6).hexdigest()
    numbers = {number: str(place) for place, number in enumerate(dict.fromkeys(_CLIP.findall(drawn)))}
    return _CLIP.sub(lambda found: f"clip-{name}-{numbers[found[1]]}", drawn)


def by_day(rows: Sequence[tuple[str, int]], title: str) -> Chart:
    """A column chart of (day in ISO 8601, count), in the given order, each column with its count."""

    def plan(_width: int) -> Any:
        alt = _altair()
        days = alt.X("x:O", sort=None, title=None, axis=alt.Axis(labelExpr=_when("day"), labelAngle=0))
        base = _of_rows().encode(x=days, y=alt.Y("y:Q", title=None, axis=None))
        numbers = base.mark_text(dy=-7, color=FAINT, fontSize=12).encode(text="y:Q")
        return base.mark_bar(color=PALETTE[0], cornerRadiusEnd=2) + numbers

    summary = f"{title}: " + ", ".join(f"{day} {count}" for day, count in rows)
    return _chart(plan, [{"x": day, "y": count} for day, count in rows], title, summary, height=140)


def bars(
    rows: Sequence[tuple[str | None, float]], title: str, unit: str = "releases", totals: Sequence[float] | None = None
) -> Chart:
    """Horizontal bars of (label, number), in the given order; with percentages of ``totals`` if these are given."""
    values: list[dict[str, Any]] = [{"x": _label(name), "y": number, "n": _number(number)} for name, number in rows]
    for item, total in zip(values, totals or [0] * len(values), strict=True):
        if total:
            item["n"] = f"{item['y'] / total:.1%} ({item['n']})"
        item["d"] = f"{item['x']}: {item['n']}"

    def plan(width: int) -> Any:
        alt = _altair()
        limit = min(260, width * 2 // 5)
        labels = alt.Y("x:N", sort=None, title=None, axis=alt.Axis(labelLimit=limit, ticks=False, domain=False))
        base = _of_rows().encode(y=labels, x=alt.X("y:Q", title=unit, axis=None))
        numbers = base.mark_text(align="left", dx=5, color=FAINT).encode(text="n:N")
        return base.mark_bar(color=PALETTE[0], cornerRadiusEnd=2).encode(description="d:N") + numbers

    summary = f"{title}: " + ", ".join(f"{item['x']} {item['n']}" for item in values)
    return _chart(plan, values, title, summary, height=max(60, 24 * len(values)))


def of_shares(rows: Sequence[tuple[str, float | None]], title: str) -> Chart:
    """Horizontal bars of (label, share from 0 to 1) in the given order, in percent of the whole width."""
    values: list[dict[str, Any]] = [
        {"x": _label(name), "y": share, "n": "nothing counted" if share is None else f"{share:.1%}"}
        for name, share in rows
    ]
    for item in values:
        item["d"] = f"{item['x']}: {item['n']}"

    def plan(width: int) -> Any:
        alt = _altair()
        limit = min(260, width * 2 // 5)
        labels = alt.Y("x:N", sort=None, title=None, axis=alt.Axis(labelLimit=limit, ticks=False, domain=False))
        across = alt.X("y:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1]))
        base = _of_rows().encode(y=labels, x=across)
        numbers = base.mark_text(align="left", dx=5, color=FAINT).encode(text="n:N")
        return base.mark_bar(color=PALETTE[0], cornerRadiusEnd=2).encode(description="d:N") + numbers

    summary = f"{title}: " + ", ".join(item["d"] for item in values)
    return _chart(plan, values, title, summary, height=max(60, 24 * len(values)))


def compared(
    periods: Sequence[str], rows: Sequence[tuple[str, Sequence[int], Sequence[float | None]]], title: str
) -> Chart:
    """Horizontal bars of shares: (label, numbers, shares), a bar for each period, the first of them in colour."""
    groups = list(zip(periods, (PALETTE[0], OTHER, UNKNOWN), strict=False))
    values: list[dict[str, Any]] = []
    for name, numbers, shares in rows:
        for place, period in enumerate(periods):
            share, label = shares[place], _label(name)
            text = "no releases" if share is None else f"{share:.1%} ({_exact(numbers[place])})"
            values.append({"x": label, "g": period, "y": share or 0, "n": text, "d": f"{label} · {period}: {text}"})

    def plan(width: int) -> Any:
        alt = _altair()
        limit = min(200, width * 2 // 5)
        labels = alt.Y("x:N", sort=None, title=None, axis=alt.Axis(labelLimit=limit, ticks=False, domain=False))
        apart = alt.YOffset("g:N", sort=list(periods))
        base = _of_rows().encode(y=labels, yOffset=apart, x=alt.X("y:Q", title=None, axis=None))
        drawn = base.mark_bar(cornerRadiusEnd=2).encode(color=_colours(groups), description="d:N")
        return drawn + base.mark_text(align="left", dx=5, color=FAINT, fontSize=11).encode(text="n:N")

    return _chart(plan, values, title, f"{title}: " + ", ".join(item["d"] for item in values), height=19 * len(values))


def over_time(
    rows: Sequence[Row], x: str, color: str | None = None, value: str = "count", title: str = "", *, share: bool = False
) -> Chart:
    """Stacked columns of the rows of ``stats``: ``x`` is month, week or day, ``color`` the other dimension.

    ``share``: in percent, of each column where there is a ``color``, else of all columns together.
    """
    known = [row for row in rows if row[x] is not None]
    values, groups = _grouped(known, x, color, value)
    summary = _summary(title, values, x, share=share)
    _describe(values, x, share=share)

    def plan(width: int) -> Any:
        alt = _altair()
        axis = alt.Axis(tickCount=5, format=".0%") if share else _numbers_axis()
        whole = alt.Scale(domainMax=1) if share and color else alt.Undefined
        return (
            _of_rows()
            .mark_bar()
            .encode(
                x=alt.X("x:O", title=None, axis=_periods([str(row[x]) for row in known], x, width)),
                y=alt.Y("y:Q", title=None if share else UNITS.get(value, value), axis=axis, scale=whole),
                order=alt.Order("o:Q", sort="ascending"),
                color=_colours(groups) if color else alt.value(PALETTE[0]),
                description="d:N",
            )
        )

    return _chart(plan, values, title, summary)


def lines(rows: Sequence[Row], x: str, color: str | None = None, value: str = "count", title: str = "") -> Chart:
    """A line for each value of ``color``. ``x`` holds dates (ISO 8601) or numbers; unknown values have no point."""
    known = [row for row in rows if row[x] is not None and row[value] is not None]
    values, groups = _grouped(known, x, color, value)
    is_share = value == "share"
    summary = _summary(title, [] if is_share else values, x)
    for item in values:
        number = f"{item['y']:.1%}" if is_share else _exact(item["y"])
        item["d"] = f"{item['x']}{' · ' + item['g'] if color else ''}: {number}"

    def plan(_width: int) -> Any:
        alt = _altair()
        if any(isinstance(row[x], str) for row in known):
            across = alt.X("x:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(tickCount=6, grid=False))
        else:
            across = alt.X("x:Q", title=x, axis=alt.Axis(tickCount=6, grid=False))
        # Points that are not seen still say their value where a pointer is on them.
        scale = alt.Axis(tickCount=5, format=".0%") if is_share else _numbers_axis(row[value] for row in known)
        points = alt.OverlayMarkDef(size=22, opacity=1 if len(values) <= MAX_SHOWN_POINTS else 0)
        return (
            _of_rows()
            .mark_line(strokeWidth=2, point=points if len(values) <= MAX_POINTS else False)
            .encode(
                x=across,
                y=alt.Y("y:Q", title=UNITS.get(value, value), axis=scale),
                color=_colours(groups, symbolType="stroke", symbolStrokeWidth=3) if color else alt.value(PALETTE[0]),
                description="d:N",
            )
        )

    return _chart(plan, values, title, summary)


def of_stats(
    rows: Sequence[Row], by: Sequence[str], value: str = "count", title: str = "", *, share: bool = False
) -> Chart:
    """The chart that suits these dimensions of ``stats``: columns over time, or bars. ``share``: in percent."""
    unit = UNITS.get(value, value)
    title = title or f"{unit} by {' and '.join(by)}{', in percent' if share else ''}".replace("_", " ")
    time = next((name for name in by if name in _FORMATS), None)
    other = next((name for name in by if name != time), None)
    if time is not None and other in LISTED:  # columns would be as high as all values, not as all releases
        return lines(_most(rows, other, value), time, other, "share" if share else value, title)
    if time is not None:
        return over_time(rows, time, other, value, title, share=share)
    whole = sum(row[value] or 0 for row in rows)
    found = [
        (" · ".join(_named(name, row[name]) for name in by), row[value] or 0, row.get("of", whole)) for row in rows
    ]
    ranked = sorted(found, key=lambda item: (-item[1], item[0]))
    if len(ranked) > MAX_BARS:
        title = f"{title} (the {MAX_BARS} largest of {len(ranked):,})"
    shown = ranked[:MAX_BARS]
    return bars([item[:2] for item in shown], title, unit, [item[2] for item in shown] if share else None)


def _most(rows: Sequence[Row], name: str, value: str) -> list[Row]:
    """The rows of the most frequent values of a dimension, and of none; the others cannot be added up."""
    totals: dict[Any, float] = {}
    for row in rows:
        totals[row[name]] = totals.get(row[name], 0) + (row[value] or 0)
    kept = sorted((key for key in totals if key is not None), key=lambda key: (-totals[key], key))[:MAX_GROUPS]
    return [row for row in rows if row[name] is None or row[name] in kept]


def over_time_title(value: str, by: Sequence[str], meaning: str) -> str:
    """The title of sums over time: ``Likes at the end of each month by origin``; empty if periods are of releases."""
    if meaning == "released":
        return ""
    time = next((name for name in by if name in _FORMATS), "period")
    other = "".join(f" by {name.replace('_', ' ')}" for name in by if name != time)
    if meaning == "growth":
        return f"{UNITS.get(f'{value}_growth', value)} in each {time}{other}"
    return f"{UNITS.get(value, value)} at the end of each {time}{other}"


def of_uptake(rows: Sequence[Row], by: str, relation: str = "") -> Chart:
    """The chart of how fast derivatives come, a line for each value of the dimension ``by``."""
    across, mean = "days since release", "derivatives per release"
    title = f"Derivatives{f' ({relation})' if relation else ''} per release{f' by {by}' if by else ''}".replace(
        "_", " "
    )
    drawn = [{across: row["day"], mean: row["derivatives"], **row} for row in rows]
    return lines(drawn, across, by or None, mean, title)


# --- the parts --------------------------------------------------------------------------------------------

_SHORT = "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"
_FORMATS = {"month": "%b %Y", "week": "%-d %b %Y", "day": "%a %-d %b"}


def _altair() -> Any:
    # Imported on first use: it takes 0.2 s and 30 MB. Any: its classes are generated from a schema.
    import altair

    return altair


def _of_rows() -> Any:
    alt = _altair()
    return alt.Chart(alt.NamedData(name=_ROWS))


def _numbers_axis(values: Iterable[float] = ()) -> Any:
    """An axis of counts, which are integers; with fractions among ``values``, of numbers as they are."""
    if any(not float(value).is_integer() for value in values):
        return _altair().Axis(tickCount=5, format="~g")
    return _altair().Axis(tickCount=5, tickMinStep=1, labelExpr=_SHORT)


def _no_data() -> Any:
    return _of_rows().mark_text(fontSize=14, color=FAINT).encode(text=_altair().value("no data yet"))


def _chart(
    plan: Callable[[int], Any], values: Sequence[Row], title: str, summary: str, *, height: int = HEIGHT
) -> Chart:
    title = short(title, 120)
    return Chart(title, short(summary if values else f"{title}: no data yet", 1_500), values, plan, height)


def _config(width: int) -> dict[str, Any]:
    """The style of a chart: as many columns in its legend as fit, and a title that is cut at its width."""
    narrow = {"legend": _CONFIG["legend"] | {"columns": max(1, width // 144)}}
    return _CONFIG | narrow | {"title": _CONFIG["title"] | {"limit": width * 4 // 5}}


_CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "padding": {"left": 14, "right": 10, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "title": {"color": INK, "fontSize": 15, "fontWeight": 600, "anchor": "start", "offset": 10, "frame": "bounds"},
    "axis": {
        "labelColor": FAINT, "titleColor": FAINT, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "domain": False, "ticks": False,
        "labelPadding": 6,
    },
    "axisBand": {"grid": False},
    "legend": {
        "orient": "top", "title": None, "labelColor": INK, "labelFontSize": 12, "labelLimit": 150,
        "symbolType": "square", "symbolSize": 110, "symbolStrokeWidth": 0, "columnPadding": 14, "offset": 10,
    },
}  # fmt: skip


def _grouped(
    rows: Sequence[Row], x: str, color: str | None, value: str
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Returns the values to draw, and (label, colour) of each group in order; the smallest groups are combined."""
    if color is None:
        whole: dict[Any, float] = {}
        for row in rows:
            whole[row[x]] = whole.get(row[x], 0) + (row[value] or 0)
        return [{"x": when, "y": number, "o": 0} for when, number in whole.items()], []
    totals: dict[Any, float] = {}
    for row in rows:
        totals[row[color]] = totals.get(row[color], 0) + (row[value] or 0)
    order = ORDERS.get(color, ())
    named = sorted((key for key in totals if key not in {None, "unknown"}), key=lambda key: (-totals[key], str(key)))
    kept = named if len(named) <= MAX_GROUPS else named[: MAX_GROUPS - 1]
    kept.sort(key=lambda key: order.index(key) if key in order else len(order))
    labels = {key: _named(color, key) for key in kept}
    unknown = _named(color, None) if color in LISTED else "unknown"
    labels |= dict.fromkeys(named[len(kept) :], "other") | {key: unknown for key in totals if key in {None, "unknown"}}
    groups = [*_coloured(kept, labels)]
    groups += [(name, shade) for name, shade in (("other", OTHER), (unknown, UNKNOWN)) if name in labels.values()]
    ranks = {name: rank for rank, (name, _) in enumerate(groups)}
    sums: dict[tuple[Any, str], float] = {}
    for row in rows:
        key = (row[x], labels[row[color]])
        sums[key] = sums.get(key, 0) + (row[value] or 0)
    return [{"x": when, "g": name, "y": number, "o": ranks[name]} for (when, name), number in sums.items()], groups


def _coloured(keys: Sequence[Any], labels: Mapping[Any, str]) -> list[tuple[str, str]]:
    fixed = {key: COLOURS[key] for key in keys if key in COLOURS}
    left = [shade for shade in PALETTE if shade not in fixed.values()]
    return [(labels[key], fixed.get(key) or (left.pop(0) if left else OTHER)) for key in keys]


def _colours(groups: Sequence[tuple[str, str]], **legend: Any) -> Any:
    alt = _altair()
    scale = alt.Scale(domain=[name for name, _ in groups], range=[shade for _, shade in groups])
    return alt.Color("g:N", scale=scale, legend=alt.Legend(**legend))


def _periods(periods: Sequence[str], unit: str, width: int) -> Any:
    """An axis of months, weeks or days with no more labels than fit."""
    alt = _altair()
    distinct = sorted(set(periods))
    step = max(1, -(-len(distinct) * 100 // width))
    return alt.Axis(values=distinct[::step], labelExpr=_when(unit), labelAngle=0, labelFlush=True)


def _when(unit: str) -> str:
    day = "1" if unit == "month" else "+slice(datum.value, 8, 10)"
    date = f"utc(+slice(datum.value, 0, 4), +slice(datum.value, 5, 7) - 1, {day})"
    return f"utcFormat({date}, '{_FORMATS.get(unit, _FORMATS['day'])}')"


def _named(dimension: str, value: Any) -> str:
    if dimension == "kind" and value is not None:
        return kind_name(value)
    if dimension in LISTED:
        return _label(FORMAT_NAMES.get(value, value)) if value is not None else "none known"
    return country(value) if dimension in {"origin", "foundation"} else _label(value)


def _label(value: Any) -> str:
    # Vega shortens by UTF-16 units: it could leave half of a character of two units, which cannot be drawn.
    return "unknown" if value is None else _WIDE.sub("\ufffd", short(value, 34)) or "unnamed"


_WIDE = re.compile("[\U00010000-\U0010ffff]")


def _number(value: float) -> str:
    for edge, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= edge:
            return f"{value / (1e3 if unit == 'K' else edge):.3g}{unit}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def _exact(value: float) -> str:
    """``12,345``; from a billion on, as short as on an axis."""
    return _number(value) if abs(value) >= 1e9 else f"{value:,}"


def _describe(values: Sequence[dict[str, Any]], x: str, *, share: bool) -> None:
    """Adds what a pointer on a value shows (``2026-11 · China: 40 (47.1%)``); with ``share``, makes ``y`` a fraction.

    The fraction is of the values with the same ``x`` where there are groups, else of all.
    """
    totals: dict[Any, float] = {}
    for item in values:
        whole = item["x"] if "g" in item else None
        totals[whole] = totals.get(whole, 0) + item["y"]
    for item in values:
        total = totals[item["x"] if "g" in item else None]
        part = round(item["y"] / total, 6) if total else 0
        period = f"week of {item['x']}" if x == "week" else item["x"]
        item["d"] = f"{period}{' · ' + item['g'] if 'g' in item else ''}: {_exact(item['y'])}"
        item["d"] += f" ({part:.1%})" if total else ""
        item["y"] = part if share else item["y"]


def _summary(title: str, values: Sequence[dict[str, Any]], x: str, *, share: bool = False) -> str:
    """``Releases by origin, month 2026-01 to 2026-09: China 12, United States 9``; with percentages if ``share``."""
    if not values:
        return title
    times = sorted({str(item["x"]) for item in values})
    sums: dict[str, float] = {}
    for item in sorted(values, key=lambda item: item["o"]):
        sums[item.get("g", "total")] = sums.get(item.get("g", "total"), 0) + item["y"]
    whole = sum(sums.values())
    percent = {name: f" ({number / whole:.1%})" if share and whole else "" for name, number in sums.items()}
    parts = ", ".join(f"{name} {_number(number)}{percent[name]}" for name, number in sums.items())
    return f"{plain(title)}, {x} {times[0]} to {times[-1]}: {parts}"
