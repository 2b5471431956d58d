"""The groups differ in lesions, black holes and ventricles; nothing else is drawn with regard to them."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK
from scipy import ndimage
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, permutation_test_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stratacam.scans.cohort.bids import Scan
from stratacam.scans.phantom import PhantomSettings, groups, make_cohort, make_subject, names
from stratacam.scans.phantom.acquisition import bias_on
from stratacam.scans.phantom.contrast import signal, vary
from stratacam.scans.phantom.settings import stream
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.resampling import Grid
from stratacam.scans.sequences import simulated_sequences
from stratacam.scans.volume import from_itk, to_itk

pytestmark = pytest.mark.long  # many heads

SETTINGS = PhantomSettings(subjects={"control": 15, "RRMS": 15, "SPMS": 15}, voxel_mm=4.0, seed=0)
TRUTH = Path("derivatives", "truth")
SEQUENCES = ("T1w", "T2w", "FLAIR")
DISEASE = ["lesion_ml", "blackhole_ml", "ventricle_ml"]


def _load(path):
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def _undone(root, name, units):
    """Undo bias, motion and units by the truth: what the phantom itself shows, before any preparation."""
    anat, truth = root / name / "anat", root / TRUTH / name / "anat"
    images = {}
    for sequence in SEQUENCES:
        data, affine = _load(anat / f"{name}_{sequence}.nii.gz")
        bias, _ = _load(truth / f"{name}_desc-biasfield_{sequence}.nii.gz")
        unbiased = data.astype(np.float32) / bias_on(bias, Grid(data.shape, affine))
        image = to_itk(unbiased / units[f"units_{sequence}"], affine)
        if sequence != "T1w":
            path = truth / f"{name}_from-{sequence}_to-T1w_mode-image_xfm.txt"
            image = SimpleITK.Resample(image, image, SimpleITK.ReadTransform(str(path)), SimpleITK.sitkLinear)
        images[sequence] = from_itk(image)
    return images


def _healthy(root, name):
    """More than two voxels from any lesion or ventricle; a voxel of which a fiftieth is lesion counts as lesion.

    At 4 mm many small lesions never fill half a voxel, so the mask of lesions would leave them in.
    """
    truth = root / TRUTH / name / "anat"
    lesion = _load(truth / f"{name}_label-lesion_probseg.nii.gz")[0] > 0.02
    ventricle = _load(truth / f"{name}_label-ventricle_mask.nii.gz")[0] > 0
    return ~ndimage.binary_dilation(lesion | ventricle, np.ones((3, 3, 3)), iterations=2)


def _percentiles(root, name, images, healthy):
    """Intensity percentiles of white and grey matter inside `healthy`."""
    white, grey = (_tissue(root, name, kind) & healthy for kind in ("white", "grey"))
    return [
        value
        for image in images.values()
        for tissue in (white, grey)
        for value in np.percentile(image[tissue], (10, 25, 50, 75, 90))
    ]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "bids"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        make_cohort(root, SETTINGS, pool)
    return root


@pytest.fixture(scope="module")
def table(cohort):
    truth = pd.read_csv(cohort / TRUTH / "truth.tsv", sep="\t")
    people = pd.read_csv(cohort / "participants.tsv", sep="\t")
    truth["age"], truth["sex"] = people.age, (people.sex == "F").astype(float)
    return truth


def _classifier(strength=1.0):
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)


def _chance(features, groups):
    """Return the balanced accuracy and its p-value over 99 permutations of the groups."""
    score, _, p = permutation_test_score(
        _classifier(0.1),
        features,
        groups,
        cv=FOLDS,
        scoring="balanced_accuracy",
        n_permutations=99,
        random_state=0,
    )
    print(f"balanced accuracy {score:.3f}, p {p:.3f}")  # noqa: T201 - shown when the test fails
    return score, p


def test_true_volumes_tell_the_groups_apart(table):
    features = np.log(table[DISEASE] + 0.05)
    predicted = cross_val_predict(_classifier(10), features, table.group, cv=FOLDS)
    hits = [(predicted[table.group == group] == group).mean() for group in ("control", "RRMS", "SPMS")]
    assert np.mean(hits) >= 0.9


def test_true_volumes_are_found_by_the_permutation_test(table):
    score, p = _chance(np.log(table[DISEASE] + 0.05), table.group)
    assert score >= 0.9
    assert p <= 0.01


def test_lesion_volumes_of_rrms_and_spms_overlap(table):
    rrms, spms = (table.lesion_ml[table.group == group] for group in ("RRMS", "SPMS"))
    assert (rrms > spms.quantile(0.25)).any()
    assert (spms < rrms.quantile(0.75)).any()


def test_what_was_drawn_besides_disease_tells_nothing(table):
    nuisance = table.drop(columns=["participant_id", "group", *DISEASE])
    assert {"noise_T1w", "bias_FLAIR", "head_scale", "shift_x_mm", "brain_ml", "age"} <= set(nuisance.columns)
    _, p = _chance(nuisance, table.group)
    assert p > 0.05


def test_the_same_person_well_and_ill_has_the_same_normal_tissue(tmp_path):
    # same voxels, same noise: what is left is what disease does outside lesions and ventricles
    changes = []
    for index in range(4):
        pair = {}
        for group in ("control", "SPMS"):
            settings = PhantomSettings(subjects={group: 4}, voxel_mm=4.0, seed=1)
            pair[group] = make_subject(tmp_path / group, settings, index)
        name = pair["control"]["participant_id"]
        region = np.logical_and(*(_healthy(tmp_path / group, name) for group in pair))
        well, ill = (
            np.array(
                _percentiles(tmp_path / "control", name, _undone(tmp_path / group, name, pair[group]), region)
            )
            for group in ("control", "SPMS")
        )
        changes.append(ill / well - 1)
    largest = np.abs(np.median(changes, axis=0))
    print(largest.round(4))  # noqa: T201 - shown when the test fails
    assert largest.max() < 0.01


def _variants(root, index):
    """The same person with RRMS and with SPMS: two folders, one of them the cohort where that is the person's group."""
    folders = []
    for group in ("RRMS", "SPMS"):
        folder = root if groups(SETTINGS)[index] == group else root / "variants" / group
        if folder != root:
            only = SETTINGS.model_copy(update={"subjects": {group: sum(SETTINGS.subjects.values())}})
            make_subject(folder, only, index)
        folders.append(folder)
    return folders


