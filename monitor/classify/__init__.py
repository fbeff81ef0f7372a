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
    # By place, in the order of its fields: by name costs a tenth of all judging.
    return Classification._make(
        (
            whose.lab,
            whose.lab_kind,
            whose.origin,
            whose.confidence,
            line.foundation,
            line.parents,
            line.kind,
            size.total,
            size.active,
            size.source,
            size.size,
            terms.identifier,
            terms.license_class,
            bound.license,
            bound.license_class,
            bound.conflict,
            had.label,
            had.availability,
            had.artefacts,
            gated if gated is False or gated in ("auto", "manual") else None,
            task,
            subject.modality(task),
            subject.library(model),
            subject.languages(model),
            papers,
            datasets,
            weights,
            {name: found.value for name, found in stated.items()},
            {
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
    )
