"""A small finished study on disk, written with the writers of the real one; its arrays are made up."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from stratacam.cam import Explanation, LayerMaps, match_layers
from stratacam.files import write_json, write_text
from stratacam.learning import (
    SLICES_OF_ONE_PERSON,
    ScanPictures,
    SliceDataset,
    Split,
    SplitSettings,
    evaluate,
    evaluate_subjects,
    make_splits,
    write_comparison,
    write_evaluation,
    write_split,
)
from stratacam.maps.writing import Explained, write_maps
from stratacam.networks import ModelCard, build
from stratacam.scans.frame import square
from stratacam.scans.pictures import geometry_of
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import Run, TrainedRun

SEQUENCES = ("T1w", "T2w", "FLAIR")
SHAPE = (24, 30, 12)
VOXEL_MM = 6.0
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
KEPT = np.arange(2, 11)
LESION_SLICE = 5
SIZE = 64
FEW = ("block4_conv3", "block4_pool", "block5_conv1", "block5_pool")


def layer_names(architecture="vgg16"):
    return match_layers(build(architecture, 2, weights="none"))


@dataclass(frozen=True)
class Cohort:
    """Subjects with their groups, and who is classified wrong."""

    labels: dict
    classes: tuple
    wrong: tuple

    def predicted(self, subject):
        return self.classes[0] if subject in self.wrong else self.labels[subject]


def write_study(
    root,
    *,
    classes=("RRMS", "SPMS", "control"),
    truth=True,
    left_out=(),
    architecture="vgg16",
    layers=(),
    wrong=(),
    networks=(),
    seeds=(3,),
    split="fractions",
    baselines=None,
    every_class=False,
):
    """Four subjects of each group; all but `wrong` are classified right.

    Args:
        root: where.
        classes: the groups.
        truth: whether the true lesions are there.
        left_out: rows of the table.
        architecture: whose maps there are.
        layers: of these maps; all if not given.
        wrong: subjects that are given the first group.
        networks: further architectures; their predictions are the same.
        seeds: of every network.
        split: "fractions": two subjects of each group are held out; "folds": three folds; "slice".
        baselines: name to the probability that each gives to the true group; compared with the networks.
        every_class: whether maps are of all classes, not of the predicted one alone; they are the same.
    """
    folders = StudyFolders(root / "study")
    bids = root / "bids"
    labels = {f"sub-{number:02d}": group for number, group in enumerate(np.repeat(classes, 4).tolist(), 1)}
    subjects = list(labels)
    cohort = Cohort(labels, tuple(classes), tuple(wrong))
    layers = layers or layer_names(architecture)
    rng = np.random.default_rng(0)
    write_json(bids / "dataset_description.json", {"Name": "Synthetic brains", "BIDSVersion": "1.10.0"})
    networks = (architecture, *networks)
    write_json(
        folders.configuration,
        {"name": "A <small> study", "seed": 3, "cohort": {"input": str(bids), "sequences": SEQUENCES},
         "network": {"architecture": networks, "weights": "default"}, "split": {"train": 0.5}},
    )  # fmt: skip
    splits = {
        "fractions": lambda _: (
            Split(
                tuple(subjects[1::4]), tuple(subjects[0::4]), tuple(sorted(subjects[2::4] + subjects[3::4]))
            ),
        ),
        "folds": lambda seed: make_splits(labels, SplitSettings(folds=3), seed=seed),
        "slice": lambda seed: make_splits(labels, SplitSettings(unit="slice"), seed=seed),
    }[split]
    trained = []
    for network in networks:
        for seed in seeds:
            trained += write_model(folders, cohort, splits(seed), network, seed)
    write_json(folders.runs, {"runs": [run.as_json() for run in trained]})
    tested = {subject for run in trained for subject in run.held_out} or set(subjects)
    for subject in subjects:
        scan = write_scan(folders, bids, subject, rng, truth=truth and labels[subject] != "control")
        if subject in tested:
            write_subject_maps(
                folders, scan, rng, classes=classes, layers=layers, predicted=cohort.predicted(subject),
                certain=subject in subjects[3::4], every_class=every_class,
            )  # fmt: skip
    if baselines is not None:
        write_baselines(folders, cohort, sorted(tested), trained, baselines)
    rows = ["name\tstep\treason", *("\t".join(row) for row in left_out)]
    write_text(folders.left_out, "\n".join(rows) + "\n")
    write_json(folders.provenance, {"versions": {"torch": "2.9.0"}, "steps": {"train": {"seconds": 12.5}}})
    return folders


def write_model(folders, cohort, splits, network, seed):
    """Every fold of a network and seed, and their evaluation together."""
    dataset = every_slice(folders, cohort)
    trained, tested = [], []
    for number, split in enumerate(splits, start=1):
        run = Run(network, seed, number if len(splits) > 1 else 0)
        folder = folders.models / run.name
        card = ModelCard(
            architecture=network,
            classes=cohort.classes,
            input={"sequences": SEQUENCES, "size": SIZE, "width_mm": 208.0, "part": [0, 1], "every": 1},
            training={"initial_weights": "imagenet", "best_epoch": 2},
        )
        write_text(folder / "card.json", card.model_dump_json())
        write_split(folder / "split.tsv", split, dataset)
        first = {"train_loss": 1.1, "validation_loss": 0.9 + 0.05 * number, "validation_accuracy": 0.5}
        second = {"train_loss": 0.9, "validation_loss": 0.8, "validation_accuracy": 0.7}
        write_json(folder / "history.json", {"epochs": [first, second], "best_epoch": 2})
        trained.append(TrainedRun(run, getattr(split, "test", ())))
        tested.append(split.rows(dataset)["test"])
    held_out = dataset.take(np.sort(np.concatenate(tested)))
    warning = SLICES_OF_ONE_PERSON if splits[0].unit == "slice" else ""
    folder = folders.evaluation / trained[0].run.model
    write_evaluation(folder, evaluate(held_out, **predict(held_out, cohort)), part="test", warning=warning)
    return trained


def every_slice(folders, cohort):
    """Every kept slice of every subject."""
    subjects, count = list(cohort.labels), len(KEPT)
    label = np.array([cohort.classes.index(group) for group in cohort.labels.values()])
    return SliceDataset(
        scans=tuple(
            ScanPictures(folders.root / "none.npy", name, name, cohort.labels[name]) for name in subjects
        ),
        classes=cohort.classes,
        subjects=tuple(subjects),
        scan=np.repeat(np.arange(len(subjects)), count),
        position=np.tile(np.arange(count), len(subjects)),
        slice_index=np.tile(KEPT, len(subjects)),
        label=np.repeat(label, count),
        subject=np.repeat(np.arange(len(subjects)), count),
    )


def predict(dataset, cohort):
    """The same probabilities for all slices of a subject; scaled ones are less sure."""
    predicted = np.array([cohort.classes.index(cohort.predicted(name)) for name in dataset.subjects])
    given = {}
    for name, low in (("probabilities", 0.1), ("calibrated", 0.2)):
        given[name] = np.full((len(dataset), len(cohort.classes)), low)
        rest = 1 - low * (len(cohort.classes) - 1)
        given[name][np.arange(len(dataset)), predicted[dataset.subject]] = rest
    return given


def write_baselines(folders, cohort, subjects, trained, baselines):
    """Baselines, and the comparison with them."""
    label = np.array([cohort.classes.index(cohort.labels[subject]) for subject in subjects])
    for name, right in baselines.items():
        probabilities = np.full((len(label), len(cohort.classes)), (1 - right) / (len(cohort.classes) - 1))
        probabilities[np.arange(len(label)), label] = right
        evaluation = evaluate_subjects(subjects, label, probabilities, cohort.classes)
        write_evaluation(folders.evaluation / f"baseline_{name}", evaluation, part="test")
    titles = {name: f"logistic regression on {name}" for name in baselines}
    write_json(
        folders.evaluation / "baselines.json", {"titles": titles, "left_out": {"age_sex": "no such columns"}}
    )
    models = list(dict.fromkeys(run.run.model for run in trained))
    write_comparison(
        folders.evaluation,
        {model: model for model in models} | {f"baseline_{name}": title for name, title in titles.items()},
        first=models[0],
    )


def write_scan(folders, bids, subject, rng, *, truth):
    scan = PreparedScan(folders.prepared, subject.removeprefix("sub-"), None, SEQUENCES)
    delivered = bids / subject / "anat" / f"{subject}_T1w.nii.gz"
    x, y = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    mask = np.repeat((x**2 + y**2 < 0.7)[..., None], SHAPE[2], axis=2)
    for sequence in SEQUENCES:
        values = (mask * (0.4 + 0.1 * rng.random(SHAPE))).astype(np.float32)
        write_nifti(scan.image(sequence), values, AFFINE)
        if sequence == "T1w":
            write_nifti(delivered, values, AFFINE)
    write_nifti(scan.brain_mask, mask.astype(np.uint8), AFFINE)
    write_slices_table(scan.slices_table, slice_areas(mask, AFFINE), KEPT, AFFINE, SHAPE)
    write_json(scan.record, {"Sequences": SEQUENCES, "Delivered": {"T1w": str(delivered)}})
    if truth:
        lesions = np.zeros(SHAPE, dtype=np.uint8)
        lesions[8:11, 12:16, LESION_SLICE] = 1
        lesions[14:16, 12:14, LESION_SLICE + 1] = 1
        truth_path = bids / "derivatives" / "truth" / subject / "anat" / f"{subject}_label-lesion_mask.nii.gz"
        write_nifti(truth_path, lesions, AFFINE)
    return scan


def write_subject_maps(folders, scan, rng, *, classes, layers, predicted, certain, every_class):
    position = classes.index(predicted)
    logits = np.zeros((len(KEPT), len(classes)), dtype=np.float32)
    logits[:, position] = 4 if certain else 1
    sure = np.exp(logits[0])
    probabilities = dict(zip(classes, (sure / sure.sum()).tolist(), strict=True))
    sides = {layer: side_of(layer) for layer in layers}
    raw = {
        layer: rng.normal(size=(len(KEPT), side, side)).astype(np.float32) for layer, side in sides.items()
    }
    blank = {layer: [""] * len(KEPT) for layer in layers}
    lesion_position = int(np.flatnonzero(KEPT == LESION_SLICE)[0])
    if "block5_conv1" in layers:
        raw["block5_conv1"][lesion_position] = 0
        blank["block5_conv1"][lesion_position] = "zero gradient"
    pictures = geometry_of(scan.load(), square(SIZE, 208.0), KEPT)
    shown = len(classes) if every_class else 1
    explained = Explained(
        name=scan.name, method="gradcam", smooth=0, classes=classes,
        scan_probabilities=probabilities, every_explained=tuple(classes) if every_class else (predicted,),
        geometry=replace(pictures, delivered={"T1w": scan.delivered_grid("T1w")}),
    )  # fmt: skip
    made = Explanation(
        logits=torch.from_numpy(logits),
        classes=torch.arange(len(classes)).repeat(len(KEPT), 1)
        if every_class
        else torch.full((len(KEPT), 1), position),
        maps={
            layer: LayerMaps(
                layer,
                torch.from_numpy(raw[layer])[:, None].repeat(1, shown, 1, 1),
                tuple((cause,) * shown for cause in blank[layer]),
            )
            for layer in layers
        },
    )
    write_maps(
        folders.maps / scan.name / "anat" / f"{scan.name}_gradcam.zarr",
        explained,
        [made],
        np.ones((len(KEPT), SIZE, SIZE), bool),
    )


def beside_panels(figure):
    """What stands left of panels of anatomy, from the top."""
    return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]


def side_of(layer):
    """Pixels of a map: halved by the pooling of every block; 8 where layers name no block."""
    if not layer.startswith("block"):
        return 8
    return max(SIZE >> (int(layer[5]) - (not layer.endswith("pool"))), 2)
