"""Maps lie where the network looked, on the scan as delivered, whatever its geometry."""

import json
import math
import shutil
import weakref
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
import zarr
from scipy.spatial.transform import Rotation
from torch import nn

from stratacam.cam import Explanation, LayerMaps
from stratacam.errors import InputError
from stratacam.maps import (
    ExplainSettings,
    explain_scan,
    find_maps,
    read_maps,
    remove_other_maps,
)
from stratacam.maps.writing import Explained, write_maps
from stratacam.networks import ModelCard
from stratacam.networks.cards import card_hash
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.geometry import Geometry
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.register import write_transform
from stratacam.scans.resampling import Grid
from stratacam.scans.volume import LPS, write_nifti

BLOB = np.array([28.0, -35.0, 12.0])  # mm, right, posterior, superior
CARD = ModelCard(
    architecture="vgg16",
    classes=("control", "blob"),
    input={"sequences": ["T1w", "T2w", "FLAIR"], "size": 128, "width_mm": 190.0, "part": [0, 1]},
    training={},
)
CUT = {"width_mm": None, "margin_mm": 4.0, "shape": [64, 64], "pixel_mm": 1.45}
CROPPED = CARD.model_copy(update={"input": {**CARD.input, **CUT}})


def affine_of(spacing, shape, rotation=(0, 0, 0), flip=(1, 1, 1), permute=(0, 1, 2)):
    """An affine whose grid of `shape` is centred on the world's origin."""
    axes = Rotation.from_euler("xyz", rotation, degrees=True).as_matrix() @ np.diag(
        np.array(spacing) * np.array(flip)
    )
    axes = axes[:, list(permute)]
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = -axes @ ((np.array(shape) - 1) / 2)
    return affine


GEOMETRIES = {
    "plain": {"spacing": (3, 3, 3), "shape": (64, 76, 58)},
    "oblique": {"spacing": (2.8, 3, 3.2), "shape": (72, 80, 58), "rotation": (9, -7, 12)},
    "anisotropic, flipped": {"spacing": (2, 2, 5), "shape": (88, 108, 32), "flip": (-1, 1, 1)},
    "sagittal, oblique": {
        "spacing": (4, 2.4, 2.4),
        "shape": (90, 68, 42),
        "rotation": (-6, 4, 10),
        "permute": (1, 2, 0),
    },
}


def brain(world, *, grey, white, fluid, blob):
    """A head of ellipsoids with a blob: intensity at world points (..., 3) in mm."""
    radius = np.linalg.norm(world / np.array([68.0, 86.0, 62.0]), axis=-1)
    ripple = np.sin(world[..., 0] / 7) * np.cos(world[..., 1] / 9) * np.sin(world[..., 2] / 8 + 1)
    tissue = np.where(radius + 0.08 * ripple < 0.75, white, grey)
    tissue = np.where(np.linalg.norm(world / np.array([14.0, 26.0, 12.0]), axis=-1) < 1, fluid, tissue)
    distance = np.linalg.norm(world - BLOB, axis=-1)
    tissue = tissue + (blob - tissue) * np.clip(5.5 - distance, 0, 1)
    return np.where(radius < 1, tissue, 0.02 * white), radius < 1


@pytest.fixture(scope="module", params=list(GEOMETRIES))
def delivered(request, tmp_path_factory):
    """T1w, T2w and FLAIR of a head with a bright blob on FLAIR, in one geometry, prepared."""
    folder = tmp_path_factory.mktemp("delivered")
    affine, shape = affine_of(**GEOMETRIES[request.param]), GEOMETRIES[request.param]["shape"]
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = nibabel.affines.apply_affine(affine, voxels)
    contrasts = {
        "T1w": {"grey": 60, "white": 100, "fluid": 20, "blob": 90},
        "T2w": {"grey": 130, "white": 100, "fluid": 300, "blob": 110},
        "FLAIR": {"grey": 115, "white": 100, "fluid": 15, "blob": 240},
    }
    images = {}
    for sequence, contrast in contrasts.items():
        data, mask = brain(world, **contrast)
        images[sequence] = folder / f"sub-01_{sequence}.nii.gz"
        write_nifti(images[sequence], data.astype(np.float32), affine)
    write_nifti(folder / "mask.nii.gz", mask, affine)
    scan = Scan("01", None, images, folder / "mask.nii.gz")
    return prepare(scan, folder / "prepared", PrepareSettings(template=False)), affine


