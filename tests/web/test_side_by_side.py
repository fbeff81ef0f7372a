"""Releases side by side over HTTP and in a browser: chosen in lists, compared, exported."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from tests.web.browser import Browser
from tests.web.history import BASE, HOSTILE, LONG, SCRIPT, TURNED
from tests.web.test_pages import SCRIPTS, Links, read
from tests.web.test_reader import press

OTHER = "google/gemma-4-31B-it"
BOTH = f"id={BASE}&id={OTHER}"
TURNING = "[\u202a-\u202e\u2066-\u2069\u200f]"


def shown(text: str) -> str:
    """A page without the hidden fields of its forms, which hold what was asked for as it is."""
    return re.sub(r'<input type="hidden"[^>]*>', "", text)


def test_each_release_is_a_column_and_differences_are_marked_in_words(client: httpx.Client) -> None:
    text = client.get(f"/side-by-side?{BOTH}").text
    assert text.index(f'href="/releases/{BASE}"') < text.index(f'href="/releases/{OTHER}"')
    assert text.count("Country</th>") == 2  # of the facts, and of the evidence
    country = text[text.index("Country</th>") - 300 :][:700]
    assert 'class="differs"' in country
    assert 'aria-label="differs:"' in country
    assert "China" in country
    assert "United States" in country
    kind = re.search(r"<tr[^>]*><th[^>]*>Kind of lab</th>", text)
    assert kind
    assert "differs" not in kind[0]
    only = client.get(f"/side-by-side?{BOTH}&differences=only").text
    assert ">Kind of lab<" not in only
    assert "Country</th>" in only
    turned = client.get(f"/side-by-side?id={OTHER}&id={BASE}").text
    assert turned.count('class="differs"') == text.count('class="differs"')


def test_a_release_that_is_not_recorded_is_said_so_and_the_others_are_shown(client: httpx.Client) -> None:
    answer = client.get(f"/side-by-side?id={BASE}&id=no/body&id=")
    assert answer.status_code == 200
    assert "<bdi>no/body</bdi> is not recorded." in answer.text
    assert f'href="/releases/{BASE}"' in answer.text
    found = client.get(f"/api/v1/side-by-side?id={BASE}&id=no/body").json()
    assert ([one["repo_id"] for one in found["items"]], found["missing"]) == ([BASE], ["no/body"])


def test_of_more_than_five_the_page_shows_five_and_the_api_refuses(client: httpx.Client) -> None:
    names = [one["repo_id"] for one in client.get("/api/v1/releases?q=kind:base&limit=7").json()["items"]]
    many = "&".join(f"id={quote(name)}" for name in names)
    text = client.get(f"/side-by-side?{many}").text
    assert text.count('role="columnheader"') == 5
    assert "At most 5 releases fit on this page." in text
    assert names[6] in text
    refused = client.get(f"/api/v1/side-by-side?{many}")
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "id")
    assert client.get(f"/side-by-side.md?{many}").status_code == 422
    assert client.get("/side-by-side?" + "&".join(["id=a/b"] * 61)).status_code == 422
    assert client.get("/side-by-side?id=" + "x" * 501).status_code == 422
    assert client.get("/side-by-side?" + "&".join(["id=a/b"] * 60)).status_code == 200


def test_the_api_gives_the_objects_and_where_they_differ(client: httpx.Client) -> None:
    found = client.get(f"/api/v1/side-by-side?{BOTH}").json()
    assert found["items"] == [client.get(f"/api/v1/releases/{name}").json() for name in (BASE, OTHER)]
    assert {"origin", "lab", "params_total"} <= set(found["differing"])
    assert "lab_kind" not in found["differing"]
    assert set(found["differing"]).isdisjoint({"url", "name"})
    assert "params_active" in found["partly_unknown"]


def test_it_is_exported_as_markdown_and_as_csv(client: httpx.Client) -> None:
    lines = client.get(f"/side-by-side.md?{BOTH}").text.splitlines()
    assert lines[0].startswith(f"| | [{BASE}](<")
    assert "| **Country** | China | United States |" in lines
    assert {line.count(" |") for line in lines if "\\|" not in line} == {3}
    answer = client.get(f"/side-by-side.csv?{BOTH}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == ["group", "fact", "compared", BASE, OTHER]
    country = next(row for row in rows if (row["group"], row["fact"]) == ("Publisher", "Country"))
    assert (country["compared"], country[BASE], country[OTHER]) == ("differs", "China", "United States")
    context = next(row for row in rows if row["fact"] == "Context length, tokens")
    assert (context[BASE], context["compared"]) == ("", "same")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_inert(client: httpx.Client, name: str) -> None:
    ids = f"id={quote(name)}&id={BASE}"
    answer = client.get(f"/side-by-side?{ids}")
    page = Links(answer.text)
    assert answer.status_code == 200
    assert page.tags.count("script") == SCRIPTS
    assert not {"img", "b"} & set(page.tags[page.tags.index("main") :])
    assert not re.search(TURNING, shown(answer.text))
    text = client.get(f"/side-by-side.md?{ids}").text
    assert not re.search(r"(?<![\\(])<(?!https?://)", text), text
    assert not re.search(TURNING, text)
    for cell in csv.reader(io.StringIO(client.get(f"/side-by-side.csv?{ids}").text)):
        assert not [one for one in cell if one[:1] in {"=", "+", "@"}]


def test_hostile_ids_are_only_text(client: httpx.Client) -> None:
    for given in (SCRIPT + "x", TURNED + "x", LONG[:299], '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "' OR 1=1 --"):
        answer = client.get("/side-by-side", params={"id": [given, BASE]})
        assert answer.status_code == 200
        assert Links(answer.text).tags.count("script") == SCRIPTS
        assert "img" not in Links(answer.text).tags[3:][Links(answer.text).tags[3:].index("main") :]
        assert not re.search(TURNING, shown(answer.text))
    assert client.get("/side-by-side?id=a%00b").status_code == 422


def test_releases_are_suggested_and_taken_out(client: httpx.Client) -> None:
    page = read(client, f"/side-by-side?id={BASE}")
    more = [link for link in page.links if link.startswith("/side-by-side?") and "differences" not in link]
    assert more
    for link in more:
        assert parse_qs(urlsplit(link).query)["id"][0] == BASE
        assert client.get(link).status_code == 200
    links = read(client, f"/side-by-side?{BOTH}").links
    assert f"/side-by-side?id={quote(OTHER, safe='')}" in links


def test_releases_and_launches_lead_there(client: httpx.Client) -> None:
    assert f"/side-by-side?id={quote(BASE, safe='')}" in read(client, f"/releases/{BASE}").links
    launches = client.get("/api/v1/launches?q=lab:qwen").json()["items"]
    several = next(one for one in launches if len(one["members"]) > 1)
    links = read(client, f"/launches/{several['id']}").links
    chosen = next(link for link in links if link.startswith("/side-by-side"))
    assert 2 <= len(parse_qs(urlsplit(chosen).query)["id"]) <= 5


def test_it_is_cached_by_its_etag(client: httpx.Client) -> None:
    for path in (f"/side-by-side?{BOTH}", f"/side-by-side.csv?{BOTH}", f"/api/v1/side-by-side?{BOTH}"):
        etag = client.get(path).headers["etag"]
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


# --- in a browser -----------------------------------------------------------------------------------------


def test_releases_are_chosen_in_a_list_five_at_most(browser: Browser) -> None:
    browser.open("/releases?q=kind:base")
    boxes = browser.all('[form="pick"]')
    for box in boxes[:5]:
        box.click()
    assert browser.find("#pick [role=status]").text == "5 of at most 5 chosen."
    assert not boxes[5].is_enabled()
    boxes[0].click()
    assert boxes[5].is_enabled()
    assert browser.find("#pick button").is_displayed()
    assert browser.violations() == []
    names = [box.get_attribute("value") for box in boxes[1:5]]
    browser.follow("#pick button")
    assert "/side-by-side?" in browser.driver.current_url
    assert browser.texts(".side-by-side thead th > a") == names
    browser.leave(browser.driver.back)
    assert browser.driver.current_url.endswith("/releases?q=kind:base")
    browser.says("#pick [role=status]", "4 of at most 5 chosen.")
    assert browser.complaints() == []


def test_releases_are_chosen_and_compared_with_the_keyboard(browser: Browser) -> None:
    browser.open("/releases?q=kind:base")
    press(browser, "c")
    press(browser, "j", "x", "j", "j", "x", "j", "x", "x")
    chosen = [one.get_attribute("value") for one in browser.all('[form="pick"]:checked')]
    assert len(chosen) == 2
    browser.leave(lambda: press(browser, "c"))
    assert "/side-by-side?" in browser.driver.current_url
    assert browser.texts(".side-by-side thead th > a") == chosen
    browser.enter("#add", OTHER)
    browser.says(".side-by-side thead", OTHER)


def test_without_scripts_the_boxes_are_a_form(scriptless: Browser, address: str) -> None:
    scriptless.address = address
    scriptless.open("/releases?q=kind:base")
    for box in scriptless.all('[form="pick"]')[:2]:
        box.click()
    scriptless.follow("#pick button")
    assert "/side-by-side?" in scriptless.driver.current_url
    assert len(scriptless.all(".side-by-side thead th")) == 2


def test_on_a_phone_each_value_says_whose_it_is(browser: Browser) -> None:
    browser.size(360, 740)
    browser.open(f"/side-by-side?{BOTH}")
    before = "return getComputedStyle(document.querySelector('.side-by-side tbody td'), '::before').content"
    assert BASE in browser.driver.execute_script(before)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert browser.violations() == []


def test_a_comparison_is_printed_without_boxes(browser: Browser) -> None:
    browser.open(f"/side-by-side?{BOTH}")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        seen = "return [...document.querySelectorAll('form, input, button')].filter(e => e.checkVisibility()).length"
        assert browser.driver.execute_script(seen) == 0
        assert browser.find(".side-by-side .differs .mark").is_displayed()
        style = "return getComputedStyle(document.querySelector('.side-by-side .differs td')).backgroundColor"
        assert browser.driver.execute_script(style) == "rgb(255, 255, 255)"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
