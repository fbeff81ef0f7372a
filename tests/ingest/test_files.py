"""A repository's files, read from a Hub on a real socket through the real client."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from monitor.enums import FileState
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.files import HubFile, read_file
from monitor.ingest.hub.rate_limiter import API, HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import HubBusyError, HubUnreachableError
from monitor.settings import Settings
from tests.fakes.hub import ReplayHub, model

CONFIG = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36}
HEADER = b"GGUF" + bytes(range(256)) * 8


@pytest.fixture
def limiter() -> HubRateLimiter:
    return HubRateLimiter(400)


@pytest.fixture
def asked(hub: ReplayHub, limiter: HubRateLimiter) -> Iterator[Hub]:
    yield Hub(Settings(hf_endpoint=hub.endpoint), limiter)


def _read(hub: ReplayHub, asked: Hub, path: str, repo_id: str = "lab/m", **limits: float) -> HubFile:
    return read_file(asked, repo_id, str(hub.facts("lab/m")["sha"]), path, **limits)  # type: ignore[arg-type]


def test_a_text_file_is_read_whole_at_its_commit(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    found = _read(hub, asked, "config.json")
    assert (found.state, json.loads(found.content)) == (FileState.READ, CONFIG)
    commit = hub.facts("lab/m")["sha"]
    assert [call.path for call in hub.calls] == [
        f"/lab/m/resolve/{commit}/config.json",
        f"/api/resolve-cache/models/lab/m/{commit}/config.json",
    ]


def test_the_hub_serves_of_a_configuration_what_the_real_one_does(hub: ReplayHub, asked: Hub) -> None:
    packing = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    hub.add(model("lab/m", config={**CONFIG, "quantization_config": packing}))
    facts = asked.detail("lab/m")
    assert facts is not None
    assert facts["config"] == {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "quantization_config": {"quant_method": "gptq", "bits": 4},
    }


def test_a_file_of_a_renamed_repository_is_found(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", files={"LICENSE": "MIT License"}))
    hub.rename("lab/m", "lab/n")
    found = read_file(asked, "lab/m", str(hub.facts("lab/n")["sha"]), "LICENSE")
    assert found == HubFile("LICENSE", FileState.READ, b"MIT License")


@pytest.mark.parametrize(
    ("facts", "path", "state"),
    [
        ({}, "params.json", FileState.MISSING),
        ({"gated": "manual"}, "config.json", FileState.GATED),
        ({"files": {"README.md": "x" * 2_000}}, "README.md", FileState.TOO_LARGE),
        ({}, "model.safetensors", FileState.TOO_LARGE),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    hub: ReplayHub, asked: Hub, facts: dict[str, object], path: str, state: FileState
) -> None:
    hub.add(model("lab/m", **facts))
    found = _read(hub, asked, path, max_bytes=1_000)
    assert (found.state, found.content) == (state, b"")
    assert found.message


def test_another_commit_has_no_file(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    assert read_file(asked, "lab/m", "0" * 40, "config.json").state is FileState.MISSING


def test_a_file_that_does_not_answer_fails_alone(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    hub.fail("timeout", path_prefix="/lab/m/resolve/")
    assert _read(hub, asked, "config.json", seconds=0.2).state is FileState.FAILED
    hub.release()
    assert _read(hub, asked, "config.json").state is FileState.READ


def test_the_beginning_of_a_large_file_comes_from_its_own_host_without_the_token(hub: ReplayHub) -> None:
    hub.tokens = {"hf_secret": "us"}
    hub.add(model("lab/m", files={"m-Q4_K_M.gguf": HEADER}))
    asked = Hub(Settings(hf_endpoint=hub.endpoint, hf_token="hf_secret"), HubRateLimiter(400))  # type: ignore[arg-type]
    found = _read(hub, asked, "m-Q4_K_M.gguf", first_bytes=100)
    assert found == HubFile("m-Q4_K_M.gguf", FileState.READ, HEADER[:100])
    assert [request.headers.get("authorization") for request in hub.large_file_requests] == [None]


def test_a_redirect_to_another_host_is_not_followed_for_a_text_file(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    hub.links = lambda link: link.replace(hub.endpoint, hub.large_files)
    assert _read(hub, asked, "config.json").state is FileState.TOO_LARGE
    assert not hub.large_file_requests


def test_files_have_a_bucket_of_their_own(hub: ReplayHub, limiter: HubRateLimiter, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    hub.fail(429, path_prefix="/lab/m/resolve/")
    with pytest.raises(HubBusyError):
        _read(hub, asked, "config.json")
    with pytest.raises(RateLimited):
        _read(hub, asked, "config.json")
    assert limiter.left(API) == 400
    assert asked.detail("lab/m") is not None


def test_a_hub_that_is_away_is_no_fault_of_the_file(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/m", config=CONFIG))
    commit = str(hub.facts("lab/m")["sha"])
    hub.stop()
    with pytest.raises(HubUnreachableError):
        read_file(asked, "lab/m", commit, "config.json")