def blob_detector():
    """Two convolutions by hand: what is brighter than 0.7 on FLAIR (channel 2), then smoothed and pooled."""
    bright, smooth = nn.Conv2d(3, 1, 1), nn.Conv2d(1, 1, 3, padding=1, bias=False)
    head = nn.Linear(1, 2)
    with torch.no_grad():
        bright.weight.copy_(torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1))
        bright.bias.fill_(-0.7)
        smooth.weight.fill_(1 / 9)
        head.weight.copy_(torch.tensor([[-50.0], [50.0]]))
        head.bias.copy_(torch.tensor([0.0, -1e-5]))
    return nn.Sequential(
        bright, nn.ReLU(), smooth, nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    )


@pytest.mark.parametrize("card", [CARD, CROPPED], ids=["square", "cropped to the brain"])
def test_peak_on_the_delivered_scan_is_within_a_voxel_of_the_blob(delivered, tmp_path, card):
    scan, affine = delivered
    settings = ExplainSettings(nifti_layers=("2", "3"))
    maps = explain_scan(blob_detector(), card, scan, tmp_path, settings)
    assert maps.explained == maps.predicted == "blob"
    width, length = scan.brain_mm  # at 1.45 mm, with 4 mm on each side: more than the card's 64 pixels
    needed = [32 * math.ceil((side + 8) / 1.45 / 32) for side in (length, width)]
    assert list(maps.geometry.size) == ([128, 128] if card is CARD else needed)
    for layer in ("2", "3"):
        for grid in ("prepared", "delivered"):
            stem = f"sub-01_space-T1w_res-{grid}_desc-{layer}_gradcam"
            image = nibabel.load(tmp_path / "sub-01" / "anat" / f"{stem}.nii.gz")
            data = image.get_fdata()
            weights = np.where(data > 0.5 * data.max(), data, 0)
            peak = [np.average(index, weights=weights) for index in np.indices(data.shape)]
            offset = np.linalg.inv(image.affine) @ np.append(BLOB, 1) - np.append(peak, 1)
            assert np.abs(offset[:3]).max() <= 1, (layer, grid, offset)
            if grid == "delivered":
                np.testing.assert_allclose(image.affine, affine, atol=1e-4)
            assert image.get_data_dtype() == np.float32
            assert json.loads((tmp_path / "sub-01" / "anat" / f"{stem}.json").read_text())["ReLU"] is False


def test_maps_lie_over_other_sequences_where_their_transforms_say(delivered, tmp_path):
    scan, affine = delivered
    scan = replace(scan, folder=shutil.copytree(scan.folder, tmp_path / "prepared"))
    turned = SimpleITK.Euler3DTransform((0, 0, 0), 0.05, -0.08, 0.1, (4.0, -3.0, 5.0))
    write_transform(scan.transform("FLAIR"), turned)
    settings = ExplainSettings(nifti_layers=("2",), nifti_scans=("FLAIR",))
    maps = explain_scan(blob_detector(), CARD, scan, tmp_path, settings)
    stem = tmp_path / "sub-01" / "anat" / "sub-01"
    assert not list(stem.parent.glob("*space-T1w_res-delivered*"))
    laid = nibabel.load(f"{stem}_space-FLAIR_res-delivered_desc-2_gradcam.nii.gz")
    np.testing.assert_allclose(laid.affine, affine, atol=1e-4)
    data = laid.get_fdata()
    peak = [
        np.average(index, weights=np.where(data > 0.5 * data.max(), data, 0))
        for index in np.indices(data.shape)
    ]
    expected = LPS[:3, :3] @ turned.TransformPoint((LPS[:3, :3] @ BLOB).tolist())
    assert np.abs(np.linalg.inv(laid.affine) @ np.append(expected, 1) - np.append(peak, 1)).max() <= 1
    again = read_maps(maps.path).geometry  # the store alone leads back
    assert set(again.delivered) == {"T1w", "T2w", "FLAIR"}
    np.testing.assert_array_equal(data, again.to_delivered(maps.raw("2"), "FLAIR"))


def test_a_sequence_that_the_model_lacks_is_refused(delivered, tmp_path):
    with pytest.raises(InputError, match=r"explain\.nifti_scans: 'PD' is no sequence of the model"):
        explain_scan(blob_detector(), CARD, delivered[0], tmp_path, ExplainSettings(nifti_scans=("PD",)))


