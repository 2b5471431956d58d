"""What the evidence of all scans says together: layers, claims, recommendation, regions and groups."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.evidence import registry
from stratacam.evidence.by_class import About, ClassSummary, summaries_by_class, truth_by_class
from stratacam.evidence.claims import assess_claims, last_convolution
from stratacam.evidence.counterfactual.losses import LOSSES, StructureLoss, losses_by_class
from stratacam.evidence.groups import GROUP_MAPS, MeasuredScans, write_groups
from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.measure import with_measures_of_subjects
from stratacam.evidence.nulls import nulls_of_subjects
from stratacam.evidence.recommendation import recommend
from stratacam.evidence.regions.region_values import RegionValue
from stratacam.evidence.rows import read_rows, write_rows
from stratacam.evidence.scan_evidence import ScanEvidence
from stratacam.evidence.sequences.by_class import SEQUENCES, SequenceSummary, sequences_by_class
from stratacam.evidence.sequences.values import SequenceValue
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strategies.tables import (
    MEMBERS,
    STRATEGIES,
    TYPICAL_MAPS,
    analysed_layers,
    write_strategies,
)
from stratacam.evidence.values import Summary, Value, by_subject, summarise
from stratacam.files import read_json, write_json
from stratacam.networks import by_branch

RECOMMENDATION = "recommendation.json"
"""What the rule says of every layer, below the folder of a network's evidence."""


@dataclass(frozen=True)
class Tables:
    """The tables of a network, over subjects.

    Attributes:
        scans: whose evidence there is.
        people: what groups are compared beside, by subject.
        settings: of the evidence.
        seed: of resamples and permutations.
        warning: what must be said of everything.
        model: network and seed, or the consensus of a network's seeds.
        networks: how many seeds.
        judged_together: how many such tables one map is chosen from: bounds of the rule hold for all.
        truth: by class that is stated, the structures that tell it from the others.
        remark: why localisation is not measured for all, and what to write.
        learnt_from: people who were to be explained, yet are left out: the network was trained on them.
        learnt: whether it was shown to do better than chance on people held out; None: not known.
        trained: its runs, and the keys of their trainings, by which evidence of an earlier model is known.
        folder: of the network's evidence.
        given: whether the network was given, and not trained.
    """

    scans: tuple[ScanEvidence, ...]
    people: Mapping[str, Mapping[str, str]]
    settings: EvidenceSettings
    seed: int
    warning: str
    model: str
    networks: int
    judged_together: int
    truth: Mapping[str, tuple[str, ...]]
    remark: str
    learnt_from: tuple[str, ...]
    learnt: bool | None
    trained: Mapping[str, str]
    folder: Path
    given: bool = False

    @property
    def outputs(self) -> list[Path]:
        """Everything that is written."""
        names = (
            "layers.tsv",
            "layers_by_class.tsv",
            "claims.json",
            RECOMMENDATION,
            "about.json",
            "comparison.tsv",
            LOSSES,
            SEQUENCES,
        )
        folders = GROUP_MAPS, TYPICAL_MAPS
        return [self.folder / name for name in (*names, "groups.json", STRATEGIES, MEMBERS, *folders)]


def write_tables(tables: Tables, executor: Executor) -> None:
    """Write every table over subjects, the claims, the recommendation, groups, strategies, and what was done.

    Args:
        tables: what is written.
        executor: where groups are compared voxel by voxel.
    """
    scans, folder, settings, seed = tables.scans, tables.folder, tables.settings, tables.seed
    about = {scan.name: read_json(scan.about, "run `stratacam evidence` again.") for scan in scans}
    first = next(iter(about.values()))
    layers, pools, branch = first["layers"], first["pools"], first["branch"]
    with_fused = [*layers, *first["fused"]]
    subject_of = {name: found["subject"] for name, found in about.items()}
    measured = MeasuredScans(
        subject_of=subject_of,
        group_of={found["subject"]: found["group"] for found in about.values()},
        regions={scan.name: read_rows(scan.regions, RegionValue) for scan in scans},
        templates={scan.name: scan.template for scan in scans},
        explained=tuple(first["compared"]),
    )
    values = {scan.name: read_rows(scan.values, Value) for scan in scans}
    table = by_subject(values, subject_of)
    groups = [measured.group_of[subject] for subject in table.subjects]
    table = with_measures_of_subjects(
        table,
        lambda method, layer: measured.region_means(measured.explained[0], method, layer, table.subjects)[1],
        groups,
        settings.methods,
        with_fused,
    )
    write_rows(folder / "layers.tsv", summarise(table, registry.limits()), Summary)
    explained_of = {name: found["explained"] for name, found in about.items()}
    losses = losses_by_class(values, explained_of, subject_of, seed=seed)
    write_rows(folder / LOSSES, losses, StructureLoss)
    of_sequences = {scan.name: read_rows(scan.sequences, SequenceValue) for scan in scans}
    contributed = sequences_by_class(of_sequences, explained_of, subject_of)
    write_rows(folder / SEQUENCES, contributed, SequenceSummary)
    by_class = summaries_by_class(values, about, tables.truth)
    write_rows(folder / "layers_by_class.tsv", by_class, ClassSummary)
    nulls = nulls_of_subjects({scan.name: scan.nulls for scan in scans}, subject_of, table.subjects)
    claims = assess_claims(
        table,
        nulls,
        settings.methods,
        layers,
        pools,
        branch=branch,
        groups=groups,
        learnt=tables.learnt,
        seed=seed,
    )
    as_json = {method: [claim.as_json() for claim in found] for method, found in claims.items()}
    write_json(folder / "claims.json", {"methods": as_json})
    recommended = recommend(
        table,
        settings.methods,
        with_fused,
        learnt=tables.learnt,
        truth=any(tables.truth.values()),
        level=LEVEL / tables.judged_together,
        given=tables.given,
        seed=seed,
    )
    write_json(folder / RECOMMENDATION, {"methods": [one.as_json() for one in recommended]})
    last = last_convolution(by_branch(layers, branch)[0], pools)
    statements = write_groups(
        measured, tables.people, settings, layers, folder, last=last, seed=seed, executor=executor
    )
    found = {one.method: one.recommended for one in recommended}
    write_strategies(
        measured,
        about,
        tables.people,
        settings,
        folder,
        layers_of=analysed_layers(settings, layers, pools, found),
        seed=seed,
    )
    truth = {"truth": truth_by_class(values, about, tables.truth), "truth_remark": tables.remark}
    write_json(folder / "about.json", _about(tables, about, layers, last, statements) | truth)


def _about(
    tables: Tables,
    about: About,
    layers: Sequence[str],
    last: str,
    statements: Sequence[str],
) -> dict[str, Any]:
    settings = tables.settings
    return {
        "model": tables.model,
        "networks": tables.networks,
        "learnt_from": tables.learnt_from,
        "learnt": tables.learnt,
        "trained": dict(tables.trained),
        "methods": settings.methods,
        "layers": layers,
        "fused": next(iter(about.values()))["fused"],
        "last_convolution": last,
        "subjects": len({found["subject"] for found in about.values()}),
        "scans": len(about),
        "slices": sum(found["slices"] for found in about.values()),
        "slices_again": max(found["slices_again"] for found in about.values()),
        "sanity_slices": min(settings.sanity_slices, max(found["slices_again"] for found in about.values())),
        "explained": "the class that the network gives the scan as a whole"
        if settings.target == "predicted"
        else f"the class {settings.target}, in all subjects",
        "warning": tables.warning,
        "statements": list(statements),
    }
