"""The content of a repository's own files, as an input of the classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from monitor.classify.card_statements import CardStatements

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFiles:
    """What was read from the files of one repository at one revision.

    A field is None if the file was not requested, does not exist, or could not be read; ``unreadable`` lists the
    last of these. Whoever reads the files bounds their size; nothing here is validated beyond its type.
    """

    config: Mapping[str, Any] | None = None
    """``config.json``, parsed and whole."""
    readme: str | None = None
    """``README.md`` with its front matter; None if ``statements`` are given in its place."""
    statements: CardStatements | None = None
    """What was read in ``README.md`` before."""
    license_text: str | None = None
    """``LICENSE`` or a file of a similar name."""
    adapter_config: Mapping[str, Any] | None = None
    """``adapter_config.json``, parsed."""
    model_index: Mapping[str, Any] | None = None
    """``model_index.json`` of diffusers, parsed."""
    params_json: Mapping[str, Any] | None = None
    """``params.json`` of Meta and Mistral, parsed."""
    mergekit_config: str | None = None
    """``mergekit_config.yml``, as text."""
    index_total_bytes: int | None = None
    """``metadata.total_size`` of ``*.safetensors.index.json``, in bytes."""
    index_total_parameters: int | None = None
    """``metadata.total_parameters`` of ``*.safetensors.index.json``, which not every index has."""
    gguf_metadata: Mapping[str, Any] | None = None
    """Key-value pairs of a GGUF header (``general.architecture``); long arrays may be left out."""
    gguf_parameters: int | None = None
    """Sum of the elements of all tensors in the headers of the GGUF files of one quantisation."""
    unreadable: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Reason by path for each file that exists or may exist and could not be read (``gated``, ``timeout``)."""


NO_FILES = RepositoryFiles()
"""No file was read."""
