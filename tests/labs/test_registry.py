import json
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from monitor.enums import OriginBasis
from monitor.labs import LabsError, load
from monitor.labs.countries import CONSORTIA
from tests.environment import labs_file

GOOD = '[[lab]]\nid = "mine"\nname = "Mine"\nkind = "company"\nnamespaces = ["mine"]\n'


def test_it_knows_at_least_300_namespaces_of_labs_from_many_countries() -> None:
    registry = load()
    assert len(registry.watched) >= 300
    assert len({lab.origin for lab in registry.labs}) >= 40
    assert registry.feeds


def test_namespaces_are_found_in_any_case_and_by_their_former_names() -> None:
    registry = load()
    qwen = registry.of("Qwen")
    assert qwen is not None
    assert (qwen.id, qwen.origin, qwen.parent) == ("qwen", "CN", "alibaba")
    assert registry.of("qwen") is qwen
    assert registry.spelled("qwen") == "Qwen"
    assert registry.spelled("nobody-Known") == "nobody-Known"
    assert registry.of("CohereForAI") is registry.of("CohereLabs")
    assert registry.of("THUDM") is registry.of("zai-org")


def test_repackagers_are_known_and_not_watched() -> None:
    registry = load()
    unsloth = registry.of("unsloth")
    assert unsloth is not None
    assert unsloth.repackager
    assert "unsloth" not in registry.watched


@pytest.mark.parametrize(
    ("namespace", "origin"),
    [
        ("thinkingmachines", "US"), ("meta-models", "US"), ("FacebookAI", "US"), ("IFM", "AE"), ("inception42", "AE"),
        ("dots-studio", "CN"), ("IQuestLab", "CN"), ("XHToken", "CN"), ("ATH-MaaS", "CN"), ("TaichuAI", "CN"),
        ("k2-fsa", "CN"), ("KORMo-Team", "KR"), ("Infomaniak-AI", "CH"), ("tngtech", "DE"), ("Photoroom", "FR"),
        ("HuggingFaceFW", "US"), ("AI-MO", "FR"), ("krea", "US"), ("Tesslate", "US"), ("ISTA-DASLab", "AT"),
        ("jhu-clsp", "US"), ("ornith-ai", None), ("deepreinforce-ai", None), ("gerulata", "SK"), ("MLRS", "MT"),
        ("Sunbird", "UG"), ("pysentimiento", "AR"), ("SinaLab", "PS"),
    ],
)  # fmt: skip
def test_labs_of_the_last_years_are_watched_with_their_country(namespace: str, origin: str | None) -> None:
    registry = load()
    lab = registry.of(namespace)
    assert lab is not None
    assert lab.origin == origin
    assert namespace in registry.watched


def test_a_reason_stands_wherever_the_country_can_be_argued_about() -> None:
    registry = load()
    for lab in registry.labs:
        above = [one.origin for one in registry.ancestors(lab)]
        if lab.origin is not None and (lab.arguable or {*above} - {lab.origin}):
            assert lab.reason, lab.id
        if lab.basis is OriginBasis.PARENT:
            assert above[0] == lab.origin, lab.id
        assert (lab.basis is OriginBasis.MEMBERS) == (lab.origin in CONSORTIA), lab.id
        if lab.reason is not None:
            assert lab.reason.endswith("."), lab.id
            assert ". " not in lab.reason.replace("N.V. ", ""), f"{lab.id}: more than one sentence"
    companies = [lab for lab in registry.labs if lab.reason and lab.basis is not OriginBasis.PEOPLE]
    assert len(companies) >= 60