def test_a_model_of_another_plane_is_refused(delivered, tmp_path):
    scan, _ = delivered
    coronal = CARD.model_copy(update={"input": {**CARD.input, "normalisation": {"plane": "coronal"}}})
    with pytest.raises(InputError, match="prepared in axial slices; the model was trained on coronal ones"):
        explain_scan(blob_detector(), coronal, scan, tmp_path, ExplainSettings(nifti_layers=()))


def test_stored_maps_are_the_raw_ones_and_know_their_slices(delivered, tmp_path):
    scan, _ = delivered
    made = explain_scan(
        blob_detector(),
        CARD,
        scan,
        tmp_path / "maps",
        ExplainSettings(target="control", every=2, nifti_layers=()),
    )
    (maps,) = find_maps(tmp_path / "maps")
    with pytest.raises(InputError, match=f"holds no maps; .*: name {tmp_path / 'maps'}"):
        find_maps(tmp_path)
    assert read_maps(made.path).layers == maps.layers == ("0", "2", "3")
    assert maps.explained == "control"
    assert maps.predicted == "blob"
    with pytest.raises(InputError, match=r"holds no maps of '9'; expected one of 0, 2, 3"):
        maps.raw("9")
    assert maps.raw("0").shape == (len(maps.slices), 128, 128)
    assert maps.raw("3").shape == (len(maps.slices), 64, 64)
    assert maps.raw("2").min() < 0  # the blob speaks against the class control
    assert set(np.diff(maps.slices)) == {2}
    shown = [cause == "" for cause in maps.blank["2"]]
    assert not any(shown)
    assert {"all negative", "constant"} == set(maps.blank["2"])


def test_files_of_a_map_say_class_unit_model_and_whether_the_scan_was_held_out(delivered, tmp_path):
    scan, _ = delivered
    digest = scan.read_record()["Voxels"]["T1w"]
    told = {"run": "vgg16_seed-0_fold-2", "cohort": "blobs", "seed": 0, "fold": 2}
    for known, part, held_out, words in (
        ({digest: "test"}, "test", True, "held out"),
        ({digest: "train"}, "train", False, "TRAINED ON"),
        ({}, "none", True, "held out"),
        (None, "unknown", None, "held out?"),
    ):
        training = told if known is None else {**told, "images": known}
        card = CARD.model_copy(update={"training": training})
        maps = explain_scan(
            blob_detector(),
            card,
            scan,
            tmp_path,
            ExplainSettings(target="blob", every=9, nifti_layers=("2",)),
        )
        model = {"architecture": "vgg16", "brain": "off", "card_sha256": card_hash(card), **told}
        assert (maps.in_training, maps.model) == (part, model)
        attributes = zarr.open_group(maps.path, mode="r").attrs
        assert (attributes["unit"], attributes["arithmetic"]) == ("logit", "exact")
        assert attributes["largest_map_error"] == 0
        for grid in ("prepared", "delivered"):
            stem = tmp_path / f"sub-01/anat/sub-01_space-T1w_res-{grid}_desc-2_gradcam"
            sidecar = json.loads(stem.with_suffix(".json").read_text())
            found = {
                key: sidecar[key] for key in ("Units", "ExplainedClass", "Model", "HeldOut", "ScanInTraining")
            }
            assert found == {
                "Units": "logit",
                "ExplainedClass": "blob",
                "Model": model,
                "HeldOut": held_out,
                "ScanInTraining": part,
            }
            header = nibabel.load(f"{stem}.nii.gz").header
            description = header["descrip"].tobytes().rstrip(b"\0").decode()
            assert description == f"gradcam 2 class=blob {words} vgg16_seed-0_fold-2"


def test_all_classes_are_explained_each_in_files_of_its_own(delivered, tmp_path):
    scan, _ = delivered
    model = blob_detector()
    maps = explain_scan(
        model, CARD, scan, tmp_path, ExplainSettings(target="all", every=3, nifti_layers=("2",))
    )
    assert maps.every_explained == CARD.classes
    assert maps.explained == maps.predicted
    control = read_maps(maps.path, "control")
    alone = explain_scan(
        model, CARD, scan, tmp_path / "alone", ExplainSettings(target="control", every=3, nifti_layers=())
    )
    np.testing.assert_allclose(control.raw("2"), alone.raw("2"), atol=1e-6)
    assert control.blank == alone.blank
    files = {path.name for path in maps.path.parent.glob("*.nii.gz")}
    assert {
        f"sub-01_space-T1w_res-delivered_label-{name}_desc-2_gradcam.nii.gz" for name in CARD.classes
    } < files
    with pytest.raises(InputError, match="holds maps of control, none of blob"):
        read_maps(alone.path, "blob")


