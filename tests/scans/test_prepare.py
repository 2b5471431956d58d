import csv
import hashlib
import json
import pickle
import re
import sys
from contextlib import suppress
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from pydantic import ValidationError
from synthetic_head import axis_affine, brain_of, head, rotation, world_points, write

from stratacam import cli
from stratacam.errors import InputError
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import find_prepared

SIZE = (60, 72, 56)
TILT = rotation(8, 0, -6)
SPOT = np.array([26.0, -20.0, 18.0])  # world point of a lesion in the T1w's space


def _delivered():
    """An oblique T1w stored left to right reversed: the affine, and the world points of its voxels."""
    affine = TILT @ axis_affine() @ np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (TILT @ axis_affine() @ [SIZE[0] - 1, 0, 0, 1])[:3]
    return affine, world_points(affine, SIZE)


def _with_spot(image, points, value):
    return np.where(np.linalg.norm(points - SPOT, axis=-1) < 5, np.float32(value), image)


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bids")
    affine, points = _delivered()
    anat = folder / "sub-01/anat"
    write(anat / "sub-01_T1w.nii.gz", head("T1w", affine, SIZE, noise=0.02), affine)
    moved = rotation(-3, 2, 4)
    moved[:3, 3] = (4, 3, -5)
    own = axis_affine()
    seen = world_points(np.linalg.inv(moved) @ own, SIZE)
    flair = head("FLAIR", own, SIZE, moved=np.linalg.inv(moved), noise=0.02, seed=1)
    write(anat / "sub-01_FLAIR.nii", _with_spot(flair, seen, 800.0), own)
    brain = brain_of(points).astype(np.uint8)
    write(folder / "derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz", brain, affine)
    return folder


@pytest.fixture(scope="module")
def prepared(bids, tmp_path_factory):
    scan = find_scans(bids, ("T1w", "FLAIR"))[0][0]
    return prepare(scan, tmp_path_factory.mktemp("prepared"), PrepareSettings())


def _bytes(scan):
    files = [*(scan.image(sequence) for sequence in scan.sequences), scan.brain_mask, scan.transform("FLAIR")]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def test_everything_lies_on_the_grid_of_the_t1w_turned_to_ras(prepared, bids):
    volume = prepared.load()
    assert volume.images.shape == (2, *SIZE)
    assert volume.images.dtype == np.float32
    delivered = nibabel.load(bids / "sub-01/anat/sub-01_T1w.nii.gz")
    np.testing.assert_allclose(volume.affine, nibabel.as_closest_canonical(delivered).affine, atol=1e-4)
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")


def test_intensities_lie_in_zero_to_one_and_outside_the_brain_there_is_nothing(prepared):
    volume = prepared.load()
    assert volume.images.min() == 0
    assert volume.images.max() <= 1
    assert not volume.images[:, ~volume.brain_mask].any()
    white = prepared.load().images[0][volume.brain_mask]
    counts, edges = np.histogram(white, 100, (0, 1))
    assert edges[counts.argmax()] == pytest.approx(1 / 1.6, abs=0.03)


def test_a_planted_spot_is_where_it_was_in_the_world(prepared):
    volume = prepared.load()
    flair = volume.images[prepared.sequences.index("FLAIR")]
    bright = np.argwhere(flair > 0.9 * flair.max())
    centre = (np.c_[bright, np.ones(len(bright))] @ volume.affine.T).mean(0)[:3]
    np.testing.assert_allclose(centre, SPOT, atol=1.5)


def test_the_t1w_is_not_interpolated(prepared, bids):
    delivered = nibabel.as_closest_canonical(nibabel.load(bids / "sub-01/anat/sub-01_T1w.nii.gz")).get_fdata()
    volume = prepared.load()
    inside = volume.brain_mask & (volume.images[0] > 0.2)
    factor = delivered[inside] / volume.images[0][inside]  # the bias field: smooth, so neighbours are alike
    assert np.abs(np.diff(np.log(factor))).max() < 0.1


