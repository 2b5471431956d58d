"""Voxels and where they lie, against what was written into the slices."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_files import AXIAL, SAGITTAL, oblique, write_enhanced, write_series
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, RLELossless

from stratacam.scans.dicom import import_dicom

DATA = Path(os.environ.get("STRATACAM_TEST_DATA", Path(__file__).parents[4] / "shared/data")) / "dicom-t1"
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def compare(image, voxels, affine_lps):
    """Largest distance of a voxel corner in mm, and of a voxel value, between a NIfTI and the truth."""
    found = np.asarray(image.dataobj)
    index = np.indices(found.shape).reshape(3, -1).T
    to_truth = np.linalg.inv(LPS @ affine_lps) @ image.affine
    nearest = np.rint(index @ to_truth[:3, :3].T + to_truth[:3, 3]).astype(int)
    assert len({tuple(one) for one in nearest[:: max(1, len(nearest) // 999)]}) >= min(999, len(nearest) // 2)
    assert nearest.min() == 0
    assert tuple(nearest.max(0) + 1) == voxels.shape
    values = np.abs(found.reshape(-1).astype(float) - voxels[tuple(nearest.T)]).max()
    distance = 0.0
    for corner in np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T:
        turned = np.rint(to_truth[:3, :3]) @ corner
        here = (index + corner) @ image.affine[:3, :3].T + image.affine[:3, 3]
        there = (nearest + turned) @ (LPS @ affine_lps)[:3, :3].T + (LPS @ affine_lps)[:3, 3]
        distance = max(distance, np.linalg.norm(here - there, axis=1).max())
    return distance, values


def load(out, sequence="T1w"):
    return nibabel.load(out / f"sub-01/anat/sub-01_{sequence}.nii.gz")


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, oblique()], ids=["axial", "sagittal", "oblique"])
@pytest.mark.parametrize("step", [1.0, 3.3])
def test_every_voxel_keeps_its_value_and_place(tmp_path, axes, step):
    written = write_series(tmp_path / "in", axes=axes, step=step)
    import_dicom(tmp_path / "in", tmp_path / "out")
    distance, values = compare(load(tmp_path / "out"), written.voxels, written.affine)
    assert distance < 1e-3
    assert values == 0


def test_slices_whose_numbers_run_against_their_positions(tmp_path):
    def renumber(dataset, index):
        dataset.InstanceNumber = 100 - index

    written = write_series(tmp_path / "in", axes=oblique(), change=renumber, suffix="")
    import_dicom(tmp_path / "in", tmp_path / "out")
    assert compare(load(tmp_path / "out"), written.voxels, written.affine) < (1e-3, 1)


def test_scaled_values_are_those_of_the_slope_and_intercept(tmp_path):
    written = write_series(tmp_path / "in", RescaleSlope=2, RescaleIntercept=5)
    import_dicom(tmp_path / "in", tmp_path / "out")
    assert compare(load(tmp_path / "out"), 2.0 * written.voxels + 5, written.affine) == pytest.approx(
        (0, 0), abs=1e-3
    )


def rle(path):
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)


def jpeg2000(path):
    dataset = pydicom.dcmread(path)
    target = path.with_suffix(".j2k")
    Image.fromarray(dataset.pixel_array).save(target, irreversible=False)
    dataset.PixelData = encapsulate([target.read_bytes()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    target.unlink()


def big_endian(path):
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False)


@pytest.mark.parametrize("rewrite", [rle, jpeg2000, big_endian])
def test_losslessly_encoded_slices_give_the_same_voxels(tmp_path, rewrite):
    written = write_series(tmp_path / "in", axes=oblique())
    for path in written.paths:
        rewrite(path)
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert result.left_out == 0
    assert compare(load(tmp_path / "out"), written.voxels, written.affine) < (1e-3, 1)


def test_enhanced_file_gives_the_same_voxels(tmp_path):
    written = write_series(tmp_path / "classic", axes=oblique())
    write_enhanced(written, tmp_path / "in/file", [10.0] * 10)
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert [(one.sequence, one.state) for one in result.decisions] == [("T1w", "taken")]
    assert compare(load(tmp_path / "out"), written.voxels, written.affine) < (1e-3, 1)


def test_an_enhanced_spoiled_gradient_echo_is_a_t1w(tmp_path):
    times = {"RepetitionTime": 8, "EchoTime": 3, "FlipAngle": 12}
    written = write_series(tmp_path / "classic", MRAcquisitionType="3D", **times)
    write_enhanced(written, tmp_path / "in/file", [3.0] * 10)
    file = pydicom.dcmread(tmp_path / "in/file")
    file.EchoPulseSequence, file.Spoiling = "GRADIENT", "RF"
    timing = file.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence[0]
    timing.RepetitionTime, timing.FlipAngle = 8.0, 12.0
    del file.SequenceVariant
    file.save_as(tmp_path / "in/file")
    (decision,) = import_dicom(tmp_path / "in", tmp_path / "out").decisions
    assert (decision.sequence, decision.state) == ("T1w", "taken")


def test_enhanced_file_of_two_stacks_is_refused(tmp_path):
    written = write_series(tmp_path / "classic", slices=20)
    write_enhanced(written, tmp_path / "in/file", [10.0] * 10 + [12.0] * 10)
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert result.left_out == 2
    assert "an enhanced file holds 2 stacks that differ in echo time" in result.decisions[0].reason


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found in {DATA}")
def test_real_scan_lies_where_pydicom_reads_its_slices(tmp_path):
    (tmp_path / "map.toml").write_text(
        "[[rule]]\nsequence = 'T1w'\nSeriesDescription = 'T1w'\nderived = true\n"
    )
    import_dicom(DATA, tmp_path / "out", tmp_path / "map.toml")
    image = load(tmp_path / "out")
    assert image.shape == (274, 384, 128)
    slices = [pydicom.dcmread(path) for path in DATA.glob("*.dcm")]
    row, column = np.split(np.array(slices[0].ImageOrientationPatient, float), 2)
    normal = np.cross(row, column)
    slices.sort(key=lambda one: np.array(one.ImagePositionPatient, float) @ normal)
    columns, rows = slices[0].Columns, slices[0].Rows
    corners = np.indices((columns + 1, rows + 1)).reshape(2, -1).T - 0.5
    centres = np.indices((columns, rows)).reshape(2, -1).T
    to_voxel = np.linalg.inv(image.affine)
    voxels = np.asarray(image.dataobj)
    farthest = 0.0
    for one in slices:
        first = np.array(one.ImagePositionPatient, float)
        steps = np.array([row * float(one.PixelSpacing[1]), column * float(one.PixelSpacing[0])])
        for points, half in ((corners, (0.5, 0.5, 0.0)), (centres, (0.0, 0.0, 0.0))):
            ras = (first + points @ steps) * (-1, -1, 1)
            voxel = ras @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            nearest = np.rint(voxel - half) + half
            farthest = max(farthest, np.linalg.norm((voxel - nearest) @ image.affine[:3, :3].T, axis=1).max())
        values = voxels[tuple(nearest.astype(int).T)].reshape(columns, rows)
        assert np.array_equal(values, one.pixel_array.T)
    print(f"farthest voxel corner: {farthest:.2e} mm")  # noqa: T201 - the figure of the documentation
    assert farthest < 1e-3
