"""Whether what is stated to be a packed copy is the same work in another form.

Authors state ``quantized`` of further works, too: an uncensored or pruned model that they publish in GGUF alone. Its
name says so. A name shows here that a copy is none; it never shows that something is one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from monitor.classify.originals import NAME_LENGTH, folded

_WORDS = re.compile(
    r"abliterat|obliterat|uncensor|decensor|derestrict|unrestrict|heretic|jailbr|lobotom|distill|fine-?tun|finetun"
    r"|pruned|(?<![a-z])(?:reap|crack|merged?|slerp|lora|sft|dpo|grpo|orpo|roleplay|rp|opus|reasoning)(?![a-z])"
    r"|omnimerge|frankenmerge"
)


@lru_cache(maxsize=65_536)
def _marks(name: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(folded(name[:NAME_LENGTH])))


def is_further_work(repo_id: str, base: str) -> bool:
    """Whether the name of a copy says that it was trained, merged or cut further, and that of its base does not."""
    return not _marks(repo_id.rpartition("/")[2]) <= _marks(base.rpartition("/")[2])