def _prepared_tissue(root, index):
    """Percentiles of one prepared scan in tissue that would be normal whatever the person's group.

    Lesions and large ventricles leave normal tissue in other places than in a control, with other partial
    volume. Voxels that are normal in the person with RRMS and with SPMS are chosen alike for every group.
    """
    name = names(SETTINGS)[index]
    folders = _variants(root, index)
    white, grey = (
        np.logical_and.reduce([_tissue(folder, name, kind) for folder in folders])
        for kind in ("white", "grey")
    )
    anat = root / name / "anat"
    images = {sequence: anat / f"{name}_{sequence}.nii.gz" for sequence in SEQUENCES}
    mask = root / TRUTH / name / "anat" / f"{name}_desc-truebrain_mask.nii.gz"
    scan = Scan(name.removeprefix("sub-"), None, images, mask)
    volume = prepare(scan, root / "prepared", PrepareSettings(template=False)).load()
    return [
        value
        for image in volume.images
        for tissue in (white, grey)
        for value in np.percentile(image[tissue], (10, 25, 50, 75, 90))
    ]


def _tissue(root, name, kind):
    labels = _load(root / TRUTH / name / "anat" / f"{name}_desc-tissue_dseg.nii.gz")[0]
    if kind == "white":
        return ndimage.binary_erosion(labels == 2, np.ones((3, 3, 3))) & _healthy(root, name)
    grey = (labels == 1) & (ndimage.uniform_filter((labels == 1).astype(float), 3) > 0.6)
    return grey & _healthy(root, name)


def _drawn_contrast(index):
    """Grey over white matter in each sequence by the person's relaxation times, drawn without regard to the group."""
    tissues = vary(stream(SETTINGS, index, "tissue"))
    return [
        signal(tissues["grey matter"], timing) / signal(tissues["white matter"], timing)
        for timing in map(simulated_sequences().get, SEQUENCES)
    ]


def test_normal_appearing_tissue_of_prepared_scans_tells_nothing(cohort, table):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        measured = np.array(list(pool.map(_prepared_tissue, [cohort] * len(table), range(len(table)))))
    assert np.isfinite(measured).all()
    # What a person's own relaxation times explain is taken out: drawn at random, they differ between any two groups
    # of fifteen, by several per cent of the FLAIR contrast. What preparation adds to them is tested.
    drawn = np.array([_drawn_contrast(index) for index in range(len(table))])
    features = measured - LinearRegression().fit(drawn, measured).predict(drawn)
    _, p = _chance(features, table.group)
    assert p > 0.05
    # the test would see a leak: normal FLAIR darker by three per cent in SPMS, by half of it in RRMS
    burden = table.group.map({"control": 0.0, "RRMS": 0.5, "SPMS": 1.0}).to_numpy()
    leaky = features.copy()
    leaky[:, 20:] -= 0.03 * measured[:, 20:].mean(axis=0) * burden[:, None]
    assert _chance(leaky, table.group)[1] <= 0.05
