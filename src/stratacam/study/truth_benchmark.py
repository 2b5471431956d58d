"""The benchmark with truth: lesions planted, a network trained to tell their classes apart, and its maps judged."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from stratacam.errors import InputError
from stratacam.evidence.planting import (
    Anatomy,
    phantom_shapes,
    plant_scan,
    read_anatomy,
    read_shapes,
    two_kinds,
)
from stratacam.evidence.planting.judge import Judged, PlantedSlice, judge, verdict
from stratacam.evidence.planting.plant import CLASSES, Difference
from stratacam.evidence.values import Summary, Value, by_subject, summarise, write_rows
from stratacam.files import write_json
from stratacam.learning import (
    ScanPictures,
    SliceDataset,
    TrainSettings,
    compute_logits,
    keep_activations,
    kept_inputs,
    make_dataset,
    save_pictures,
    train,
)
from stratacam.networks import default_weights, frozen_prefix
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.progress import step_progress
from stratacam.study.training import FirstNetwork

FEWEST_SUBJECTS = 3
VALIDATION = 5
"""Every so many levels of the training scans decide when to stop."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is planted, learnt and judged.

    Attributes:
        difference: what tells the two classes apart, "shape" or "place".
        architecture: of the network.
        methods: whose maps are judged, besides SmoothGrad.
        size: pixels of a picture.
        every: take every n-th slice.
        part: of the kept slices.
        area: pixels of a lesion.
        lesions: in a slice.
        copies: of each slice, with other lesions, in each class.
        epochs: of training.
        judged: slices of each scan and class that are judged, at most.
        seed: of everything random.
    """

    difference: Difference = "shape"
    architecture: str = "vgg16"
    methods: tuple[str, ...] = ("gradcam", "layercam")
    size: int = 128
    every: int = 2
    part: tuple[float, float] = (0.3, 0.85)
    area: int = 40
    lesions: int = 3
    copies: int = 4
    epochs: int = 12
    judged: int = 40
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Material:
    """Planted slices on disk, and their truth."""

    scans: tuple[ScanPictures, ...]
    truth: Mapping[str, NDArray[np.bool_]]
    anatomy: Mapping[str, Anatomy]
    source: Mapping[str, NDArray[np.intp]]


Example = tuple[PlantedSlice, Judged]

Draw = Callable[[Path, Sequence[Summary], Sequence[Example]], object]
"""Draws the pictures of a benchmark: folder, scores, examples; handed in, as the report stands below the study."""


def run_benchmark(
    prepared: Path,
    out: Path,
    settings: BenchmarkSettings,
    *,
    lesions: Path | None,
    console: Console,
    draw: Draw,
) -> dict[str, Any]:
    """Plant, train, explain and judge; write `benchmark.json`, `table.tsv` and pictures to `out`.

    Every subject is held out once where there are up to five, or else in one of five folds. Truth is what was planted.

    Args:
        prepared: folder of prepared scans.
        out: folder of the benchmark.
        settings: of the benchmark.
        lesions: folder of lesion masks; None: the phantom's.
        console: where progress is shown.
        draw: makes the pictures.

    Returns:
        The content of `benchmark.json`.

    Raises:
        InputError: there are no two subjects, too few shapes, or a scan cannot be used.
    """
    scans = find_prepared(prepared)
    subjects = sorted({f"sub-{scan.subject}" for scan in scans})
    if len(subjects) < 2:
        raise InputError(
            f"{prepared}: holds {len(subjects)} prepared subject(s); expected at least two, one to train on and one "
            "to test on."
        )
    shapes = phantom_shapes(settings.seed) if lesions is None else read_shapes(lesions)
    kinds = two_kinds(shapes, settings.area)
    with step_progress(console, "plant") as advance:
        material = _plant(scans, out, settings, kinds, lambda done: advance(done, len(scans), "planted"))
    folds = [tuple(subjects[start :: min(5, len(subjects))]) for start in range(min(5, len(subjects)))]
    by_subjects = len(subjects) >= FEWEST_SUBJECTS
    right, count = 0, 0
    values: dict[str, list[Value]] = {}
    subject_of: dict[str, str] = {}
    examples: list[Example] = []
    layers: tuple[str, ...] = ()
    for number, held_out in enumerate(folds, start=1):
        with step_progress(console, f"train {number} of {len(folds)}") as advance:
            model, dataset, logits = _train(
                material, held_out, out / "work" / f"fold-{number}", settings, advance
            )
        right += int((logits.argmax(axis=1) == dataset.label).sum())
        count += len(dataset)
        with step_progress(console, f"judge {number} of {len(folds)}") as advance:
            judged = _judged(dataset, logits, settings)
            for done, row in enumerate(judged, start=1):
                name, one = _slice(material, dataset, row)
                found = judge(
                    model, one, int(dataset.label[row]), settings.methods, seed=settings.seed + done
                )
                values[name], layers = found.values, found.layers
                subject = _person(dataset.subjects[dataset.subject[row]])
                subject_of[name] = subject if by_subjects else f"{subject} {dataset.slice_index[row]}"
                if done in {1, len(judged)}:
                    examples.append((one, found))
                advance(done, len(judged), name)
    if not values:
        raise InputError(
            f"{out}: no held-out slice was classified right; maps cannot be judged: train for longer."
        )
    table = summarise(by_subject(values, subject_of), seed=settings.seed)
    accuracy = right / count
    content = {
        "settings": asdict(settings),
        "shapes": len(shapes),
        "subjects": subjects,
        "layers": layers,
        "accuracy": accuracy,
        "held_out_slices": count,
        "judged_slices": len(values),
        "intervals_over": "subjects" if by_subjects else "levels of the slices, as there are two subjects",
        "verdict": verdict(table, accuracy, count),
    }
    write_rows(out / "table.tsv", table)
    draw(out, table, examples)
    write_json(out / "benchmark.json", content)
    return json.loads(json.dumps(content))  # type: ignore[no-any-return]


def _plant(
    scans: Sequence[PreparedScan],
    out: Path,
    settings: BenchmarkSettings,
    kinds: tuple[Sequence[NDArray[np.bool_]], Sequence[NDArray[np.bool_]]],
    tell: Callable[[int], None],
) -> _Material:
    pictures = PictureSettings(size=settings.size, every=settings.every, part=settings.part)
    listed, truth, anatomies, source = [], {}, {}, {}
    for done, scan in enumerate(scans, start=1):
        anatomy = read_anatomy(scan, pictures)
        for number, group in enumerate(CLASSES[settings.difference]):
            planted = plant_scan(
                anatomy,
                kinds,
                number,
                difference=settings.difference,
                lesions=settings.lesions,
                copies=settings.copies,
                seed=settings.seed,
            )
            name = f"{scan.name}_{group}"
            if not len(planted.images):
                raise InputError(
                    f"{scan.name}: has no room for lesions; lower --area or --lesions-per-slice."
                )
            file = out / "work" / "pictures" / f"{name}.npy"
            save_pictures(file, planted.images, anatomy.levels[planted.source])
            listed.append(ScanPictures(file, f"{anatomy.subject} {group}", name, group))
            truth[name], anatomies[name], source[name] = planted.truth, anatomy, planted.source
        tell(done)
    return _Material(tuple(listed), truth, anatomies, source)


def _train(
    material: _Material,
    held_out: Sequence[str],
    work: Path,
    settings: BenchmarkSettings,
    progress: Callable[[int, int, str], None],
) -> tuple[nn.Module, SliceDataset, NDArray[np.float64]]:
    """The trained network, the slices held out, and their logits."""
    weights = default_weights(settings.architecture)
    first = FirstNetwork(settings.architecture, weights, None, 2, settings.seed)
    model, _ = first.make()
    chosen = TrainSettings(epochs=settings.epochs, patience=settings.epochs).for_weights(
        pretrained=weights != "none"
    )
    dataset = make_dataset(material.scans, CLASSES[settings.difference])
    whose = np.array([_person(subject) for subject in dataset.subjects])
    tested = np.isin(whose[dataset.subject], held_out)
    stopping = (dataset.slice_index // settings.every) % VALIDATION == 0
    parts = {
        "train": dataset.take(np.flatnonzero(~tested & ~stopping)),
        "validation": dataset.take(np.flatnonzero(~tested & stopping)),
        "test": dataset.take(np.flatnonzero(tested)),
    }
    prefix, rest = frozen_prefix(model, chosen.frozen or ())
    kept = work.parent / "activations" if len(prefix) else None
    for scan in material.scans if kept else ():
        if kept and not (kept / f"{scan.scan}.npy").is_file():
            keep_activations(
                prefix, scan, kept, copies=chosen.copies, augmentation=chosen.augmentation, seed=settings.seed
            )
    train(
        model,
        parts["train"],
        parts["validation"],
        chosen,
        seed=settings.seed,
        work=work,
        kept=kept,
        by_slice=True,
        progress=progress,
    )
    test = parts["test"]
    read = kept_inputs(test, kept, copies=0).plain if kept else test.read
    logits = compute_logits(rest if kept else model, read, len(test))
    return model.eval(), test, logits


def _judged(dataset: SliceDataset, logits: NDArray[np.float64], settings: BenchmarkSettings) -> list[int]:
    """Held-out slices that are classified right, evenly spaced, at most so many of each scan and class."""
    right = logits.argmax(axis=1) == dataset.label
    chosen: list[int] = []
    for scan in range(len(dataset.scans)):
        rows = np.flatnonzero(right & (dataset.scan == scan))
        step = max(1, -(-len(rows) // settings.judged))
        chosen += rows[::step].tolist()
    return chosen


def _person(subject: str) -> str:
    """The person of a subject of the training, who is there once for each class: a subject has one class there."""
    return subject.partition(" ")[0]


def _slice(material: _Material, dataset: SliceDataset, row: int) -> tuple[str, PlantedSlice]:
    """The name of a planted slice, and what is needed to judge its maps."""
    scan = dataset.scans[dataset.scan[row]].scan
    position = int(dataset.position[row])
    anatomy = material.anatomy[scan]
    image = dataset.read([row])[0].numpy()
    return f"{scan} {position}", PlantedSlice(
        title=f"{dataset.classes[dataset.label[row]]}\n{anatomy.scan}",
        image=image,
        picture=image[anatomy.shown],
        truth=material.truth[scan][position],
        brain=anatomy.brain[material.source[scan][position]],
        pixel_mm=anatomy.pixel_mm,
    )
