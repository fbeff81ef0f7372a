"""What the project is published by: one version, workflows that call the Makefile, templates that GitHub accepts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from monitor import __version__
from tests.conftest import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
SCHEMAS = {
    **dict.fromkeys(WORKFLOWS, "vendor.github-workflows"),
    **dict.fromkeys(sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), "vendor.github-issue-forms"),
    GITHUB / "ISSUE_TEMPLATE" / "config.yml": "vendor.github-issue-config",
    GITHUB / "dependabot.yml": "vendor.dependabot",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def jobs(workflow: Path) -> dict[str, Any]:
    """The jobs of a workflow, by name."""
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


def test_the_version_is_written_once() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version", "urls"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{__version__}"' in source.read_text()
    said = subprocess.run(["make", "-s", "version"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == __version__


@pytest.mark.slow
@pytest.mark.parametrize("schema", dict.fromkeys(SCHEMAS.values()))
def test_github_accepts_the_files(schema: str) -> None:
    paths = [str(path) for path, its in SCHEMAS.items() if its == schema]
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", schema, *paths]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_name_their_version(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_only_what_publishes_may_write(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for name, job in jobs(path).items():
        assert name in {"publish", "pypi", "image"} or "permissions" not in job, name
        assert "timeout-minutes" in job, name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_workflows_call_the_targets_of_the_makefile() -> None:
    called = {
        target
        for path in WORKFLOWS
        for job in jobs(path).values()
        for step in job["steps"]
        for words in re.findall(r"make (?:-s )?([a-z ]+)", step.get("run", ""))
        for target in words.split()
    }
    assert called <= TARGETS
    assert {"lint", "types", "imports", "dependencies", "audit", "test", "docs", "dist", "image"} <= called


def test_every_python_that_is_tested_is_supported() -> None:
    (test,) = [job for path in WORKFLOWS for name, job in jobs(path).items() if name == "test"]
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert test["strategy"]["matrix"]["python"][0] == oldest
    assert test["strategy"]["matrix"]["python"] == PYTHONS


PYTHONS = re.findall(r"Programming Language :: Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
"""Those that the metadata name."""
PLATFORMS = {
    "linux": ("Linux", "x86_64", "posix"), "darwin": ("Darwin", "arm64", "posix"), "win32": ("Windows", "AMD64", "nt"),
}  # fmt: skip
"""Values of the markers ``sys_platform``, and ``platform_system``, ``platform_machine`` and ``os_name``."""


def marked(python: str, platform: str) -> dict[str, str]:
    """The environment of markers for a Python on a platform."""
    system, machine, name = PLATFORMS[platform]
    return {
        "python_version": python, "python_full_version": f"{python}.0", "implementation_version": f"{python}.0",
        "sys_platform": platform, "platform_system": system, "platform_machine": machine, "os_name": name, "extra": "",
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
    }  # fmt: skip


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_pin_all_that_is_declared_for_each_python_that_is_named(python: str, lock: str) -> None:
    pins = [Requirement(line) for line in re.findall(r"^([a-z0-9][^\s#]*==[^\\\n]*)", (ROOT / lock).read_text(), re.M)]
    assert len(pins) > 100
    groups = PROJECT["dependency-groups"]["dev"] if "dev" in lock else []
    extras = [one for some in PROJECT["project"]["optional-dependencies"].values() for one in some]
    declared = [Requirement(text) for text in (*PROJECT["project"]["dependencies"], *extras, *groups)]
    for platform in PLATFORMS:
        here = marked(python, platform)
        pinned = {canonicalize_name(one.name): one for one in pins if one.marker is None or one.marker.evaluate(here)}
        for one in declared:
            if one.marker is None or one.marker.evaluate(here):
                (exact,) = pinned[canonicalize_name(one.name)].specifier
                assert one.specifier.contains(exact.version, prereleases=True), (str(one), platform)


@pytest.mark.slow
def test_the_package_says_what_it_is_and_where_it_comes_from(tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    (line,) = re.findall(r"uv build (.*)", (ROOT / "Makefile").read_text())
    options = line.replace("--out-dir dist", f"--out-dir {tmp_path}").split()
    environment = {**os.environ, "GITHUB_REPOSITORY": "someone/monitor", "SITE_URL": "https://docs.example/"}
    environment.pop("GITHUB_SERVER_URL", None)
    subprocess.run([str(uv), "build", *options, "--wheel"], check=True, cwd=ROOT, env=environment)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        licenses = {name.rpartition("/")[2] for name in archive.namelist() if "/licenses/" in name}
        found = Metadata.from_email(archive.read(path), validate=True)
    assert (found.name, str(found.version), found.license_expression) == (
        "hub-release-monitor",
        __version__,
        "Apache-2.0",
    )
    assert licenses == {"LICENSE", "NOTICE"}
    assert str(found.requires_python) == ">=3.11"
    assert found.classifiers == sorted(PROJECT["project"]["classifiers"])
    assert not [one for one in found.classifiers if one.startswith("License ::")]  # the expression says it
    assert (found.description_content_type or "").startswith("text/markdown")
    assert found.project_urls == {
        "Documentation": "https://docs.example/",
        "Repository": "https://github.com/someone/monitor",
        "Issues": "https://github.com/someone/monitor/issues",
        "Changelog": "https://github.com/someone/monitor/blob/main/CHANGELOG.md",
        "Security": "https://github.com/someone/monitor/security/policy",
    }


@pytest.mark.slow
def test_documentation_with_a_broken_link_or_a_page_outside_the_navigation_is_not_built(tmp_path: Path) -> None:
    for name in ("docs", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write("[gone](nowhere.md) [no heading](reference/query.md#nowhere)")
    (tmp_path / "docs" / "orphan.md").write_text("# Orphan")
    (command,) = re.findall(r"\$\(BIN\)/(mkdocs .*)", (ROOT / "Makefile").read_text())
    program, *words = shlex.split(command)
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words],
        cwd=tmp_path, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    for fault in ("nowhere.md", "#nowhere", "orphan.md"):
        assert fault in done.stdout + done.stderr


def test_the_changelog_has_its_form_and_ends_at_the_version() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert versions[0] == "Unreleased"
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)", line) for line in versions[1:]]
    assert all(released)
    numbers = [[int(part) for part in found[1].split(".")] for found in released if found is not None]
    assert numbers == sorted(numbers, reverse=True)
    assert ".".join(map(str, numbers[0])) == __version__
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for line in lines[lines.index(f"## {versions[1]}") + 1 :]:
        assert not line.startswith(" "), f"an entry is one line: {line}"


def test_security_names_the_version_that_is_supported() -> None:
    series = ".".join(__version__.split(".")[:2])
    assert f"| {series}.x | yes |" in (ROOT / "SECURITY.md").read_text()


REPLACED_WORDS = re.compile(r"\b(told|letters?|house|beside|moment|allowance|sighting)\b", re.IGNORECASE)
"""Words that were used in place of the standard ones."""
ALLOWED_PHRASES = re.compile(
    r"dead letters?|letters?(?: or| and|,)(?: a)? digits?|two letters|so many letters|letter case|letter-spacing",
    re.IGNORECASE,
)
ALLOWED_LINES = {
    # The page of a proxy, as the fake Hub serves it.
    "monitor/demo/server.py": "<body>Just a moment</body>",
    # A key of the personal data that subscribers download.
    "monitor/channels/email/personal_data.py": '"letters": [',
}
TEXTS = [
    ROOT / "README.md",
    *(
        path
        for folder in ("monitor", "workers", "docs")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".md", ".html", ".css", ".toml"}
    ),
]


def test_replaced_words_do_not_come_back() -> None:
    # Readers search for the standard word: notified, email, context, process, timestamp, rate limit, observation.
    found = []
    for path in TEXTS:
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            rest = ALLOWED_PHRASES.sub("", line.replace(ALLOWED_LINES.get(name, "\0"), ""))
            if REPLACED_WORDS.search(rest):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


def test_every_allowed_line_is_still_there() -> None:
    assert all(phrase in (ROOT / name).read_text() for name, phrase in ALLOWED_LINES.items())