def test_another_method_replaces_what_was_there_and_is_named(delivered, tmp_path):
    scan, _ = delivered
    explain_scan(blob_detector(), CARD, scan, tmp_path, ExplainSettings(every=5, nifti_layers=("2",)))
    maps = explain_scan(
        blob_detector(),
        CARD,
        scan,
        tmp_path,
        ExplainSettings(method="gradcam++", smooth=2, every=5, nifti_layers=("2",)),
    )
    assert maps.method == "gradcam++"
    assert {path.name.split("_")[-1].split(".")[0] for path in maps.path.parent.iterdir()} == {
        "gradcamplusplus"
    }
    assert len(find_maps(tmp_path)) == 1
    with pytest.raises(ValueError, match="'guided_backprop' is not known; choose one of gradcam"):
        ExplainSettings(method="guided_backprop")


def test_a_scan_of_many_slices_is_held_one_batch_at_a_time(tmp_path):
    made, most = [], 0

    def batches():
        nonlocal most
        for start in range(0, 136, 8):
            raw = torch.full((8, 1, 4, 4), 1.0 + start)
            batch = Explanation(
                torch.zeros(8, 2),
                torch.zeros(8, 1, dtype=torch.long),
                {"layer": LayerMaps("layer", raw, (("",),) * 8)},
            )
            made.append(weakref.ref(raw))
            most = max(most, sum(reference() is not None for reference in made))
            yield batch
            del batch, raw

    geometry = Geometry(
        Grid((8, 8, 136), np.eye(4)), "axial", tuple(range(136)), (32, 32), (4.0, 4.0), (8.0, 8.0)
    )
    explained = Explained("sub-01", "gradcam", 0, ("a", "b"), {"a": 0.4, "b": 0.6}, ("a",), geometry)
    maps = write_maps(tmp_path / "maps.zarr", explained, batches(), np.ones((136, 32, 32), bool))
    assert most <= 2  # the one being written, and the next
    assert maps.raw("layer")[:, 0, 0].tolist() == [1 + 8 * (index // 8) for index in range(136)]


def test_wrong_sequences_class_and_layer_are_refused_in_words(delivered, tmp_path):
    scan, _ = delivered
    other = CARD.model_copy(update={"input": {**CARD.input, "sequences": ["T1w", "PDw"]}})
    with pytest.raises(
        InputError, match=r"prepared with T1w, T2w, FLAIR; the model was trained on T1w, PDw; .* with PDw too"
    ):
        explain_scan(blob_detector(), other, scan, tmp_path, ExplainSettings(nifti_layers=()))
    with pytest.raises(InputError, match=r"explain\.target: 'PPMS' is no class of the model"):
        explain_scan(blob_detector(), CARD, scan, tmp_path, ExplainSettings(target="PPMS", nifti_layers=()))
    with pytest.raises(InputError, match=r"explain\.nifti_layers: no layer matches 'block9"):
        explain_scan(blob_detector(), CARD, scan, tmp_path, ExplainSettings(nifti_layers=("block9",)))
    assert not list(tmp_path.iterdir())


def test_maps_of_scans_that_are_no_longer_explained_are_removed(tmp_path):
    for name in ("sub-01_ses-1", "sub-01_ses-2", "sub-02"):
        subject, _, session = name.partition("_")
        anat = tmp_path / subject / session / "anat"
        (anat / f"{name}_gradcam.zarr").mkdir(parents=True)
        (anat / f"{name}_space-T1w_res-prepared_desc-block5pool_gradcam.nii.gz").touch()
    remove_other_maps(tmp_path, {"sub-01_ses-2"})
    left = [path.name for path in tmp_path.rglob("*_gradcam*")]
    assert len(left) == 2
    assert all(name.startswith("sub-01_ses-2_") for name in left)


def test_a_folder_without_maps_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no maps"):
        read_maps(tmp_path / "absent.zarr")
    with pytest.raises(InputError, match="absent: no such folder; expected one of maps"):
        find_maps(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: no such folder"):
        find_maps(tmp_path / "file")
    with pytest.raises(InputError, match=r"holds no maps; expected .* make them"):
        find_maps(tmp_path)
