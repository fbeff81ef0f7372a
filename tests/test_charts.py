"""Charts: what is drawn, for whom, and what strangers' names cannot do in it."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import charts
from monitor.charts import Chart
from monitor.releases.stats import add_shares

SVG = "{http://www.w3.org/2000/svg}"
MONTHS = [f"2026-{month:02}" for month in range(1, 10)]
ROWS = [
    {"month": month, "origin": origin, "count": count + place, "params_total": (count + place) * 10**9}
    for place, month in enumerate(MONTHS)
    for origin, count in (("CN", 40), ("US", 30), ("FR", 9), (None, 5))
]


def texts(chart: Chart) -> list[str]:
    """Every text that the drawing shows."""
    return [element.text or "" for element in Xml.fromstring(chart.svg()).iter(f"{SVG}text")]


def test_a_chart_over_time_names_its_groups_and_its_months() -> None:
    chart = charts.over_time(ROWS, "month", "origin", title="Releases by origin")
    shown = texts(chart)
    assert {"China", "United States", "France", "unknown", "Releases by origin", "releases"} <= set(shown)
    assert any("2026" in text for text in shown)


def test_a_chart_has_a_title_and_a_description_for_those_who_cannot_see_it() -> None:
    root = Xml.fromstring(charts.over_time(ROWS, "month", "origin", title="Releases by origin").svg())
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "Releases by origin"
    assert root[1].tag == f"{SVG}desc"
    assert "month 2026-01 to 2026-09: China 396, United States 306" in (root[1].text or "")


def test_every_colour_of_a_chart_has_one_for_dark_screens() -> None:
    root = Xml.fromstring(charts.over_time(ROWS, "month", "origin", title="T").svg())
    used = {element.get(key) for element in root.iter() for key in ("fill", "stroke")} - {None, "none"}
    assert used <= set(charts.DARK)
    style = root.find(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme:dark" in (style.text or "")


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 reckons it, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [charts.INK, charts.FAINT, *charts.PALETTE, charts.OTHER])
def test_what_is_drawn_stands_out_from_light_and_from_dark(colour: str) -> None:
    least = 4.5 if colour in {charts.INK, charts.FAINT} else 3
    assert _contrast(colour, "#fdfdfb") >= least
    assert _contrast(charts.DARK[colour], "#14171a") >= least


def test_the_same_rows_give_the_same_bytes_in_another_process() -> None:
    code = (
        "from tests.test_charts import ROWS\nfrom monitor import charts\n"
        "print(charts.over_time(ROWS, 'month', 'origin', title='T').svg() + charts.bars([('a', 3)], 'T').svg(), end='')"
    )
    charts.bars([("b", 4)], "another before it").svg()
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    here = charts.over_time(ROWS, "month", "origin", title="T").svg() + charts.bars([("a", 3)], "T").svg()
    assert other.stdout == here


def _root() -> str:
    from tests.conftest import ROOT

    return str(ROOT)


def test_a_png_is_a_picture() -> None:
    data = charts.by_day([("2026-11-16", 3), ("2026-11-17", 0), ("2026-11-18", 12)], "This week").png()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) > 2_000


def test_a_week_shows_each_day_with_its_number() -> None:
    shown = texts(charts.by_day([("2026-11-16", 3), ("2026-11-17", 0), ("2026-11-18", 12)], "This week"))
    assert {"Mon 16 Nov", "Tue 17 Nov", "Wed 18 Nov", "3", "0", "12"} <= set(shown)


def test_bars_stand_in_the_order_given() -> None:
    shown = texts(charts.bars([("Qwen", 30), ("google", 12_500), (None, 4)], "Labs"))
    assert [text for text in shown if text in {"Qwen", "google", "unknown"}] == ["Qwen", "google", "unknown"]
    assert "12.5K" in shown


def test_lines_take_dates_and_numbers() -> None:
    dated = [{"day": f"2026-11-{day:02}", "of": name, "n": day} for day in range(1, 20) for name in ("Qwen", "Llama")]
    assert {"Qwen", "Llama"} <= set(texts(charts.lines(dated, "day", "of", "n", "Downloads")))
    counted = [{"days": day, "n": day * 10**9} for day in range(8)]
    assert "days" in texts(charts.lines(counted, "days", None, "n", "Parameters"))
    assert any(text.endswith("B") for text in texts(charts.lines(counted, "days", None, "n", "Parameters")))


def test_more_groups_than_can_be_sent_apart_become_one() -> None:
    rows = [{"month": "2026-01", "lab": f"lab{number:02}", "count": 100 - number} for number in range(30)]
    shown = texts(charts.over_time(rows, "month", "lab", title="T"))
    assert [text for text in shown if text.startswith("lab")] == [f"lab{number:02}" for number in range(7)]
    assert "other" in shown


def test_groups_with_an_order_of_their_own_keep_it() -> None:
    rows = [
        {"month": "2026-01", "size": size, "count": count} for size, count in (("giant", 9), ("tiny", 1), (None, 3))
    ]
    shown = texts(charts.over_time(rows, "month", "size", title="T"))
    assert [text for text in shown if text in {"tiny", "giant", "unknown"}] == ["tiny", "giant", "unknown"]


def test_no_rows_say_so() -> None:
    for chart in (
        charts.over_time([], "month", "origin", title="T"),
        charts.bars([], "T"),
        charts.by_day([], "T"),
        charts.lines([{"day": None, "count": 1}], "day", title="T"),
    ):
        assert texts(chart)[-1] == "no data yet" or "no data yet" in texts(chart)
        assert chart.summary == "T: no data yet"


def test_stats_are_drawn_as_suits_their_dimensions() -> None:
    assert {"China", "France"} <= set(texts(charts.of_stats(ROWS, ["month", "origin"])))
    assert {"original · tiny"} <= set(
        texts(charts.of_stats([{"kind": "base", "size": "tiny", "count": 3}], ["kind", "size"]))
    )
    assert "parameters by month" in texts(charts.of_stats(ROWS, ["month"], "params_total"))


def test_what_has_several_values_is_not_stacked_and_its_shares_are_of_releases() -> None:
    found = [("2026-01", "gguf", 3), ("2026-01", "mlx", 2), ("2026-01", None, 1), ("2026-02", "gguf", 1)]
    rows = [{"month": month, "format": name, "count": number, "of": 4} for month, name, number in found]
    add_shares(rows, ["month", "format"])
    chart = charts.of_stats(rows, ["month", "format"])
    assert b'"line"' in chart.drawing(720) and b'"bar"' not in chart.drawing(720)
    assert {"GGUF", "MLX", "none known"} <= set(texts(chart))
    assert "2026-01 · GGUF: 75.0%" in charts.of_stats(rows, ["month", "format"], share=True).svg()
    alone = [row for row in rows if row["month"] == "2026-01"]
    assert charts.of_stats(alone, ["format"], share=True).summary.endswith(
        ": GGUF 75.0% (3), MLX 50.0% (2), none known 25.0% (1)"
    )


def test_formats_beyond_those_that_are_drawn_are_left_out_as_they_do_not_add_up() -> None:
    rows = [{"month": "2026-01", "provider": f"p{number}", "count": number, "of": 99} for number in range(1, 15)]
    drawn = set(texts(charts.of_stats(rows, ["month", "provider"])))
    assert {"p14", "p7"} <= drawn and not {"p6", "other"} & drawn


HOSTILE = (
    "</text><script>alert(1)</script>",
    "]]><x onload='alert(1)'>",
    "\u202egnp.exe",
    "a\x00b\x08",
    "&amp;\"'<!--",
    "n" * 300,
    "\ud800",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_ever_text(name: str) -> None:
    rows = [{"month": "2026-01", "lab": name, "count": 3}, {"month": "2026-02", "lab": "b", "count": 1}]
    for chart in (charts.over_time(rows, "month", "lab", title=name), charts.bars([(name, 3)], name)):
        root = Xml.fromstring(chart.svg())
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "style", "defs", "clipPath", "g", "path", "rect", "line", "text"}
        assert not any(key.startswith("on") or "href" in key for element in root.iter() for key in element.attrib)
        assert "\u202e" not in chart.svg()
        assert max(map(len, texts(chart))) <= 120


@settings(max_examples=25)
@given(st.text(max_size=60), st.integers(0, 2**63 - 1))
def test_any_label_and_number_make_sound_xml(label: str, number: int) -> None:
    chart = charts.bars([(label, number)], label)
    Xml.fromstring(chart.svg())


@pytest.mark.parametrize("before", ["", "W", "WW", "WWW"])
def test_a_label_of_wide_characters_is_drawn_wherever_it_is_cut(before: str) -> None:
    label = before + "\U0001f600" * 34
    rows = [{"month": "2026-01", "lab": label, "count": 3}, {"month": "2026-02", "lab": "b", "count": 1}]
    for chart in (charts.over_time(rows, "month", "lab"), charts.bars([(label, 3)], "title")):
        Xml.fromstring(chart.svg())


def test_importing_charts_imports_none_of_the_libraries_that_draw() -> None:
    code = "import sys, monitor.charts; print({'altair', 'vl_convert', 'narwhals'} & set(sys.modules))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    assert other.stdout.strip() == "set()"


def test_shares_of_three_periods_are_bars_with_their_numbers() -> None:
    rows = [("China", (2, 0, 0), (0.5, 0.0, None)), ("<b>", (2, 3, 0), (0.5, 1.0, None))]
    chart = charts.compared(("2026-W40", "2026-W39", "2025-W40"), rows, "Originals by country")
    shown = texts(chart)
    assert {"China", "<b>", "2026-W39", "50.0% (2)", "0.0% (0)", "100.0% (3)", "no releases"} <= set(shown)
    assert "China · 2026-W40: 50.0% (2)" in chart.summary
    assert chart.svg(charts.NARROW_WIDTH) != chart.svg()
    assert set(texts(charts.compared(("a", "b", "c"), (), "Nothing"))) == {"Nothing", "no data yet"}
