"""A small finished study on disk, written with the writers of the real one; its arrays are made up."""

import numpy as np
import pytest
import torch

from stratacam.cam import Explanation, LayerMaps
from stratacam.files import write_json, write_text
from stratacam.learning import Split, evaluate, write_evaluation, write_split
from stratacam.learning.dataset import ScanPictures, SliceDataset
from stratacam.maps.store import Explained, write_maps
from stratacam.networks import ModelCard, convolution_names
from stratacam.scans.pictures import geometry_of
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti
from stratacam.study.folders import StudyFolders

SEQUENCES = ("T1w", "T2w", "FLAIR")
SHAPE = (24, 30, 12)
VOXEL_MM = 6.0
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
KEPT = np.arange(2, 11)
LESION_SLICE = 5
SIZE = 64
FEW = ("block4_conv3", "block4_pool", "block5_conv1", "block5_pool")


def layer_names(architecture="vgg16"):
    names = []
    for name in convolution_names(architecture):
        block = name.split("_")[0]
        if names and not names[-1].startswith(block):
            names.append(names[-1].split("_")[0] + "_pool")
        names.append(name)
    return (*names, "block5_pool")


def write_study(
    root,
    *,
    classes=("RRMS", "SPMS", "control"),
    truth=True,
    left_out=(),
    architecture="vgg16",
    layers=(),
    wrong=(),
):
    """Four subjects of each group, two of them held out; all but `wrong` are classified right."""
    folders = StudyFolders(root / "study")
    bids = root / "bids"
    labels = {f"sub-{number:02d}": group for number, group in enumerate(np.repeat(classes, 4).tolist(), 1)}
    subjects = list(labels)
    split = Split(
        tuple(subjects[1::4]), tuple(subjects[0::4]), tuple(sorted(subjects[2::4] + subjects[3::4]))
    )
    layers = layers or layer_names(architecture)
    rng = np.random.default_rng(0)
    write_json(bids / "dataset_description.json", {"Name": "Synthetic brains", "BIDSVersion": "1.10.0"})
    write_json(
        folders.configuration,
        {"name": "A <small> study", "seed": 3, "cohort": {"input": str(bids), "sequences": SEQUENCES},
         "network": {"architecture": architecture, "weights": "imagenet"}, "split": {"train": 0.5}},
    )  # fmt: skip
    for subject in subjects:
        scan = write_scan(folders, bids, subject, rng, truth=truth and labels[subject] != "control")
        if subject in split.test:
            predicted = classes[0] if subject in wrong else labels[subject]
            write_subject_maps(
                folders, scan, rng, classes=classes, layers=layers, predicted=predicted,
                certain=subject in subjects[3::4],
            )  # fmt: skip
    card = ModelCard(
        architecture=architecture,
        classes=classes,
        input={"sequences": SEQUENCES, "size": SIZE, "width_mm": 208.0, "part": [0, 1], "every": 1},
        training={"initial_weights": "imagenet", "best_epoch": 2},
    )
    write_text(folders.model / "card.json", card.model_dump_json())
    write_split(folders.model / "split.tsv", split, labels)
    epoch = {"train_loss": 0.9, "validation_loss": 0.8, "validation_accuracy": 0.7}
    write_json(folders.model / "history.json", {"epochs": [epoch, epoch], "best_epoch": 2})
    write_held_out(folders, split.test, labels, classes, wrong)
    rows = ["name\tstep\treason", *("\t".join(row) for row in left_out)]
    write_text(folders.left_out, "\n".join(rows) + "\n")
    write_json(folders.provenance, {"versions": {"torch": "2.9.0"}, "steps": {"train": {"seconds": 12.5}}})
    return folders


