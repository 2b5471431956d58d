"""Maps of trained networks scored on the slices that were held out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.planting.score import CONSENSUS, SINGLE, PlantedSlice, ScoredSlice, score_maps
from stratacam.evidence.values import Value
from stratacam.files import read_json, write_json
from stratacam.learning import ScanPictures, SliceDataset, make_dataset
from stratacam.maps import Consensus
from stratacam.study.trained import TrainedModel, load_once
from stratacam.study.training import read_predictions
from stratacam.study.truth_benchmark.planting import person_of, truth_file

Example = tuple[PlantedSlice, ScoredSlice]


@dataclass(frozen=True)
class ScoreFold:
    """The scores of the maps of a fold's networks: of the first, and of the consensus where there are several.

    Slices are scored that both classify right.

    Attributes:
        models: of one architecture.
        predictions: of each.
        truths: what was planted into the pictures.
        targeted: the classes that have targets.
        maximum: slices of each scan and class, at most.
    """

    models: tuple[TrainedModel, ...]
    predictions: tuple[Path, ...]
    pictures: tuple[ScanPictures, ...]
    truths: tuple[Path, ...]
    classes: tuple[str, ...]
    targeted: tuple[str, ...]
    methods: tuple[str, ...]
    smoothgrad: bool
    maximum: int
    seed: int
    file: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.file,)

    def do(self) -> None:
        dataset, right = self._held_out()
        found = {}
        layers: dict[str, tuple[str, ...]] = {}
        for rows in self._chosen(dataset, right):
            for row, (one, scores) in zip(rows, self._score(dataset, rows), strict=True):
                layers = {"layers": scores.layers, "fused": scores.fused}
                found[f"{dataset.scans[dataset.scan[row]].scan} {dataset.position[row]}"] = {
                    "place": _place_of(dataset, row),
                    "group": one.group,
                    "values": scores.values,
                }
        write_json(
            self.file,
            {
                "places": [_place_of(dataset, row) for row in range(len(dataset))],
                "right": {name: known.tolist() for name, known in right.items()},
                **(layers or {"layers": (), "fused": ()}),
                "slices": found,
            },
        )

    def examples(self) -> list[Example]:
        """A slice of the first and of the last scan that was scored, with their maps."""
        dataset, right = self._held_out()
        scans = self._chosen(dataset, right)
        return [next(self._score(dataset, rows)) for rows in (scans[:1] + scans[1:][-1:])]

    def _held_out(self) -> tuple[SliceDataset, dict[str, NDArray[np.bool_]]]:
        """The slices that were held out, and by whose it is, whether their class is predicted."""
        predictions = [read_predictions(file) for file in self.predictions]
        dataset = make_dataset(self.pictures, self.classes).take(predictions[0].row)
        logits = {SINGLE: predictions[0].logits}
        if len(predictions) > 1:
            logits[CONSENSUS] = np.mean([one.logits for one in predictions], axis=0)
        return dataset, {name: given.argmax(axis=1) == dataset.label for name, given in logits.items()}

    def _score(self, dataset: SliceDataset, rows: Sequence[int]) -> Iterator[Example]:
        """The scores of slices of one scan and class, which are explained together."""
        members = [load_once(model)[0] for model in self.models]
        networks = {SINGLE: members[0]}
        if len(members) > 1:
            networks[CONSENSUS] = Consensus(members)
        slices = [_slice_of(dataset, row) for row in rows]
        label = int(dataset.label[rows[0]])
        scored = score_maps(networks, slices, label, self.methods, seed=self.seed, smoothgrad=self.smoothgrad)
        return zip(slices, scored, strict=True)

    def _chosen(self, dataset: SliceDataset, right: Mapping[str, NDArray[np.bool_]]) -> list[list[int]]:
        """By scan and class with targets, slices that are classified right, evenly spaced, at most so many of each."""
        chosen = []
        for number, scan in enumerate(dataset.scans):
            rows = np.flatnonzero(np.all(list(right.values()), axis=0) & (dataset.scan == number))
            if scan.group in self.targeted:
                with np.load(truth_file(scan)) as planted:  # shuffled, some slices of the class have none
                    rows = rows[planted["truth"][dataset.position[rows]].any(axis=(1, 2))]
                chosen.append(rows[:: max(1, -(-len(rows) // self.maximum))].tolist())
        return [rows for rows in chosen if rows]


class Place(NamedTuple):
    """Where a slice is from: the person, and its level in the scan."""

    person: str
    level: int


@dataclass(frozen=True)
class SliceScores:
    """Scores of the maps of one slice, by whose they are, and its class."""

    place: Place
    group: str
    values: Mapping[str, list[Value]]


@dataclass(frozen=True)
class ScoredFold:
    """What `ScoreFold` wrote.

    Attributes:
        places: of the held-out slices.
        right: by whose it is, whether the class of each is predicted.
        layers: of the networks, shallow to deep.
        fused: maps over several layers.
        slices: the scores of those that were scored.
    """

    places: Sequence[Place]
    right: Mapping[str, Sequence[bool]]
    layers: tuple[str, ...]
    fused: tuple[str, ...]
    slices: Mapping[str, SliceScores]


def read_scores(file: Path) -> ScoredFold:
    """Read the scores of a fold."""
    content = read_json(file, "run `stratacam benchmark-truth` again.")
    slices = {
        name: SliceScores(
            Place(*one["place"]),
            one["group"],
            {networks: [Value(*value) for value in values] for networks, values in one["values"].items()},
        )
        for name, one in content["slices"].items()
    }
    places = [Place(*place) for place in content["places"]]
    return ScoredFold(places, content["right"], tuple(content["layers"]), tuple(content["fused"]), slices)


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
