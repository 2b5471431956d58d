"""What a finished study left on disk, read for the report and checked to be there."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stratacam.errors import InputError
from stratacam.evidence.claims import last_convolution
from stratacam.files import read_json, read_table
from stratacam.maps import FoundMaps, ScanMaps, explained_sequence, read_all, scan_of
from stratacam.maps.fused import is_fused
from stratacam.maps.store import Place
from stratacam.networks import ModelCard, branch_shown, by_branch, is_given, network_title
from stratacam.networks.cards import CARD
from stratacam.report.content.files import REPEAT, Row, expect, json_if_there, missing, table_if_there
from stratacam.report.content.models import EvaluatedModel, read_models
from stratacam.report.content.recommended import Recommended, read_recommended
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.folders import StudyFolders
from stratacam.study.map_reliability import RELIABILITY
from stratacam.study.runs import is_of_these_models, read_runs


@dataclass(frozen=True)
class StudyContent:
    """A finished study, without the arrays: volumes and maps are opened by those who draw them.

    Attributes:
        folders: where it all is.
        configuration: with every default written out.
        models: every network and seed; the first is the one whose maps there are.
        card: of the first run.
        group: subject ("sub-01") to group, for every subject of the split.
        part: subject to "train", "validation" or "test", or to "held out in fold 3"; empty where slices were split.
        slices_of_part: slices in each part where slices were split; empty otherwise.
        scans: prepared scans by name.
        maps: maps by the name of their scan.
        recommended: which of all judged maps is recommended, or why none is; None where that was not measured.
        recommended_maps: maps by the name of their scan, of the method, networks and layer recommended.
        damaged_maps: stores that cannot be read, each with the reason; they are among those left out, too.
        reliability: rows of `reliability.tsv`, of maps and of those recommended; none where they are of one network.
        predictions: of the first network and seed, one row per held-out subject.
        comparison: of all networks and baselines; empty where there is none.
        baselines: their titles, and why others were left out; empty where there are none.
        confounds: what the group, and the outputs within the groups, follow from; empty where it was not audited.
        sample_size: what the numbers of the study can show; empty where it is not known.
        leakage: what a split by slice does; empty where it was not measured.
        permutations: p-values of the first network by training on permuted groups; empty where that was not done.
        left_out: scans that could not be used: name, step, reason.
        provenance: versions, machine and times; empty where it was not kept.
        resources: what every task took; none where it was not kept.
        data_set: the BIDS description of the cohort; empty where there is none.
    """

    folders: StudyFolders
    configuration: Mapping[str, Any]
    models: tuple[EvaluatedModel, ...]
    card: ModelCard
    group: Mapping[str, str]
    part: Mapping[str, str]
    slices_of_part: Mapping[str, int]
    scans: Mapping[str, PreparedScan]
    maps: Mapping[str, ScanMaps]
    recommended: Recommended | None
    recommended_maps: Mapping[str, ScanMaps]
    damaged_maps: Mapping[Place, str]
    reliability: tuple[Row, ...]
    predictions: tuple[Row, ...]
    comparison: Mapping[str, Any]
    baselines: Mapping[str, Any]
    confounds: Mapping[str, Any]
    sample_size: Mapping[str, Any]
    leakage: Mapping[str, Any]
    permutations: Mapping[str, Any]
    left_out: tuple[Row, ...]
    provenance: Mapping[str, Any]
    resources: tuple[Row, ...]
    data_set: Mapping[str, Any]

    @property
    def main(self) -> EvaluatedModel:
        """The network and seed whose maps there are."""
        return self.models[0]

    @property
    def networks(self) -> tuple[EvaluatedModel, ...]:
        """The first seed of every network."""
        first: dict[str, EvaluatedModel] = {}
        for model in self.models:
            first.setdefault(model.network, model)
        return tuple(first.values())

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Of the first network and seed."""
        return self.main.metrics

    @property
    def warning(self) -> str:
        """What stands beside everything that comes of the split; empty where there is nothing to warn of."""
        return str(self.metrics.get("warning", ""))

    @property
    def given(self) -> bool:
        """Whether the classifier was given, and not trained by the study."""
        return is_given(self.card.architecture)

    @property
    def picture(self) -> str:
        """What networks see at once: a slice, or a volume."""
        return "slice" if self.card.dimensions == 2 else "volume"

    @property
    def by_slice(self) -> bool:
        """Whether slices were split, so that no subject was held out."""
        return bool(self.slices_of_part)

    @property
    def fold_of(self) -> Mapping[str, int]:
        """Subject to the fold that held it out; empty where there is one split."""
        return {
            subject_label(subject): trained.run.fold
            for trained in self.main.runs
            if trained.run.fold
            for subject in trained.held_out
        }

    @property
    def held_out(self) -> frozenset[str]:
        """The subjects that a run of the first network and seed held out: all where there are folds."""
        return frozenset(subject_label(name) for trained in self.main.runs for name in trained.held_out)

    @property
    def delivered(self) -> Path:
        """The cohort as delivered: a BIDS folder or a table."""
        return Path(self.configuration["cohort"]["input"])

    @property
    def sequence(self) -> str:
        """The sequence that heat is laid over."""
        return explained_sequence(self.card, self.configuration.get("explain", {}).get("sequence"))

    @property
    def synthetic(self) -> bool:
        """Whether the data set says of itself that it is a phantom, simulated or synthetic."""
        words = json.dumps(self.data_set).lower()
        return any(word in words for word in ("synthetic", "phantom", "simulated"))

    @property
    def last_convolution(self) -> str:
        """The last layer that there are maps of and that is no pool, by its name."""
        layers = self.layers_in_depth(next(iter(self.maps.values())))
        return last_convolution(layers, [layer for layer in layers if layer.endswith("pool")])

    def layers_in_depth(self, maps: ScanMaps) -> tuple[str, ...]:
        """The network's own layers, shallow to deep; with late fusion those of the branch of `sequence`."""
        layers = own_layers(maps)
        return by_branch(layers, branch_shown(layers, self.card.branches, self.sequence))[0]

    def title_of(self, model: EvaluatedModel) -> str:
        """A model's name for readers: its network, and its seed where there are several."""
        seeds = len({other.seed for other in self.models})
        return network_title(model.network) + (f" (seed {model.seed})" if seeds > 1 else "")


