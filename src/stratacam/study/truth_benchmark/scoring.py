"""Maps of a trained network scored on the slices that it held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.planting.score import PlantedSlice, ScoredSlice, score_maps
from stratacam.evidence.values import Value
from stratacam.files import read_json, write_json
from stratacam.learning import ScanPictures, SliceDataset, make_dataset
from stratacam.study.trained import TrainedModel, load_once
from stratacam.study.training import read_predictions
from stratacam.study.truth_benchmark.planting import person_of, truth_file

Example = tuple[PlantedSlice, ScoredSlice]


@dataclass(frozen=True)
class ScoreFold:
    """The scores of the maps of a fold's network.

    Attributes:
        truths: what was planted into the pictures.
        maximum: slices of each scan and class, at most.
    """

    model: TrainedModel
    predictions: Path
    pictures: tuple[ScanPictures, ...]
    truths: tuple[Path, ...]
    classes: tuple[str, ...]
    methods: tuple[str, ...]
    maximum: int
    seed: int
    file: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.file,)

    def do(self) -> None:
        dataset, logits = self._held_out()
        found = {}
        layers: tuple[str, ...] = ()
        for number, row in enumerate(self._chosen(dataset, logits), start=1):
            one, scores = self._score(dataset, row, number)
            layers = scores.layers
            found[f"{dataset.scans[dataset.scan[row]].scan} {dataset.position[row]}"] = {
                "place": _place_of(dataset, row),
                "group": one.group,
                "values": scores.values,
            }
        right = logits.argmax(axis=1) == dataset.label
        write_json(
            self.file,
            {
                "right": [(_place_of(dataset, row), bool(right[row])) for row in range(len(dataset))],
                "layers": layers,
                "slices": found,
            },
        )

    def examples(self) -> list[Example]:
        """The first and the last slice that were scored, with their maps."""
        dataset, logits = self._held_out()
        rows = self._chosen(dataset, logits)
        return [
            self._score(dataset, rows[number - 1], number) for number in dict.fromkeys((1, len(rows))) if rows
        ]

    def _held_out(self) -> tuple[SliceDataset, NDArray[np.float64]]:
        """The slices that were held out, and their logits."""
        predictions = read_predictions(self.predictions)
        return make_dataset(self.pictures, self.classes).take(predictions.row), predictions.logits

    def _score(self, dataset: SliceDataset, row: int, number: int) -> Example:
        """The scores of a slice, which is the one with this number, from 1."""
        one = _slice_of(dataset, row)
        model, _ = load_once(self.model)
        return one, score_maps(model, one, int(dataset.label[row]), self.methods, seed=self.seed + number)

    def _chosen(self, dataset: SliceDataset, logits: NDArray[np.float64]) -> list[int]:
        """Slices that are classified right, evenly spaced, at most so many of each scan and class."""
        right = logits.argmax(axis=1) == dataset.label
        chosen: list[int] = []
        for scan in range(len(dataset.scans)):
            rows = np.flatnonzero(right & (dataset.scan == scan))
            chosen += rows[:: max(1, -(-len(rows) // self.maximum))].tolist()
        return chosen


class Place(NamedTuple):
    """Where a slice is from: the person, and its level in the scan."""

    person: str
    level: int


@dataclass(frozen=True)
class SliceScores:
    """Scores of the maps of one slice, and its class."""

    place: Place
    group: str
    values: list[Value]


@dataclass(frozen=True)
class ScoredFold:
    """What `ScoreFold` wrote: whether each held-out slice is classified right, layers, and scores by slice."""

    right: list[tuple[Place, bool]]
    layers: tuple[str, ...]
    slices: Mapping[str, SliceScores]


def read_scores(file: Path) -> ScoredFold:
    """Read the scores of a fold."""
    content = read_json(file, "run `stratacam benchmark-truth` again.")
    slices = {
        name: SliceScores(Place(*one["place"]), one["group"], [Value(*value) for value in one["values"]])
        for name, one in content["slices"].items()
    }
    right = [(Place(*place), known) for place, known in content["right"]]
    return ScoredFold(right, tuple(content["layers"]), slices)


def _place_of(dataset: SliceDataset, row: int) -> Place:
    return Place(person_of(dataset.subjects[dataset.subject[row]]), int(dataset.slice_index[row]))


def _slice_of(dataset: SliceDataset, row: int) -> PlantedSlice:
    """A planted slice, and what is needed to score its maps."""
    scan = dataset.scans[dataset.scan[row]]
    position = int(dataset.position[row])
    image = dataset.read([row])[0].numpy()
    with np.load(truth_file(scan)) as planted:
        return PlantedSlice(
            group=scan.group,
            scan=scan.scan.removesuffix(f"_{scan.group}"),
            image=image,
            picture=image[int(planted["shown"])],
            truth=planted["truth"][position],
            decoys=planted["decoys"][position],
            brain=dataset.read_brain([row])[0, 0].numpy() > 0,
            pixel_mm=float(planted["pixel_mm"]),
        )
