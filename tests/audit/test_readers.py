"""What each kind of document names: the samples in ``samples/`` are in the formats of the real tools."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.audit.documents import MAX_DOCUMENT_BYTES, Document, Unreadable
from monitor.audit.mentions import Mention, hub_mention
from monitor.audit.readers.arguments import MODEL_OPTIONS
from monitor.audit.recognise import find_models, read_document
from monitor.audit.registries import look_up_name, registries
from monitor.classify.repo_ids import parse_repo_id

SAMPLES = Path(__file__).parent / "samples"

EXPECTED: dict[str, list[tuple[int, str | None, str | None]]] = {
    "Modelfile": [
        (1, "meta-llama/Llama-3.1-8B-Instruct", None),
    ],
    "compose.yaml": [
        (4, "Qwen/Qwen3-8B", "b968826"),
        (8, "meta-llama/Llama-3.1-8B-Instruct", None),
        (13, "unsloth/Qwen3-8B-GGUF", None),
        (18, "deepseek-ai/DeepSeek-V3", None),
        (21, "google/gemma-3-4b-it", None),
        (24, None, None),
        (27, None, None),
        (30, "HuggingFaceTB/SmolLM2-360M-Instruct", None),
    ],
    "litellm.yaml": [
        (4, "Qwen/Qwen3-8B", None),
        (8, "meta-llama/Llama-3.1-8B-Instruct", None),
        (11, "google/gemma-3-4b-it", None),
        (14, None, None),
    ],
    "lms-ls.txt": [
        (4, "openai/gpt-oss-20b", None),
        (5, "lmstudio-community/Qwen3-8B-GGUF", None),
        (8, "nomic-ai/nomic-embed-text-v1.5", None),
    ],
    "models.json": [
        (1, "Qwen/Qwen3-8B", None),
        (1, "meta-llama/Llama-3.1-8B-Instruct", None),
    ],
    "models.txt": [
        (2, "Qwen/Qwen3-8B", "main"),
        (3, "google/gemma-3-4b-it", "main"),
        (4, "openai-community/gpt2", None),
        (5, None, None),
    ],
    "ollama-list.txt": [
        (2, "meta-llama/Llama-3.1-8B-Instruct", None),
        (3, "Qwen/Qwen3-8B", None),
        (4, "unsloth/Qwen3-8B-GGUF", None),
        (5, None, None),
    ],
    "vllm.yaml": [
        (1, "deepseek-ai/DeepSeek-V3", "1d044fd"),
    ],
    "bom/cyclonedx.json": [
        (10, "Qwen/Qwen3-8B", "b968826"),
        (13, "google/gemma-3-4b-it", None),
    ],
    "bom/cyclonedx.xml": [
        (6, "meta-llama/Llama-3.1-8B-Instruct", None),
    ],
    "bom/spdx.json": [
        (9, "BAAI/bge-m3", None),
        (19, "Qwen/Qwen3-8B", None),
    ],
    "bom/spdx3.json": [
        (9, "google/gemma-3-4b-it", None),
    ],
    "bom/stack.spdx": [
        (5, "deepseek-ai/DeepSeek-V3", None),
        (9, "Qwen/Qwen3-8B", "b968826"),
    ],
    "k8s/deployment.yaml": [
        (11, "mistralai/Mistral-7B-Instruct-v0.3", None),
        (16, "Qwen/Qwen3-8B", None),
        (18, None, None),
        (28, "meta-llama/Llama-3.1-8B-Instruct", "0e9e39f"),
    ],
    "k8s/template.yaml": [
        (6, None, None),
    ],
    "k8s/values.yaml": [
        (4, "Qwen/Qwen3-8B", None),
        (7, None, None),
    ],
    "service/Dockerfile": [
        (2, "Qwen/Qwen3-8B", None),
        (3, "google/gemma-3-4b-it", "main"),
        (4, "mistralai/Mistral-7B-Instruct-v0.3", None),
    ],
    "service/app.py": [
        (9, "Qwen/Qwen3-8B", "main"),
        (10, "BAAI/bge-m3", None),
        (11, "distilbert/distilbert-base-uncased", None),
        (12, "meta-llama/Llama-3.1-8B-Instruct", None),
        (13, None, None),
    ],
    "service/notebook.ipynb": [
        (14, "google/gemma-3-4b-it", None),
        (16, "google/gemma-3-4b-it", None),
    ],
    "service/requirements.txt": [
        (2, "spacy/en_core_web_sm", "main"),
    ],
    "service/run.sh": [
        (3, "BAAI/bge-m3", None),
        (4, "deepseek-ai/DeepSeek-V3", None),
        (6, "Qwen/Qwen3-0.6B", None),
        (6, "Qwen/Qwen3-8B", None),
    ],
}
"""(line, repository, first seven characters of the revision) of each mention; None: listed as unresolved."""


def found(*inputs: str, stdin: str = "") -> list[Mention | Unreadable]:
    return list(find_models(list(inputs), io.BytesIO(stdin.encode())))


def mentions(text: str, name: str = "standard input") -> list[Mention]:
    return [one for one in read_document(Document(name, text)) if isinstance(one, Mention)]


@pytest.mark.parametrize("name", EXPECTED, ids=str)
def test_each_sample_names_what_its_tool_would_load(name: str) -> None:
    seen = [one for one in found(str(SAMPLES / name)) if isinstance(one, Mention)]
    read = [(one.place.line, one.repo_id, one.revision and one.revision[:7]) for one in seen]
    assert sorted(read, key=str) == sorted(EXPECTED[name], key=str)
    assert all((one.repo_id is None) == (one.problem is not None) for one in seen)


def test_a_folder_is_all_of_its_samples() -> None:
    names = {str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if path.is_file()}
    assert names == set(EXPECTED)
    in_folder = found(str(SAMPLES))
    assert len(in_folder) == sum(map(len, EXPECTED.values()))


@pytest.mark.parametrize("name", ["compose.yaml", "service/app.py", "bom/cyclonedx.json", "ollama-list.txt"])
def test_a_document_is_recognised_without_its_name(name: str) -> None:
    piped = found("-", stdin=(SAMPLES / name).read_text())
    assert [one.repo_id for one in piped if isinstance(one, Mention)] == [
        one.repo_id for one in found(str(SAMPLES / name)) if isinstance(one, Mention)
    ]


def test_what_is_not_a_file_is_an_id(tmp_path: Path) -> None:
    assert [(one.repo_id, one.revision) for one in found("Qwen/Qwen3-8B@main") if isinstance(one, Mention)] == [
        ("Qwen/Qwen3-8B", "main")
    ]
    (tmp_path / "empty.yaml").write_text("a: 1\n")
    (empty,) = found(str(tmp_path / "empty.yaml"))
    assert isinstance(empty, Unreadable)
    assert empty.problem == "no model was found in it"
    (missing,) = found("nowhere.yaml")
    assert isinstance(missing, Unreadable)
    assert missing.problem == "no such file"


def test_a_hub_cache_lists_each_revision(tmp_path: Path) -> None:
    commit = "b968826d9c46dd6066d109eabc6255188de91218"
    cache = tmp_path / "hub"
    repo = cache / "models--Qwen--Qwen3-8B"
    (repo / "blobs").mkdir(parents=True)
    (repo / "blobs" / "aa").write_text("{}")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/aa")
    (cache / "datasets--a--b" / "snapshots").mkdir(parents=True)
    (cache / "models--broken").mkdir()
    for asked in (cache, tmp_path):
        seen = found(str(asked))
        assert [(one.repo_id, one.revision) for one in seen if isinstance(one, Mention)] == [("Qwen/Qwen3-8B", commit)]
        assert any(isinstance(one, Unreadable) and "broken" in one.problem for one in seen)


# --- names of other registries ------------------------------------------------------------------------------


def test_each_row_of_the_table_names_a_repository() -> None:
    for registry in registries().values():
        assert registry.evidence
        assert registry.checked
        names = [row.name.lower() for row in registry.models]
        assert len(names) == len(set(names))
        for row in registry.models:
            assert parse_repo_id(row.repo_id) == row.repo_id


@pytest.mark.parametrize(
    ("text", "repo_id"),
    [
        ("llama3.3:70b", "meta-llama/Llama-3.3-70B-Instruct"),
        ("library/llama3.3:70b", "meta-llama/Llama-3.3-70B-Instruct"),
        ("llama3.1:8b-instruct-q4_K_M", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama3.1:8b-text-fp16", "meta-llama/Llama-3.1-8B"),
        ("gemma3:latest", "google/gemma-3-4b-it"),
        ("somebody/llama3.3:70b", None),
        ("llama9:70b", None),
        ("llama3.3:70b-abliterated", None),
    ],
)
def test_names_are_looked_up_and_never_guessed(text: str, repo_id: str | None) -> None:
    known = look_up_name(text, "ollama")
    assert (known and known.repo_id) == repo_id
    assert known is None or 0 < known.confidence < 1


# --- hostile documents --------------------------------------------------------------------------------------


def test_aliases_of_yaml_are_not_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert [one.repo_id for one in mentions("\n".join([*lines, "model: Qwen/Qwen3-8B"]), "bomb.yaml")] == [
        "Qwen/Qwen3-8B"
    ]


def test_a_large_file_is_named_and_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(100 * 2**20)
    (seen,) = found(str(large))
    assert isinstance(seen, Unreadable)
    assert f"over {MAX_DOCUMENT_BYTES // 2**20} MB" in seen.problem
    (piped,) = found("-", stdin="x" * (MAX_DOCUMENT_BYTES + 1))
    assert isinstance(piped, Unreadable)


def test_nothing_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.txt", tmp_path / "given"
    secret.write_text("Qwen/Qwen3-8B\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "models.txt").write_text("google/gemma-3-4b-it\n")
    folder.mkdir()
    (folder / "link.txt").symlink_to(secret)
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    seen = found(str(folder))
    assert {Path(one.name).name for one in seen if isinstance(one, Unreadable)} == {"link.txt", "sub"}
    assert not [one for one in seen if isinstance(one, Mention)]


def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "models.txt").write_text("Qwen/Qwen3-8B")
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "in")
    (seen,) = found(archive)
    assert isinstance(seen, Unreadable)
    assert "a zip archive: unpack it" in seen.problem


def test_a_pipe_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "models.txt")
    (seen,) = found(str(tmp_path))
    assert isinstance(seen, Unreadable)
    assert seen.problem == "neither a file nor a folder"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "a: [1, 2", "line 2, column 1"),
        ("a.json", '{"bomFormat": ', "line 2, column 1"),
        ("a.py", "def (:\n", "line 1: not valid Python"),
        ("a.py", "x = " + "(" * 5000, "not"),
        ("a.yaml", "[" * 200_000, "line 1: nested more than 100 levels deep"),
        ("a.json", '{"a": ' * 200_000, "nested more than 100 levels deep"),
        (
            "a.xml",
            '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "x">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>',
            "line 1: a document type declaration",
        ),
        ("a.xml", '<bom xmlns="http://cyclonedx.org/schema/bom/1.6">', "not well-formed XML"),
    ],
    ids=str,
)
def test_what_does_not_parse_is_named(name: str, text: str, problem: str) -> None:
    (seen,) = read_document(Document(name, text))
    assert isinstance(seen, Unreadable)
    assert problem in seen.problem
    assert len(seen.problem) < 300


def test_a_source_is_parsed_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"import os\nos.mkdir({str(mark)!r})\nAutoModel.from_pretrained('Qwen/Qwen3-8B')\n"
    assert [one.repo_id for one in mentions(text, "a.py")] == ["Qwen/Qwen3-8B"]
    assert [one.repo_id for one in mentions(f"a: !!python/object/apply:os.mkdir [{mark}]\nmodel: a/b\n", "a.yaml")] == [
        "a/b"
    ]
    assert not mark.exists()


@given(st.text(max_size=300), st.sampled_from(["a.yaml", "a.py", "a.txt", "a.json", "Modelfile", "a.ipynb", "-"]))
@settings(max_examples=100)
def test_any_text_is_read_or_named(text: str, name: str) -> None:
    for one in read_document(Document(name, text)):
        assert isinstance(one, Unreadable) or (one.repo_id is None) == (one.problem is not None)


@given(st.sampled_from(sorted(MODEL_OPTIONS)), st.booleans(), st.sampled_from(["compose", "script", "list"]))
def test_an_option_is_read_in_either_form_wherever_it_stands(option: str, joined: bool, where: str) -> None:
    words = f"{option}=Qwen/Qwen3-8B" if joined else f"{option} Qwen/Qwen3-8B"
    if where == "compose":
        text, name = f"services:\n  a:\n    command: serve {words} --port 1\n", "compose.yaml"
    elif where == "list":
        text, name = json.dumps({"args": ["serve", *words.split(" ")]}), "values.json"
    else:
        text, name = f"exec serve {words} --port 1\n", "run.sh"
    assert [one.repo_id for one in mentions(text, name)] == ["Qwen/Qwen3-8B"]


def test_a_path_is_no_repository() -> None:
    place = mentions("Qwen/Qwen3-8B")[0].place
    for text in ("/models/a", "./a/b", "~/a/b", "s3://bucket/a", "models/own.gguf/x.gguf", "file:a"):
        assert hub_mention(text, place).repo_id is None
