"""Maps of a trained network scored on the slices that it held out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.planting.judge import Judged, PlantedSlice, judge
from stratacam.evidence.values import Value
from stratacam.files import whole_file, write_json
from stratacam.learning import ScanPictures, SliceDataset, make_dataset
from stratacam.study.steps.train import read_predictions
from stratacam.study.trained import TrainedModel, load_once
from stratacam.study.truth_benchmark.planting import person_of, truth_file

Example = tuple[PlantedSlice, Judged]


@dataclass(frozen=True)
class ScoreFold:
    """The scores of the maps of a fold's network.

    Attributes:
        model: trained.
        predictions: of the slices that were held out.
        pictures: of every scan and class.
        truths: what was planted into these.
        classes: in order.
        methods: whose maps are scored.
        most: slices of each scan and class, at most.
        seed: of random maps.
        out: folder of the scores.
    """

    model: TrainedModel
    predictions: Path
    pictures: tuple[ScanPictures, ...]
    truths: tuple[Path, ...]
    classes: tuple[str, ...]
    methods: tuple[str, ...]
    most: int
    seed: int
    out: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Scores, and the slices that are shown."""
        return self.out / "scores.json", self.out / "examples.npz"

    def do(self) -> None:
        """Score them."""
        model, _ = load_once(self.model)
        predictions = read_predictions(self.predictions)
        dataset = make_dataset(self.pictures, self.classes).take(predictions.row)
        rows = self._chosen(dataset, predictions.logits)
        slices, shown = {}, []
        layers: tuple[str, ...] = ()
        for done, row in enumerate(rows, start=1):
            one = _slice_of(dataset, row)
            found = judge(model, one, int(dataset.label[row]), self.methods, seed=self.seed + done)
            layers = found.layers
            slices[f"{dataset.scans[dataset.scan[row]].scan} {dataset.position[row]}"] = {
                "subject": person_of(dataset.subjects[dataset.subject[row]]),
                "level": int(dataset.slice_index[row]),
                "values": found.values,
            }
            if done in {1, len(rows)}:
                shown.append((one, found))
        right = int((predictions.logits.argmax(axis=1) == dataset.label).sum())
        _write_examples(self.out / "examples.npz", shown)
        write_json(
            self.out / "scores.json",
            {"right": right, "count": len(dataset), "layers": layers, "slices": slices},
        )

    def _chosen(self, dataset: SliceDataset, logits: NDArray[np.float64]) -> list[int]:
        """Slices that are classified right, evenly spaced, at most so many of each scan and class."""
        right = logits.argmax(axis=1) == dataset.label
        chosen: list[int] = []
        for scan in range(len(dataset.scans)):
            rows = np.flatnonzero(right & (dataset.scan == scan))
            chosen += rows[:: max(1, -(-len(rows) // self.most))].tolist()
        return chosen


@dataclass(frozen=True)
class ScoredSlice:
    """Scores of the maps of one slice."""

    subject: str
    level: int
    values: list[Value]


@dataclass(frozen=True)
class ScoredFold:
    """What `ScoreFold` wrote: slices classified right and in all, layers, and scores by slice."""

    right: int
    count: int
    layers: tuple[str, ...]
    slices: Mapping[str, ScoredSlice]


def read_scores(file: Path) -> ScoredFold:
    """Read the scores of a fold."""
    content = json.loads(file.read_text(encoding="utf-8"))
    slices = {
        name: ScoredSlice(one["subject"], one["level"], [Value(*value) for value in one["values"]])
        for name, one in content["slices"].items()
    }
    return ScoredFold(content["right"], content["count"], tuple(content["layers"]), slices)


def read_examples(file: Path, layers: tuple[str, ...]) -> list[Example]:
    """Read the slices that are shown, without their scores."""
    found = []
    with np.load(file) as content:
        for number in range(int(content["count"])):
            part = {
                name.removeprefix(f"{number}/"): content[name]
                for name in content.files
                if name.startswith(f"{number}/")
            }
            heat = {
                tuple(name.split("/")[1:]): values
                for name, values in part.items()
                if name.startswith("heat/")
            }
            one = PlantedSlice(
                title=str(part["title"]),
                image=part["image"],
                picture=part["picture"],
                truth=part["truth"],
                brain=part["brain"],
                pixel_mm=float(part["pixel_mm"]),
            )
            found.append((one, Judged([], layers, heat)))
    return found


def _write_examples(file: Path, examples: list[Example]) -> None:
    content = {"count": np.array(len(examples))}
    for number, (one, judged) in enumerate(examples):
        content |= {f"{number}/{name}": np.asarray(value) for name, value in vars(one).items()}
        content |= {
            f"{number}/heat/{method}/{layer}": np.asarray(heat)
            for (method, layer), heat in judged.heat.items()
        }
    with whole_file(file) as temporary, temporary.open("wb") as open_file:
        np.savez_compressed(open_file, **content)  # type: ignore[arg-type]  # the stub takes the names for options


def _slice_of(dataset: SliceDataset, row: int) -> PlantedSlice:
    """A planted slice, and what is needed to score its maps."""
    scan = dataset.scans[dataset.scan[row]]
    position = int(dataset.position[row])
    image = dataset.read([row])[0].numpy()
    with np.load(truth_file(scan)) as planted:
        return PlantedSlice(
            title=f"{scan.group}\n{scan.scan.removesuffix(f'_{scan.group}')}",
            image=image,
            picture=image[int(planted["shown"])],
            truth=planted["truth"][position],
            brain=planted["brain"][position],
            pixel_mm=float(planted["pixel_mm"]),
        )
