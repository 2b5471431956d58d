"""The evidence of a study: the maps of every scan and network measured, then what they say together."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from stratacam.errors import InputError
from stratacam.evidence.covariates import USUAL, covariates_of
from stratacam.evidence.layer_names import check_layers
from stratacam.evidence.regions.atlas import names_of
from stratacam.evidence.scan_evidence import (
    ScanEvidence,
    ScanInputs,
    measure_evidence_of,
)
from stratacam.evidence.settings import PREDICTED, EvidenceSettings
from stratacam.evidence.tables import Tables, write_tables
from stratacam.files import read_json
from stratacam.learning import SLICES_OF_ONE_PERSON, ScanPictures
from stratacam.networks import ModelCard
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.prepared import PreparedScan
from stratacam.source_code import Entries
from stratacam.study.execution import SerialExecutor
from stratacam.study.keys import entries_used
from stratacam.study.planning import Planned
from stratacam.study.progress import say
from stratacam.study.steps.evidence_subjects import donors_of, others_of, strangers_of, unseen
from stratacam.study.steps.explain import to_explain
from stratacam.study.steps.judged import Judged, all_judged
from stratacam.study.steps.recommended import recommend_map
from stratacam.study.steps.truth import LaidTruth, lay_truth, truth_of_others
from stratacam.study.study import Study
from stratacam.study.trained import (
    TrainedModel,
    architectures_of,
    computing_with,
    load_once,
    load_together,
    trained_model,
)
from stratacam.study.truth import KnownTruth, find_truth


@dataclass(frozen=True)
class Evidence:
    """The evidence of one scan.

    Attributes:
        models: whose maps are measured: one, or several whose consensus it is.
        others: models whose maps they are compared with, by how these differ.
        given: the scan, and all that it is measured by.
        atlas_names: file of the names of the settings' atlas, where there is one.
    """

    models: tuple[TrainedModel, ...]
    others: tuple[tuple[str, tuple[TrainedModel, ...]], ...]
    given: ScanInputs
    atlas_names: Path | None
    out: ScanEvidence

    @property
    def entries(self) -> Entries:
        others = [model for _, models in self.others for model in models]
        return entries_used(
            sequences=self.given.scan.sequences,
            architectures=architectures_of([*self.models, *others]),
            methods=self.given.settings.methods,
        )

    @property
    def outputs(self) -> tuple[Path, ...]:
        return self.out.files

    def do(self) -> None:
        with computing_with(self.models):
            model, cards = load_together(self.models)
            others = {change: [load_once(other)[0] for other in models] for change, models in self.others}
            measure_evidence_of(model, cards[0], self.given, others=others, out=self.out)


@dataclass(frozen=True)
class NetworkTables:
    """What the evidence of all scans says together, of one network."""

    tables: Tables

    @property
    def entries(self) -> Entries:
        return entries_used(methods=self.tables.settings.methods)

    @property
    def outputs(self) -> list[Path]:
        return self.tables.outputs

    def do(self, executor: Executor | None = None) -> None:
        write_tables(self.tables, executor or SerialExecutor())


@dataclass(frozen=True)
class Measured:
    """What evidence is measured on.

    Attributes:
        prepared: all scans.
        pictures: of the scans that were learnt from.
        planned: every run, trained.
        people: what groups are compared beside, by subject.
    """

    prepared: Sequence[PreparedScan]
    pictures: Sequence[ScanPictures]
    planned: Sequence[Planned]
    people: Mapping[str, Mapping[str, str]]


def measure_networks(study: Study, measured: Measured) -> None:
    """Measure the maps of every network with the first seed, and where maps are of all seeds their consensus.

    Raises:
        InputError: a class or layer of the settings is not there, or no scan could be measured.
    """
    groups = {scan.scan: scan.group for scan in measured.pictures}
    configuration = study.configuration
    truth = find_truth(configuration.cohort.input, configuration.evidence, measured.prepared, groups)
    if truth.remark:
        say(study.work.console, truth.remark)
    laid = lay_truth(study, measured.prepared, truth, groups)
    found = [
        (judged, _measure_network(study, measured, truth, laid, judged))
        for judged in all_judged(configuration, measured.planned)
    ]
    if study.work.only:
        return
    held_out = found[0][0].held_out(measured.planned)
    recommend_map(study, found, to_explain(configuration, measured.prepared, held_out), measured.planned)


def read_covariates(
    study: Study, scans: Sequence[Scan], pictures: Sequence[ScanPictures]
) -> dict[str, dict[str, str]]:
    """By subject, the covariates of its first scan, as the tables have them.

    Raises:
        InputError: a column that the settings name is not there, or somebody who is learnt from lacks it.
    """
    wanted = study.configuration.evidence.covariates
    columns = USUAL if wanted is None else wanted
    if not columns:
        return {}
    people = read_people(study.configuration.cohort.input, scans, columns, required=wanted is not None)
    first: dict[str, dict[str, str]] = {}
    for scan in scans:
        first.setdefault(f"sub-{scan.subject}", people[scan.name])
    covariates_of(first, sorted({scan.subject for scan in pictures}), wanted)
    return first


def _measure_network(
    study: Study, measured: Measured, truth: KnownTruth, laid: LaidTruth, judged: Judged
) -> Tables:
    """Every scan by the runs that held its subject out, then the tables, which are returned."""
    configuration, work, planned = study.configuration, study.work, measured.planned
    settings = configuration.evidence
    folder = study.folders.evidence / judged.name
    held_out, runs = judged.held_out(planned), judged.runs(planned)
    _check_settings(*load_once(trained_model(study, runs[0])), settings)
    group_of = {scan.scan: scan.group for scan in measured.pictures}
    entries = {}
    scans, learnt_from = unseen(
        to_explain(configuration, measured.prepared, held_out), held_out, planned, judged.model
    )
    for scan in scans:
        by, group = judged.runs_for(scan, planned), group_of.get(scan.name, "")
        others = {} if judged.consensus else others_of(planned, by[0], scan)
        task = Evidence(
            models=tuple(trained_model(study, run) for run in by),
            others=tuple(
                (change, tuple(trained_model(study, other) for other in found))
                for change, found in others.items()
            ),
            given=ScanInputs(
                scan=scan,
                group=group,
                masks=truth.masks[scan.name],
                truth=truth.of(scan.name, group),
                prior=truth_of_others(laid, group, f"sub-{scan.subject}"),
                strangers=strangers_of(
                    scan, measured.prepared, held_out, settings.strangers, seed=configuration.seed
                ),
                donors=donors_of(
                    scan, measured.prepared, group_of, held_out, settings.donors, seed=configuration.seed
                ),
                sequence=configuration.explain.sequence,
                settings=settings.of_scans(),
                seed=configuration.seed,
            ),
            atlas_names=_atlas_names(settings),
            out=ScanEvidence(folder / "scans", scan.name),
        )
        entries[scan.name] = work.cache.entry(task, makes=[task.out])
    done = work.do(f"evidence {judged.name}", entries, networks=True)
    if not done and not work.only:
        raise InputError(
            f"evidence: no scan could be measured; see {study.folders.left_out} for the reasons."
        )
    tables = Tables(
        scans=tuple(ScanEvidence(folder / "scans", name) for name in sorted(done)),
        people=measured.people,
        settings=settings,
        seed=configuration.seed,
        warning=SLICES_OF_ONE_PERSON if configuration.split.unit == "slice" else "",
        model=judged.name,
        networks=len(configuration.seeds) if judged.consensus else 1,
        judged_together=sum(one.network == judged.network for one in all_judged(configuration, planned)),
        truth=truth.structures,
        remark=truth.remark,
        learnt_from=learnt_from,
        learnt=has_learned(study.folders.evaluation / judged.name),
        trained={run.name: work.cache.made[study.folders.models / run.name] for run in runs},
        folder=folder,
        given=configuration.given is not None,
    )
    together = NetworkTables(tables)
    if not work.only:
        with work.workers.place() as place:
            work.once("evidence tables", together, item=judged.name, do=lambda: together.do(place.executor))
    return tables


def has_learned(evaluation: Path) -> bool | None:
    """Whether the held-out balanced accuracy of subjects was shown to be above chance; None where it is not there.

    The lower end of its interval has to lie above chance.
    """
    metrics = evaluation / "metrics.json"
    if not metrics.is_file():
        return None
    found = read_json(metrics, "run `stratacam run` again.")["subjects"]["balanced_accuracy"]
    if found["interval"] is None or found["chance"] is None:
        return None
    return bool(found["interval"][0] > found["chance"])


def _atlas_names(settings: EvidenceSettings) -> Path | None:
    """The table of names of the user's atlas, where there is one."""
    names = None if settings.atlas is None else names_of(settings.atlas)
    return names if names and names.is_file() else None


def _check_settings(model: nn.Module, card: ModelCard, settings: EvidenceSettings) -> None:
    """Check the names of the class and of layers before anything is measured.

    Raises:
        InputError: the class is not the model's, or a name or pattern matches no layer.
    """
    for key, name, known in (
        ("target", settings.target, (PREDICTED, *card.classes)),
        ("group_class", settings.group_class or card.classes[0], card.classes),
    ):
        if name not in known:
            raise InputError(
                f"evidence.{key}: found {name!r}; expected one of {', '.join(known)}: correct the name."
            )
    check_layers(model, settings)
