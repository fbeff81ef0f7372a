"""``python -m tests.classify.memory_facts`` prints the table of docs/explanation/formats.md: estimates and real sizes.

Sizes of files as the Hub listed them in October 2026; parameters by the file of 16 bits in the same repository, or as
the publisher states them.
"""

from __future__ import annotations

from typing import NamedTuple

from monitor.classify.memory import memory


class Fact(NamedTuple):
    """A file of a repository, its bytes, and the parameters of the model in it."""

    repo_id: str
    file: str
    size: int
    params: int


_ORNITH, _LFM, _ORNITH_35 = 18_407_321_184 // 2, 16_947_260_640 // 2, 69_376_636_800 // 2
FACTS = (
    Fact("ornith-ai/Ornith-1.5-9B-GGUF", "Ornith-1.5-9B-Q4_K_M.gguf", 5_780_090_816, _ORNITH),
    Fact("ornith-ai/Ornith-1.5-9B-GGUF", "Ornith-1.5-9B-Q5_K_M.gguf", 6_642_544_576, _ORNITH),
    Fact("ornith-ai/Ornith-1.5-9B-GGUF", "Ornith-1.5-9B-Q6_K.gguf", 7_558_901_696, _ORNITH),
    Fact("ornith-ai/Ornith-1.5-9B-GGUF", "Ornith-1.5-9B-Q8_0.gguf", 9_786_060_384, _ORNITH),
    Fact("LiquidAI/LFM2.5-8B-A1B-GGUF", "LFM2.5-8B-A1B-Q4_K_M.gguf", 5_155_564_768, _LFM),
    Fact("LiquidAI/LFM2.5-8B-A1B-GGUF", "LFM2.5-8B-A1B-Q5_K_M.gguf", 6_030_339_296, _LFM),
    Fact("LiquidAI/LFM2.5-8B-A1B-GGUF", "LFM2.5-8B-A1B-Q6_K.gguf", 6_959_787_232, _LFM),
    Fact("LiquidAI/LFM2.5-8B-A1B-GGUF", "LFM2.5-8B-A1B-Q8_0.gguf", 9_010_195_680, _LFM),
    Fact("ornith-ai/Ornith-1.0-35B-GGUF", "ornith-1.0-35b-Q4_K_M.gguf", 21_166_757_760, _ORNITH_35),
    Fact("ornith-ai/Ornith-1.0-35B-GGUF", "ornith-1.0-35b-Q5_K_M.gguf", 24_729_130_848, _ORNITH_35),
    Fact("ornith-ai/Ornith-1.0-35B-GGUF", "ornith-1.0-35b-Q6_K.gguf", 28_514_152_288, _ORNITH_35),
    Fact("ornith-ai/Ornith-1.0-35B-GGUF", "ornith-1.0-35b-Q8_0.gguf", 36_903_138_880, _ORNITH_35),
    Fact("ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b-MXFP4.gguf", 12_109_566_624, 20_914_757_184),
    Fact("unsloth/GLM-5.3-Flash-GGUF", "Q8_0/GLM-5.3-Flash-Q8_0-00001-of-00008.gguf", 340_981_595_616, 321_323_031_390),
)
"""The last one is the sum of its eight parts."""


def estimate(fact: Fact) -> float:
    """The estimate for a repository that holds this file alone, in GB."""
    found = memory({"id": fact.repo_id, "siblings": [{"rfilename": fact.file}]}, fact.params, "gguf")
    assert found is not None
    return float(found["weights_gb"])


def table() -> str:
    """Markdown: a row for each file."""
    head = "| file | parameters | size, GB | estimate, GB | difference |\n| --- | ---: | ---: | ---: | ---: |"
    return "\n".join([head, *map(_row, FACTS)])


def _row(fact: Fact) -> str:
    guess, size = estimate(fact), fact.size / 1e9
    name = fact.file.rpartition("/")[2]
    return f"| {name} | {fact.params / 1e9:.2f}B | {size:.2f} | {guess:.2f} | {guess / size - 1:+.1%} |"


if __name__ == "__main__":
    print(table())
