"""What a finished study left on disk, read for the report and checked to be there."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stratacam.errors import InputError
from stratacam.maps import ScanMaps, find_maps
from stratacam.networks import ModelCard
from stratacam.networks.saved import CARD
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.folders import StudyFolders

Row = Mapping[str, str]

HELD_OUT = "test"


@dataclass(frozen=True)
class StudyContent:
    """A finished study, without the arrays: volumes and maps are opened by those who draw them.

    Attributes:
        folders: where it all is.
        configuration: with every default written out.
        card: of the trained model.
        group: subject ("sub-01") to group, for every subject of the split.
        part: subject to "train", "validation" or "test".
        scans: prepared scans by name.
        maps: maps by the name of their scan.
        metrics: content of `metrics.json`.
        predictions: one row per held-out subject.
        history: of training; empty where it was not kept.
        left_out: scans that could not be used: name, step, reason.
        provenance: versions, machine and times; empty where it was not kept.
        data_set: the BIDS description of the cohort; empty where there is none.
    """

    folders: StudyFolders
    configuration: Mapping[str, Any]
    card: ModelCard
    group: Mapping[str, str]
    part: Mapping[str, str]
    scans: Mapping[str, PreparedScan]
    maps: Mapping[str, ScanMaps]
    metrics: Mapping[str, Any]
    predictions: tuple[Row, ...]
    history: Mapping[str, Any]
    left_out: tuple[Row, ...]
    provenance: Mapping[str, Any]
    data_set: Mapping[str, Any]

    @property
    def delivered(self) -> Path:
        """The cohort as delivered: a BIDS folder or a table."""
        return Path(self.configuration["cohort"]["input"])

    @property
    def sequence(self) -> str:
        """The sequence that heat is laid over."""
        return shown_sequence(self.card)

    @property
    def synthetic(self) -> bool:
        """Whether the data set says of itself that it is a phantom, simulated or synthetic."""
        words = json.dumps(self.data_set).lower()
        return any(word in words for word in ("synthetic", "phantom", "simulated"))


def read_study(folders: StudyFolders) -> StudyContent:
    """Read a finished study.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    _expect(folders.configuration, "the study's configuration", "stratacam run")
    configuration = _read_json(folders.configuration)
    if not folders.prepared.is_dir() or not (scans := find_prepared(folders.prepared)):
        raise _missing(folders.prepared, "prepared scans", "stratacam prepare")
    _expect(folders.model / CARD, "a trained model", "stratacam run")
    _expect(folders.model / "split.tsv", "the split of the subjects", "stratacam run")
    for name in ("metrics.json", "predictions_subjects.tsv"):
        _expect(folders.evaluation / name, "the evaluation of the model", "stratacam run")
    if not folders.maps.is_dir() or not (maps := find_maps(folders.maps)):
        raise _missing(folders.maps, "maps", "stratacam explain")
    split = _read_table(folders.model / "split.tsv")
    try:
        return StudyContent(
            folders=folders,
            configuration=configuration,
            card=ModelCard.model_validate(_read_json(folders.model / CARD)),
            group={subject_label(row["subject"]): row["group"] for row in split},
            part={subject_label(row["subject"]): row["part"] for row in split},
            scans={scan.name: scan for scan in scans},
            maps={found.name: found for found in maps},
            metrics=_read_json(folders.evaluation / "metrics.json"),
            predictions=_read_table(folders.evaluation / "predictions_subjects.tsv"),
            history=_read_json_if_there(folders.model / "history.json"),
            left_out=_read_table(folders.left_out) if folders.left_out.is_file() else (),
            provenance=_read_json_if_there(folders.provenance),
            data_set=_read_json_if_there(Path(configuration["cohort"]["input"]) / "dataset_description.json"),
        )
    except (KeyError, ValidationError) as fault:
        raise InputError(
            f"{folders.root}: the study cannot be read ({fault}); repeat it with `stratacam run`."
        ) from fault


def shown_sequence(card: ModelCard) -> str:
    """The sequence that heat is laid over: FLAIR where the network saw it, or else the first."""
    sequences = card.input["sequences"]
    return "FLAIR" if "FLAIR" in sequences else str(sequences[0])


def subject_label(name: str) -> str:
    """The subject that a subject or a scan is of.

    Example:
        >>> subject_label("sub-01_ses-2"), subject_label("01")
        ('sub-01', 'sub-01')
    """
    return "sub-" + name.removeprefix("sub-").split("_")[0]


def _expect(path: Path, what: str, command: str) -> None:
    if not path.is_file():
        raise _missing(path, what, command)


def _missing(path: Path, what: str, command: str) -> InputError:
    return InputError(f"{path}: not found; expected {what}: the study is unfinished, go on with `{command}`.")


def _read_table(path: Path) -> tuple[Row, ...]:
    with path.open(encoding="utf-8", newline="") as table:
        return tuple(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as fault:
        raise InputError(
            f"{path}: cannot be read ({fault}); repeat the study with `stratacam run`."
        ) from fault
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; repeat the study with `stratacam run`.")
    return content


def _read_json_if_there(path: Path) -> Mapping[str, Any]:
    return _read_json(path) if path.is_file() else {}
