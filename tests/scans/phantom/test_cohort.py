import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from pydantic import ValidationError
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.cohort.sources import read_cohort_groups
from stratacam.scans.phantom import PhantomSettings, groups, make_cohort, make_subject, names
from stratacam.scans.phantom.acquisition import bias_on
from stratacam.scans.resampling import Grid
from stratacam.scans.truth import read_statement

SETTINGS = PhantomSettings(subjects={"control": 1, "RRMS": 1, "SPMS": 1}, voxel_mm=3.0, seed=4)
TRUTH = Path("derivatives", "truth")


def _load(path):
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def _mask(root, name, label):
    return _load(root / TRUTH / name / "anat" / f"{name}_{label}.nii.gz")[0]


def _rows(path):
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def _bytes(root):
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "bids"
    make_cohort(folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def by_group(root):
    return {group: name for name, group in read_cohort_groups(root, find_scans(root)[0]).items()}


def test_cohort_is_read_as_bids(root):
    scans, left_out = find_scans(root)
    assert [scan.name for scan in scans] == ["sub-01", "sub-02", "sub-03"]
    assert not left_out
    assert all(set(scan.images) == {"T1w", "T2w", "FLAIR"} for scan in scans)
    assert all(scan.brain_mask is None for scan in scans), "the brain must be left to find"
    assert sorted(read_cohort_groups(root, find_scans(root)[0]).values()) == ["RRMS", "SPMS", "control"]


def test_same_seed_same_bytes(root, tmp_path):
    make_cohort(tmp_path, SETTINGS)
    assert _bytes(tmp_path) == _bytes(root)


def test_another_seed_gives_another_head(root, tmp_path):
    make_subject(tmp_path, SETTINGS.model_copy(update={"seed": 5}), 0)
    path = Path("sub-01", "anat", "sub-01_T1w.nii.gz")
    assert (tmp_path / path).read_bytes() != (root / path).read_bytes()


def test_disease_changes_nothing_but_lesions_and_ventricles(tmp_path):
    well, ill = (PhantomSettings(subjects={group: 1}, voxel_mm=3.0, seed=2) for group in ("control", "SPMS"))
    first, second = make_subject(tmp_path / "well", well, 0), make_subject(tmp_path / "ill", ill, 0)
    assert second["ventricle_ml"] > 1.5 * first["ventricle_ml"]
    ours = {"group", "lesion_ml", "blackhole_ml", "ventricle_ml", "brain_ml"}
    assert {k: v for k, v in first.items() if k not in ours} == {
        k: v for k, v in second.items() if k not in ours
    }
    assert second["brain_ml"] == pytest.approx(first["brain_ml"], rel=1e-3)
    scans = [_load(tmp_path / k / "sub-01" / "anat" / "sub-01_T1w.nii.gz")[0] for k in ("well", "ill")]
    outside = ~ndimage.binary_dilation(_mask(tmp_path / "well", "sub-01", "desc-truebrain_mask") > 0)
    difference = np.abs(scans[0].astype(int) - scans[1])[outside]
    assert difference.max() <= 1, "one unit of rounding"
    assert (difference > 0).mean() < 1e-4


def test_groups_are_mixed_over_numbers():
    settings = PhantomSettings(subjects={"control": 20, "SPMS": 20})
    order = groups(settings)
    assert order.count("control") == order.count("SPMS") == 20
    assert len(set(order[:20])) == 2
    assert names(settings)[0] == "sub-01"
    assert names(PhantomSettings(subjects={"RRMS": 100}))[0] == "sub-001"


def test_lesions_lie_in_white_matter_and_black_holes_in_lesions(root, by_group):
    name = by_group["SPMS"]
    lesion = _mask(root, name, "label-lesion_mask") > 0
    black_hole = _mask(root, name, "label-blackhole_mask") > 0
    tissue = _mask(root, name, "desc-tissue_dseg")
    assert (tissue[lesion] == 2).mean() > 0.9
    assert black_hole.any()
    assert (lesion[black_hole]).mean() > 0.99


def test_lesions_are_bright_on_flair_and_black_holes_dark_on_t1w(root, by_group):
    name = by_group["SPMS"]
    truth = root / TRUTH / name / "anat"
    transform = SimpleITK.ReadTransform(str(truth / f"{name}_from-FLAIR_to-T1w_mode-image_xfm.txt"))
    scans = {}
    for sequence in ("T1w", "FLAIR"):
        data, affine = _load(root / name / "anat" / f"{name}_{sequence}.nii.gz")
        bias, _ = _load(truth / f"{name}_desc-biasfield_{sequence}.nii.gz")
        scans[sequence] = data / bias_on(bias, Grid(data.shape, affine))
    white = ndimage.binary_erosion(_mask(root, name, "desc-tissue_dseg") == 2)
    lesion = _mask(root, name, "label-lesion_mask") > 0
    black_hole = _mask(root, name, "label-blackhole_mask") > 0
    flair = SimpleITK.ReadImage(str(root / name / "anat" / f"{name}_FLAIR.nii.gz"), SimpleITK.sitkFloat32)
    moved = SimpleITK.Resample(flair, flair, transform, SimpleITK.sitkLinear)
    aligned = SimpleITK.GetArrayFromImage(moved).T
    normal = white & ~ndimage.binary_dilation(lesion, iterations=2)
    assert np.median(aligned[lesion]) > 1.4 * np.median(aligned[normal])
    assert np.median(scans["T1w"][black_hole]) < 0.85 * np.median(scans["T1w"][normal])


def test_true_transform_maps_t1w_points_to_flair_points(root, by_group):
    # edges of the head agree with the transform, and less with its inverse or without it
    name = by_group["control"]
    scans = [
        SimpleITK.ReadImage(str(root / name / "anat" / f"{name}_{sequence}.nii.gz"), SimpleITK.sitkFloat32)
        for sequence in ("T1w", "FLAIR")
    ]
    path = root / TRUTH / name / "anat" / f"{name}_from-FLAIR_to-T1w_mode-image_xfm.txt"
    transform = SimpleITK.ReadTransform(str(path))

    def disagreement(mapping):
        moved = SimpleITK.Resample(scans[1], scans[0], mapping, SimpleITK.sitkLinear)
        heads = [
            SimpleITK.GetArrayFromImage(image) > 0.15 * np.percentile(SimpleITK.GetArrayFromImage(image), 90)
            for image in (scans[0], moved)
        ]
        return (ndimage.binary_fill_holes(heads[0]) != ndimage.binary_fill_holes(heads[1])).mean()

    right = disagreement(transform)
    assert right < 0.8 * disagreement(SimpleITK.Transform())
    assert right < 0.8 * disagreement(transform.GetInverse())


def test_volumes_in_the_table_are_those_of_the_masks(root):
    rows = _rows(root / TRUTH / "truth.tsv")
    assert len(rows) == 3
    for row in rows:
        mask = _mask(root, row["participant_id"], "label-ventricle_mask")
        assert float(row["ventricle_ml"]) == pytest.approx(mask.sum() * 27 / 1000, abs=1e-3)


def test_the_truth_of_every_group_is_stated_and_its_masks_are_there(root, by_group):
    statement = read_statement(root)
    assert statement.structures == {
        "control": (),
        "RRMS": ("lesion",),
        "SPMS": ("lesion", "ventricle", "blackhole"),
    }
    for group, labels in statement.structures.items():
        for label in labels:
            assert _mask(root, by_group[group], f"label-{label}_mask").any()


def test_an_earlier_cohort_gains_the_statement_and_no_subject_is_made_again(root, tmp_path):
    earlier = shutil.copytree(root, tmp_path / "bids")
    (earlier / TRUTH / "truth.json").unlink()
    before = {file: file.stat().st_mtime_ns for file in earlier.rglob("*.nii.gz")}
    make_cohort(earlier, SETTINGS)
    assert read_statement(earlier) is not None
    assert {file: file.stat().st_mtime_ns for file in earlier.rglob("*.nii.gz")} == before


def test_thick_slices_have_their_own_affine(tmp_path):
    make_subject(tmp_path, PhantomSettings(subjects={"RRMS": 1}, voxel_mm=3.0, thick_slices_mm=5.0), 0)
    flair = nibabel.load(tmp_path / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz")
    t1w = nibabel.load(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    assert flair.header.get_zooms() == pytest.approx((3, 3, 5))
    assert t1w.header.get_zooms() == pytest.approx((3, 3, 3))
    middles = [image.affine @ [*(np.array(image.shape) - 1) / 2, 1] for image in (flair, t1w)]
    np.testing.assert_allclose(*middles, atol=1e-6)


def test_finished_subjects_are_not_made_again(tmp_path):
    settings = PhantomSettings(subjects={"RRMS": 1}, voxel_mm=3.0)
    row = make_subject(tmp_path, settings, 0)
    scan = tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    before = scan.stat().st_mtime_ns
    assert make_subject(tmp_path, settings, 0) == row
    assert scan.stat().st_mtime_ns == before
    content = scan.read_bytes()
    scan.unlink()
    make_subject(tmp_path, settings, 0)
    assert scan.read_bytes() == content


def test_folder_of_another_cohort_is_refused_with_what_differs(root):
    with pytest.raises(InputError, match="seed: found 4, expected 9"):
        make_cohort(root, SETTINGS.model_copy(update={"seed": 9}))


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not a phantom cohort"):
        make_cohort(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_unknown_group_is_refused():
    with pytest.raises(ValidationError, match="PPMS"):
        PhantomSettings(subjects={"PPMS": 3})


def test_bias_field_is_that_of_its_file(root):
    # linear between the stored values, as a resampler independent of ours computes it
    file = root / TRUTH / "sub-01" / "anat" / "sub-01_desc-biasfield_T2w.nii.gz"
    data, affine = _load(root / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    stored = SimpleITK.ReadImage(str(file))
    target = SimpleITK.ReadImage(str(root / "sub-01" / "anat" / "sub-01_T2w.nii.gz"))
    expected = SimpleITK.GetArrayFromImage(SimpleITK.Resample(stored, target)).T
    ours = bias_on(_load(file)[0], Grid(data.shape, affine))
    assert expected.min() > 0
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_sidecars_give_the_times_of_the_sequences(root):
    assert json.loads((root / "FLAIR.json").read_text())["InversionTime"] == 2.5
