"""What a Hub model object says, judged: pure functions, each value with its evidence."""

from __future__ import annotations

from monitor.classify import subject, wire
from monitor.classify.effective import effective
from monitor.classify.license import license_of
from monitor.classify.lineage import lineage
from monitor.classify.openness import openness
from monitor.classify.origin import publisher
from monitor.classify.result import Artefact, Classification, Evidence, Foundation, Known, Lookup, Parent, knows_nothing
from monitor.classify.size import parameters
from monitor.labs import Registry

__all__ = [
    "Artefact", "Classification", "Evidence", "Foundation", "Known", "Lookup", "Parent", "classify", "knows_nothing",
]  # fmt: skip


def classify(model: wire.Model, registry: Registry, known: Lookup = knows_nothing) -> Classification:
    """Judges a Hub model object (wire form, from list or detail; any field may be absent, null or wrongly typed).

    ``known`` asks the history about other repositories. Unknown stays None. Never raises, whatever the object.
    """
    model = wire.prepared(model)
    whose = publisher(model, registry)
    line = lineage(model, registry, known)
    size = parameters(model, line, known)
    terms = license_of(model)
    papers, datasets, weights = subject.papers(model), subject.datasets(model), subject.has_weights(model)
    bound = effective(wire.repo_id(model), terms, line, known)
    had = openness(model, terms, weights, papers, datasets, line.kind)
    task, gated = subject.task(model), model.get("gated")
    stated = {name: read(model) for name, read in subject.STATED.items()}
    return Classification(
        lab=whose.lab,
        lab_kind=whose.lab_kind,
        origin=whose.origin,
        origin_confidence=whose.confidence,
        foundation=line.foundation,
        lineage=line.parents,
        kind=line.kind,
        params_total=size.total,
        params_active=size.active,
        params_source=size.source,
        size=size.size,
        license=terms.identifier,
        license_class=terms.license_class,
        effective_license=bound.license,
        effective_license_class=bound.license_class,
        license_conflict=bound.conflict,
        openness=had.label,
        availability=had.availability,
        artefacts=had.artefacts,
        gated=gated if gated is False or gated in ("auto", "manual") else None,
        task=task,
        modality=subject.modality(task),
        library=subject.library(model),
        languages=subject.languages(model),
        papers=papers,
        datasets=datasets,
        has_weights=weights,
        stated={name: found.value for name, found in stated.items()},
        evidence={
            "origin": whose.evidence,
            "kind": line.evidence,
            "foundation": line.foundation_evidence,
            "params": size.evidence,
            "license": terms.evidence,
            "effective_license": bound.evidence,
            "openness": had.evidence,
            "availability": had.availability_evidence,
            **{name: found.evidence for name, found in stated.items()},
        },
    )
