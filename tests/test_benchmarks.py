"""The benchmarks are not run by the tests, but what they import must be there."""

from __future__ import annotations

import importlib

import pytest

from tests.conftest import ROOT

NAMES = sorted(path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py") if not path.stem.startswith("__"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_what_it_imports(name: str) -> None:
    importlib.import_module(f"tests.benchmarks.{name}")