def test_every_author_of_several_trending_models_is_in_it_or_knowingly_left_out(shared: Path) -> None:
    registry = load()
    left_out = tomllib.loads(files("monitor.labs").joinpath("left_out.toml").read_text())
    names = [name for group in left_out["author"] for name in group["namespaces"]]
    assert not [name for name in names if registry.of(name)], "both in the registry and left out"
    authors = Counter(json.loads(line)["author"] for line in (shared / "hub" / "models.jsonl").open())
    several = {author for author, models in authors.items() if models >= 3}
    assert not {author for author in several if registry.of(author) is None} - set(names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[lab]]\nid = \n", ["no TOML", "line 2"]),
        ("[labs]\n", ["[[lab]]"]),
        (GOOD.replace('id = "mine"', 'id = "Not A Slug"'), ["number 1", "id", "slug"]),
        (GOOD + 'country = "US"\n', ["line 6", "'mine'", "unknown key 'country'"]),
        (GOOD.replace('"company"', '"firm"'), ["'mine'", "kind", "company"]),
        (GOOD + 'origin = "USA"\n', ["line 6", "'mine'", "origin", "ISO 3166-1"]),
        (GOOD + 'incorporated = "EU"\n', ["line 6", "'mine'", "incorporated", "ISO 3166-1"]),
        (GOOD + 'basis = "people"\n', ["line 6", "basis", "origin expected"]),
        (GOOD + 'origin = "US"\nbasis = "friends"\n', ["line 7", "basis", "'headquarters'", "'friends'"]),
        (GOOD + 'origin = "US"\nbasis = "parent"\n', ["line 7", "basis", "a parent expected"]),
        (GOOD + 'origin = "US"\nbasis = "incorporated"\n', ["line 7", "basis", "incorporated = 'US' expected"]),
        (GOOD + 'origin = "US"\ncountries = ["US"]\n', ["line 7", "countries", "two or more"]),
        (GOOD + 'origin = "US"\ncountries = ["FR", "FR"]\n', ["line 7", "countries", "each once"]),
        (GOOD + 'origin = "US"\ncountries = ["FR", "DE"]\n', ["line 7", "countries", "the origin US"]),
        (GOOD + "# second\n" + GOOD.replace("mine", "other") + 'reason = " "\n', ["line 12", "'other'", "reason"]),
        (GOOD.replace('["mine"]', '"mine"'), ["namespaces", "list"]),
        (GOOD.replace('["mine"]', '["a b"]'), ["namespaces", "'a b'"]),
        (GOOD.replace('name = "Mine"\n', ""), ["name", "missing"]),
        (GOOD + GOOD, ["line 6", "'mine'", "twice"]),
        (GOOD + GOOD.replace('"mine"\nname', '"other"\nname'), ["'mine'", "claimed"]),
        (GOOD + 'parent = "nobody"\n', ["parent", "no lab 'nobody'"]),
        (GOOD + 'parent = "mine"\n', ["parent", "circle"]),
        (GOOD + 'feeds = ["ftp://x"]\n', ["feeds", "ftp://x"]),
        (GOOD + "repackager = 1\n", ["repackager", "true or false"]),
    ],
)
def test_a_broken_file_is_one_line_that_names_the_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(LabsError) as caught:
        load(labs_file(tmp_path, text))
    assert "\n" not in str(caught.value)
    for word in ["labs.toml", *words]:
        assert word in str(caught.value)


def test_a_users_file_adds_replaces_and_takes_over(tmp_path: Path) -> None:
    text = GOOD.replace('["mine"]', '["mine", "Qwen"]') + '[[lab]]\nid = "google"\nname = "Alphabet"\n'
    registry = load(labs_file(tmp_path, text))
    assert registry.of("Qwen") is registry.get("mine")
    google = registry.get("google")
    assert google is not None
    assert (google.name, google.origin) == ("Alphabet", "US")
    assert "google" in google.namespaces


def test_a_file_from_before_the_reason_had_this_name_is_still_valid(tmp_path: Path) -> None:
    lab = load(labs_file(tmp_path, GOOD + 'origin = "FR"\nbecause = "Its office is in Paris"\n')).get("mine")
    assert lab is not None
    assert (lab.origin, lab.basis, lab.reason) == ("FR", "headquarters", "Its office is in Paris")


def test_another_origin_leaves_behind_what_spoke_for_the_first(tmp_path: Path) -> None:
    shipped = load().get("huggingface")
    assert shipped is not None
    assert (shipped.origin, shipped.countries, bool(shipped.reason)) == ("US", ("US", "FR"), True)
    changed = load(labs_file(tmp_path, '[[lab]]\nid = "huggingface"\norigin = "GB"\n')).get("huggingface")
    assert changed is not None
    assert (changed.origin, changed.countries, changed.reason) == ("GB", (), None)
    assert changed.namespaces == shipped.namespaces


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabsError, match=r"nowhere.toml.*MONITOR_LABS_FILE"):
        load(tmp_path / "nowhere.toml")
