"""Some hours of the Hub, lived through by the real detection: nothing missed, nothing false, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks._simulation import Outcome, Plan, simulate

pytestmark = pytest.mark.slow

HOURS = Plan(
    days=0.15, namespaces=12, repositories=1_400, uploads=1_000, pace=600, bursts=1, burst=400, outage_hours=0.3, seed=3
)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return simulate(HOURS, f"sqlite:///{tmp_path_factory.mktemp('hours')}/hub.db")


def test_every_release_of_a_watched_namespace_is_seen_and_sent_once(hours: Outcome) -> None:
    assert hours.releases > 40
    assert (hours.missed, hours.false, hours.double) == ([], [], [])


def test_the_naive_poller_of_creation_dates_misses_some_of_them(hours: Outcome) -> None:
    assert hours.naive_seen < hours.releases


def test_the_hub_never_has_to_refuse(hours: Outcome) -> None:
    assert hours.refused == 0
    assert hours.busiest <= 400


def test_files_are_read_and_take_no_more_than_a_quarter_of_their_bucket(hours: Outcome) -> None:
    assert hours.files > hours.releases
    assert hours.busiest_files <= 3_000 / 4


def test_passing_over_what_can_find_nothing_changes_nothing(tmp_path: Path) -> None:
    plan = Plan(
        days=0.06, namespaces=6, repositories=400, uploads=800, pace=6_000, bursts=1, burst=120, outage_hours=0.2,
        failing=0.03,
    )  # fmt: skip
    quick = simulate(plan, f"sqlite:///{tmp_path}/quick.db")
    whole = simulate(plan, f"sqlite:///{tmp_path}/whole.db", every_one=True)
    assert quick.releases > 10
    assert whole == quick


def test_hostile_repositories_hide_nothing_and_make_nothing_false(tmp_path: Path) -> None:
    plan = Plan(
        days=0.04, namespaces=4, repositories=600, uploads=2_000, pace=6_000, bursts=1, burst=250, outage_hours=0.1,
        hostile=0.08,
    )  # fmt: skip
    found = simulate(plan, f"sqlite:///{tmp_path}/hub.db")
    assert found.hostile > 20
    assert (found.missed, found.false, found.double, found.withdrawn) == ([], [], [], [])
    assert found.strangers_missed == 0
    assert {error.rpartition(" ")[2] for error in found.errors} <= {"HubError", "HubUnreachableError", "RateLimited"}
