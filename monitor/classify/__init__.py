"""Classification of a Hub model object: pure functions, each value with its evidence."""

from __future__ import annotations

from monitor.classify import subject, wire
from monitor.classify.effective import effective
from monitor.classify.license import license_of
from monitor.classify.lineage import lineage
from monitor.classify.memory import runs
from monitor.classify.openness import openness
from monitor.classify.origin import publisher
from monitor.classify.repository_files import NO_FILES, RepositoryFiles
from monitor.classify.result import (
    Artefact,
    BaseModelInfo,
    Classification,
    Evidence,
    Foundation,
    Lookup,
    Parent,
    Suspicion,
    no_lookup,
)
from monitor.classify.size import parameters
from monitor.classify.suspected import SameSize, SizeLookup, no_size_lookup, suspected_foundation
from monitor.classify.training import training_evidence
from monitor.enums import Kind
from monitor.labs import Registry

__all__ = [
    "NO_FILES",
    "Artefact",
    "BaseModelInfo",
    "Classification",
    "Evidence",
    "Foundation",
    "Lookup",
    "Parent",
    "RepositoryFiles",
    "SameSize",
    "SizeLookup",
    "Suspicion",
    "classify",
    "is_packed",
    "no_lookup",
    "no_size_lookup",
]


def classify(
    model: wire.Model,
    registry: Registry,
    known: Lookup = no_lookup,
    *,
    files: RepositoryFiles = NO_FILES,
    same_size: SizeLookup = no_size_lookup,
) -> Classification:
    """The classification of a Hub model object (any field may be absent, null or of a wrong type).

    ``known`` finds other repositories in the history, ``same_size`` those of exactly one size. ``files`` is the content
    of the repository's own files, which outranks what the object has of them. Unknown values are None. Never raises.
    """
    facts = wire.prepared(model, files)
    by = publisher(facts, registry)
    ancestry = lineage(facts, registry, known)
    size = parameters(facts, ancestry, known)
    declared = license_of(facts)
    report, datasets, weights = subject.report(facts, ancestry), subject.datasets(facts), subject.has_weights(facts)
    binding = effective(facts, declared, ancestry, known)
    open_ = openness(facts, declared, weights, report.link, datasets, ancestry.kind)
    task, gated, languages = subject.task(facts), facts.get("gated"), subject.languages(facts)
    suspected = suspected_foundation(facts, registry, ancestry, size, known, same_size)
    training = training_evidence(wire.read(facts), ancestry.kind, task, languages)
    run = runs(facts, size.total)
    stated = {name: read(facts) for name, read in subject.STATED.items()}
    return Classification(
        lab=by.lab,
        lab_kind=by.lab_kind,
        origin=by.origin,
        origin_confidence=by.confidence,
        origin_basis=by.basis,
        foundation=ancestry.foundation,
        lineage=ancestry.parents,
        kind=ancestry.kind,
        params_total=size.total,
        params_active=size.active,
        params_source=size.source,
        size=size.size,
        license=declared.identifier,
        license_class=declared.license_class,
        effective_license=binding.license,
        effective_license_class=binding.license_class,
        license_conflict=binding.conflict,
        openness=open_.label,
        availability=open_.availability,
        artefacts=open_.artefacts,
        gated=gated if gated is False or gated in ("auto", "manual") else None,
        task=task,
        modality=subject.modality(task),
        library=subject.library(facts),
        languages=languages,
        papers=report.papers,
        datasets=datasets,
        has_weights=weights,
        stated={name: found.value for name, found in stated.items()},
        suspected_foundation=suspected,
        own_formats=run.formats,
        own_memory=run.memory,
        evidence={
            "origin": by.evidence,
            "kind": ancestry.evidence,
            "foundation": ancestry.foundation_evidence,
            "params": size.evidence,
            "license": declared.evidence,
            "effective_license": binding.evidence,
            "openness": open_.evidence,
            "availability": open_.availability_evidence,
            **({"papers": report.evidence} if report.evidence else {}),
            **({"training": training} if training else {}),
            **({"suspected_foundation": suspected.evidence} if suspected is not None else {}),
            **{name: found.evidence for name, found in stated.items()},
        },
    )


def is_packed(model: wire.Model, registry: Registry) -> bool:
    """Whether a Hub model object shows a packed copy or a conversion, without its files and the history.

    A part of :func:`classify`: whoever needs no other value can do without the rest. Never raises.
    """
    return lineage(wire.prepared(model, NO_FILES), registry).kind in (Kind.QUANTIZED, Kind.CONVERSION)