def test_the_table_has_every_slice_and_the_kept_ones_are_loaded(prepared):
    with prepared.slices_table.open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert len(rows) == SIZE[2]
    volume = prepared.load()
    assert [int(row["index"]) for row in rows if row["kept"] == "1"] == volume.kept.tolist()
    voxels = volume.brain_mask[:, :, SIZE[2] // 2].sum()
    assert float(rows[SIZE[2] // 2]["brain_area_mm2"]) == pytest.approx(9 * voxels, abs=0.1)


def test_what_is_written_is_a_bids_derivative(prepared):
    description = json.loads((prepared.folder / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "stratacam"
    for path in prepared.anat.glob("*.nii.gz"):
        assert path.with_name(path.name.replace(".nii.gz", ".json")).is_file()
    sidecar = json.loads(
        prepared.image("FLAIR").with_name("sub-01_space-T1w_desc-prepared_FLAIR.json").read_text()
    )
    assert sidecar["SkullStripped"] is True
    assert sidecar["Sources"] == ["bids:raw:sub-01/anat/sub-01_FLAIR.nii"]
    assert prepared.quality_page.read_text().startswith("<!doctype html>")


def test_a_prepared_scan_is_found_and_names_the_t1w_as_delivered(prepared, bids):
    assert find_prepared(prepared.folder) == [prepared]
    with pytest.raises(InputError, match=f"holds no prepared scans; .*: name {prepared.folder}"):
        find_prepared(prepared.folder.parent)
    assert prepared.delivered("T1w") == (bids / "sub-01/anat/sub-01_T1w.nii.gz").resolve()


def test_the_same_scan_gives_the_same_bytes_however_it_reaches_the_worker(prepared, bids, tmp_path):
    scan, settings = pickle.loads(pickle.dumps((find_scans(bids, ("T1w", "FLAIR"))[0][0], PrepareSettings())))  # noqa: S301
    assert _bytes(prepare(scan, tmp_path, settings)) == _bytes(prepared)


def test_an_isotropic_grid_covers_the_t1w_along_its_own_axes(bids, tmp_path):
    scan = find_scans(bids, ("T1w",))[0][0]
    volume = prepare(scan, tmp_path, PrepareSettings(grid=4.0)).load()
    assert volume.images.shape == (1, 45, 54, 42)  # 180, 216, 168 mm
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), 4, atol=1e-5)
    np.testing.assert_allclose(volume.affine[:3, :3] / 4, TILT[:3, :3], atol=1e-5)
    middle = volume.affine @ [22, 26.5, 20.5, 1]
    np.testing.assert_allclose(
        middle[:3], 0, atol=1e-3
    )  # the field of view of the T1w is centred on the origin
    points = world_points(volume.affine, volume.brain_mask.shape)
    assert (brain_of(points) == volume.brain_mask).mean() > 0.99


def test_a_scan_that_fails_leaves_no_record_not_even_an_older_one(bids, tmp_path):
    scan = find_scans(bids, ("T1w",))[0][0]
    assert prepare(scan, tmp_path, PrepareSettings()).record.is_file()
    broken = write(tmp_path / "broken.nii.gz", np.zeros((4, 4, 4), np.float32), np.eye(4))
    with pytest.raises(InputError, match=r"broken.nii.gz: all voxels are zero"):
        prepare(type(scan)("01", None, {"T1w": broken}), tmp_path, PrepareSettings())
    with pytest.raises(InputError, match="holds no prepared scans"):
        find_prepared(tmp_path)


def test_settings_refuse_what_they_do_not_know():
    for wrong in ({"grid": "T2w"}, {"grid": 0.0}, {"slice_area_fraction": 1.5}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            PrepareSettings(**wrong)


def _with_half_a_flair(bids, folder, share):
    """The scan of `bids` whose FLAIR has only the lower share of its slices."""
    scan = find_scans(bids, ("T1w", "FLAIR"))[0][0]
    image = nibabel.load(scan.images["FLAIR"])
    data = np.asarray(image.dataobj)
    path = write(
        folder / "sub-01/anat/sub-01_FLAIR.nii.gz", data[:, :, : int(share * data.shape[2])], image.affine
    )
    return replace(scan, images={**scan.images, "FLAIR": path})


def test_a_sequence_that_covers_part_of_the_brain_is_flagged(bids, tmp_path):
    done = prepare(_with_half_a_flair(bids, tmp_path, 0.7), tmp_path / "out", PrepareSettings(template=False))
    (flag,) = [flag for flag in done.read_record()["Flags"] if "covers" in flag]
    assert 50 < int(re.search(r"FLAIR: covers (\d+)%", flag)[1]) < 98


def test_a_sequence_that_covers_less_than_half_of_the_brain_is_refused(bids, tmp_path):
    scan = _with_half_a_flair(bids, tmp_path, 0.4)
    with pytest.raises(InputError, match=r"sub-01_FLAIR.nii.gz: covers \d+% of the brain seen in the T1w"):
        prepare(scan, tmp_path / "out", PrepareSettings(template=False))
    assert not list(tmp_path.rglob("*record.json"))


def test_what_is_doubtful_is_in_the_record_and_on_the_page(bids, tmp_path):
    scan = find_scans(bids, ("T1w", "FLAIR"))[0][0]
    image = nibabel.load(scan.images["FLAIR"])
    noise = np.random.default_rng(5).normal(300, 50, image.shape).astype(np.float32)
    other = write(tmp_path / "sub-01/anat/sub-01_FLAIR.nii.gz", noise, image.affine)
    done = prepare(
        replace(scan, images={**scan.images, "FLAIR": other}),
        tmp_path / "out",
        PrepareSettings(template=False),
    )
    flags = done.read_record()["Flags"]
    assert any("it is of another person, damaged, or not aligned" in flag for flag in flags)
    assert "it is of another person, damaged, or not aligned" in done.quality_page.read_text()


def test_each_scaling_and_plane_leaves_its_mark(bids, tmp_path):
    scan = find_scans(bids, ("T1w", "FLAIR"))[0][0]
    settings = PrepareSettings(template=False, intensity="percentiles", plane="coronal")
    volume = prepare(scan, tmp_path, settings).load()
    assert volume.plane == "coronal"
    assert len(volume.kept) <= volume.brain_mask.shape[1]
    for image in volume.images:
        low, high = np.percentile(image[volume.brain_mask], (0.5, 99.5))
        assert (low, high) == pytest.approx((0, 1), abs=1e-3)


def test_the_template_is_found_and_kept(prepared):
    record = prepared.read_record()
    assert prepared.template_transform.is_file()
    assert 0 < record["Template"]["Dice"] <= 1
    assert any("MNI152" in flag for flag in record["Flags"]) == (record["Template"]["Dice"] < 0.85)


def test_a_scan_in_another_format_and_under_another_name_gives_the_same_numbers(bids, tmp_path, monkeypatch):
    plain, other = tmp_path / "plain/sub-01/anat", tmp_path / "other/sub-01/anat"
    read = nibabel.load(bids / "sub-01/anat/sub-01_T1w.nii.gz")
    surfer = nibabel.MGHImage(np.asarray(read.dataobj, np.float32), read.affine)
    t1w = nibabel.MGHImage.from_bytes(surfer.to_bytes())  # its affine, which is rounded differently
    mask = nibabel.load(bids / "derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz")
    for anat in (plain, other):
        masks = anat.parents[1] / "derivatives/masks/sub-01/anat"
        masks.mkdir(parents=True)
        anat.mkdir(parents=True)
        nibabel.Nifti1Pair(mask.dataobj, mask.affine).to_filename(masks / "sub-01_desc-brain_mask.img")
    nibabel.Nifti1Image(t1w.dataobj, t1w.affine).to_filename(plain / "sub-01_T1w.nii.gz")
    surfer.to_filename(other / "sub-01_T1w.mgz")
    nibabel.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)).to_filename(
        other / "sub-01_part-phase_T1w.nii"
    )
    images = {}
    for anat in (plain, other):
        out = tmp_path / f"prepared {anat.parents[1].name}"
        arguments = [
            "prepare",
            anat.parents[1],
            out,
            "--sequences",
            "T1w",
            "--workers",
            1,
            "--accept-left-out",
        ]
        monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
        with suppress(SystemExit):
            cli.main()
        (scan,) = find_prepared(out)
        images[anat] = scan.load()
    np.testing.assert_allclose(images[plain].images, images[other].images, atol=1e-4)
    np.testing.assert_allclose(images[plain].affine, images[other].affine, atol=1e-4)
    np.testing.assert_array_equal(images[plain].brain_mask, images[other].brain_mask)
