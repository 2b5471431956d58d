import hashlib

import nibabel
import numpy as np
import pytest
import SimpleITK
from synthetic_head import rotation, write

from stratacam.errors import InputError
from stratacam.scans.volume import from_itk, itk_affine, read_volume, to_itk, write_nifti

RAMP = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
OBLIQUE = rotation(10, -20, 30) @ np.diag([-0.9, 1.1, 3.0, 1.0])
OBLIQUE[:3, 3] = (12, -34, 56)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 4, 5), np.float32), "all voxels are zero"),
        (np.full((3, 4, 5), 7, np.int16), "all voxels have the value 7"),
        (np.where(RAMP == 3, np.nan, RAMP), "1 of 60 voxels are NaN or infinite"),
        (np.stack([RAMP, RAMP], -1), "has 4 dimensions"),
        (RAMP[:, :, :1], "at least two voxels along every axis"),
    ],
)
def test_an_unusable_scan_is_refused_with_the_file_and_what_was_found(tmp_path, data, message):
    path = write(tmp_path / "scan.nii.gz", data, np.eye(4))
    with pytest.raises(InputError) as caught:
        read_volume(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    path = write(tmp_path / f"scan{suffix}", noise, np.eye(4))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        read_volume(path)


def test_a_missing_file_and_a_file_of_another_kind_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_volume(tmp_path / "absent.nii.gz")
    (tmp_path / "text.nii.gz").write_text("not an image")
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        read_volume(tmp_path / "text.nii.gz")


def test_a_sheared_and_a_singular_affine_are_refused(tmp_path):
    sheared, singular = np.eye(4), np.diag([1.0, 1.0, 0.0, 1.0])
    sheared[0, 1] = 0.1
    for affine, message in ((sheared, "sheared"), (singular, "singular")):
        image = nibabel.Nifti1Image(RAMP, np.eye(4))
        image.header.set_sform(affine, code=1)
        nibabel.Nifti1Image(RAMP, None, image.header).to_filename(tmp_path / "scan.nii")
        with pytest.raises(InputError, match=message):
            read_volume(tmp_path / "scan.nii")


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path):
    image = read_volume(write(tmp_path / "scan.nii", RAMP[..., None], np.eye(4)))
    assert image.shape == (3, 4, 5)


def test_nibabel_and_itk_agree_on_the_world_in_memory_and_on_disk(tmp_path):
    image = to_itk(RAMP, OBLIQUE)
    world = (OBLIQUE @ [2, 1, 4, 1])[:3]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((2, 1, 4)), world * [-1, -1, 1], atol=1e-9)
    assert image[2, 1, 4] == RAMP[2, 1, 4]
    np.testing.assert_allclose(itk_affine(image), OBLIQUE, atol=1e-9)
    np.testing.assert_array_equal(from_itk(image), RAMP)
    write_nifti(tmp_path / "scan.nii.gz", RAMP, OBLIQUE)
    read_by_itk = SimpleITK.ReadImage(str(tmp_path / "scan.nii.gz"))
    np.testing.assert_allclose(itk_affine(read_by_itk), OBLIQUE, atol=1e-4)
    np.testing.assert_allclose(nibabel.load(tmp_path / "scan.nii.gz").affine, OBLIQUE, atol=1e-4)


def test_the_same_volume_is_written_as_the_same_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, RAMP > 3, OBLIQUE)
    first, second = (
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.nii.gz", "b.nii.gz")
    )
    assert first == second
    assert nibabel.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint8