def write_scan(folders, bids, subject, rng, *, truth):
    scan = PreparedScan(folders.prepared, subject.removeprefix("sub-"), None, SEQUENCES)
    x, y = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    mask = np.repeat((x**2 + y**2 < 0.7)[..., None], SHAPE[2], axis=2)
    for sequence in SEQUENCES:
        values = (mask * (0.4 + 0.1 * rng.random(SHAPE))).astype(np.float32)
        write_nifti(scan.image(sequence), values, AFFINE)
    write_nifti(scan.brain_mask, mask.astype(np.uint8), AFFINE)
    write_slices_table(scan.slices_table, slice_areas(mask, AFFINE), KEPT, AFFINE, SHAPE)
    delivered = bids / subject / "anat" / f"{subject}_T1w.nii.gz"
    write_json(scan.record, {"Sequences": SEQUENCES, "Delivered": {"T1w": str(delivered)}})
    if truth:
        lesions = np.zeros(SHAPE, dtype=np.uint8)
        lesions[8:11, 12:16, LESION_SLICE] = 1
        lesions[14:16, 12:14, LESION_SLICE + 1] = 1
        truth_path = bids / "derivatives" / "truth" / subject / "anat" / f"{subject}_label-lesion_mask.nii.gz"
        write_nifti(truth_path, lesions, AFFINE)
    return scan


def write_subject_maps(folders, scan, rng, *, classes, layers, predicted, certain):
    position = classes.index(predicted)
    logits = np.zeros((len(KEPT), len(classes)), dtype=np.float32)
    logits[:, position] = 4 if certain else 1
    sides = {layer: max(SIZE >> (int(layer[5]) - (not layer.endswith("pool"))), 2) for layer in layers}
    raw = {
        layer: rng.normal(size=(len(KEPT), side, side)).astype(np.float32) for layer, side in sides.items()
    }
    blank = {layer: [""] * len(KEPT) for layer in layers}
    lesion_position = int(np.flatnonzero(KEPT == LESION_SLICE)[0])
    raw["block5_conv1"][lesion_position] = 0
    blank["block5_conv1"][lesion_position] = "zero gradient"
    explained = Explained(
        name=scan.name, method="gradcam", smooth=0, classes=classes, every_explained=(predicted,),
        geometry=geometry_of(scan.load(), (SIZE, SIZE), 208.0 / SIZE, KEPT),
    )  # fmt: skip
    made = Explanation(
        logits=torch.from_numpy(logits),
        classes=torch.full((len(KEPT), 1), position),
        maps={
            layer: LayerMaps(
                layer, torch.from_numpy(raw[layer])[:, None], tuple((cause,) for cause in blank[layer])
            )
            for layer in layers
        },
    )
    write_maps(folders.maps / scan.name / "anat" / f"{scan.name}_gradcam.zarr", explained, [made])


def write_held_out(folders, subjects, labels, classes, wrong):
    count = len(KEPT)
    label = np.array([list(classes).index(labels[subject]) for subject in subjects])
    predicted = np.where([subject in wrong for subject in subjects], 0, label)
    data = SliceDataset(
        scans=tuple(ScanPictures(folders.root / "none.npy", name, name, labels[name]) for name in subjects),
        classes=tuple(classes),
        subjects=tuple(subjects),
        scan=np.repeat(np.arange(len(subjects)), count),
        position=np.tile(np.arange(count), len(subjects)),
        slice_index=np.tile(KEPT, len(subjects)),
        label=np.repeat(label, count),
        subject=np.repeat(np.arange(len(subjects)), count),
    )
    probabilities = np.full((len(data), len(classes)), 0.1)
    probabilities[np.arange(len(data)), np.repeat(predicted, count)] = 1.1 - 0.1 * len(classes)
    write_evaluation(folders.evaluation, evaluate(data, probabilities), part="test")


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study with three groups and truth; one scan could not be used."""
    return write_study(
        tmp_path_factory.mktemp("study"), left_out=[("sub-99", "prepare", "no FLAIR & no T2w")]
    )


@pytest.fixture(scope="session")
def plain_study(tmp_path_factory):
    """A study without truth and with nothing left out; one subject is classified wrong."""
    return write_study(tmp_path_factory.mktemp("plain"), truth=False, layers=FEW, wrong=("sub-07",))