def own_layers(maps: ScanMaps) -> list[str]:
    """The network's own layers, without means over layers; these where there is nothing else."""
    return [layer for layer in maps.layers if not is_fused(layer)] or list(maps.layers)


def read_study(folders: StudyFolders) -> StudyContent:
    """Read a finished study.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    configuration = read_json(expect(folders.configuration, "the study's configuration"), REPEAT)
    if not folders.prepared.is_dir() or not (scans := _scans(folders)):
        raise missing(folders.prepared, "prepared scans")
    expect(folders.runs, "the list of trained models")
    try:
        runs = read_runs(folders.runs)
        first = folders.models / runs[0].run.name
        card = ModelCard.model_validate(read_json(expect(first / CARD, "a trained model"), REPEAT))
        split = read_table(expect(first / "split.tsv", "the split of the subjects"))
        predictions = folders.evaluation / runs[0].run.model / "predictions_subjects.tsv"
        expect(predictions, "the evaluation of the model")
        models = read_models(folders, runs)
        found = read_all(folders.maps)
        if not found.maps:
            raise next(
                (InputError(f"{store}: {fault}") for store, fault in found.damaged.items()),
                missing(folders.maps, "maps"),
            )
        by_slice = bool(split) and "slice" in split[0]
        recommended = read_recommended(folders, [trained.run for trained in runs])
        chosen = recommended and recommended.chosen
        believed = read_all(folders.recommended_maps) if chosen else FoundMaps((), {})
        damaged = {**found.damaged, **believed.damaged}
        return StudyContent(
            folders=folders,
            configuration=configuration,
            models=models,
            card=card,
            group=_groups(split),
            part={} if by_slice else _parts(split, models[0]),
            slices_of_part=Counter(row["part"] for row in split) if by_slice else {},
            scans={scan.name: scan for scan in scans},
            maps={maps.name: maps for maps in found.maps},
            recommended=recommended,
            recommended_maps={maps.name: maps for maps in believed.maps},
            damaged_maps=damaged,
            reliability=(
                *table_if_there(folders.recommended_maps / RELIABILITY),
                *table_if_there(folders.reliability),
            ),
            predictions=table_if_there(predictions),
            comparison=json_if_there(folders.comparison),
            baselines=json_if_there(folders.evaluation / "baselines.json"),
            confounds=json_if_there(folders.confounds),
            sample_size=json_if_there(folders.sample_size),
            leakage=_of_these_models(folders, folders.leakage / "leakage.json"),
            permutations=_of_these_models(folders, folders.permutations / "permutations.json"),
            left_out=(*table_if_there(folders.left_out), *_rows_of(damaged)),
            provenance=json_if_there(folders.provenance),
            resources=tuple(table_if_there(folders.resources)),
            data_set=json_if_there(Path(configuration["cohort"]["input"]) / "dataset_description.json"),
        )
    except (KeyError, ValidationError) as fault:
        raise InputError(
            f"{folders.root}: the study cannot be read ({fault}); expected a finished one: "
            "repeat it with `stratacam run`."
        ) from fault


def _rows_of(damaged: Mapping[Place, str]) -> list[Row]:
    """Stores that cannot be read, as scans that were left out."""
    return [{"name": scan_of(store), "step": "maps", "reason": fault} for store, fault in damaged.items()]


def subject_label(name: str) -> str:
    """The subject that a subject or a scan is of.

    Example:
        >>> subject_label("sub-01_ses-2"), subject_label("01")
        ('sub-01', 'sub-01')
    """
    return "sub-" + name.removeprefix("sub-").split("_")[0]


def _groups(split: Sequence[Row]) -> dict[str, str]:
    """Subject to the group of its first scan."""
    groups: dict[str, str] = {}
    for row in sorted(split, key=lambda row: row.get("scan", "")):
        groups.setdefault(subject_label(row["subject"]), row["group"])
    return groups


def _parts(split: Sequence[Row], model: EvaluatedModel) -> dict[str, str]:
    """Subject to its part, or to the fold that held it out."""
    if not model.folds:
        return {subject_label(row["subject"]): row["part"] for row in split}
    return {
        subject_label(subject): f"held out in fold {trained.run.fold}"
        for trained in model.runs
        for subject in trained.held_out
    }


def _scans(folders: StudyFolders) -> list[PreparedScan]:
    """The study's prepared scans; those of other studies may be in the same folder."""
    scans = find_prepared(folders.prepared)
    if folders.shared is None:
        return scans
    return [scan for scan in scans if (folders.pictures / f"{scan.name}.npy").is_file()]


def _of_these_models(folders: StudyFolders, file: Path) -> Mapping[str, Any]:
    """What was measured of models as they are trained now."""
    found = json_if_there(file)
    return found if is_of_these_models(folders, found) else {}
