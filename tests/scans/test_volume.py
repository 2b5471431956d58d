import gzip
import hashlib
import io
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from synthetic_head import rotation, write

from stratacam.errors import InputError
from stratacam.files import temporary_name
from stratacam.scans.volume import from_itk, itk_affine, notices, read_volume, to_itk, write_nifti

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
        (np.where(RAMP == 3, -np.inf, RAMP), "1 of 60 voxels are NaN or infinite"),
        (np.where(RAMP == 3, 1e300, RAMP.astype(np.float64)), "reach beyond 1e+18"),
        (RAMP[:, :, :1], "at least two voxels along every axis"),
        (RAMP.astype(np.complex64), "holds complex numbers"),
        (
            np.zeros((3, 4, 5), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])),
            "holds colours (RGB); expected one number for each voxel",
        ),
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


def with_header(path, *, data=RAMP, **fields):
    """Write `data` and set fields of the header in the file itself."""
    write(path, data, np.eye(4))
    image = path.read_bytes()
    header = nibabel.Nifti1Header.from_fileobj(io.BytesIO(image), check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + image[len(header.binaryblock) :])
    return path


def test_a_wrong_magic_is_refused(tmp_path):
    path = with_header(tmp_path / "scan.nii", magic=b"n+9")
    with pytest.raises(InputError, match=r"scan\.nii: cannot be read as NIfTI"):
        read_volume(path)


def test_a_header_that_promises_more_than_memory_holds_is_refused(tmp_path):
    path = with_header(tmp_path / "scan.nii", dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])
    compressed = tmp_path / "scan.nii.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, compressed):
        with pytest.raises(InputError, match="cannot be read as NIfTI"):
            read_volume(file)


def test_a_scaling_of_integers_is_applied_unless_it_leaves_what_32_bits_hold(tmp_path):
    counts = RAMP.astype(np.int16)
    path = with_header(tmp_path / "scan.nii", data=counts, scl_slope=2.5e9, scl_inter=-7)
    np.testing.assert_allclose(read_volume(path).get_fdata(), RAMP * 2.5e9 - 7, rtol=1e-6)
    for slope in (1e20, 3e38):
        path = with_header(tmp_path / "scan.nii", data=counts, scl_slope=slope, scl_inter=0)
        with pytest.raises(InputError, match=r"reach beyond 1e\+18.*scl_slope"):
            read_volume(path)


def test_a_mirrored_affine_is_legal_and_every_voxel_stays_where_it_was(tmp_path):
    mirrored = OBLIQUE.copy()
    mirrored[:, 1] *= -1  # OBLIQUE is left-handed, this is right-handed
    assert np.linalg.det(OBLIQUE[:3, :3]) < 0 < np.linalg.det(mirrored[:3, :3])
    for affine in (OBLIQUE, mirrored):
        canonical = nibabel.as_closest_canonical(read_volume(write(tmp_path / "scan.nii", RAMP, affine)))
        image = to_itk(canonical.get_fdata(dtype=np.float32), canonical.affine)
        for index in ((0, 0, 0), (2, 3, 4), (1, 2, 3)):
            world = (affine @ [*index, 1])[:3] * [-1, -1, 1]
            assert image[image.TransformPhysicalPointToIndex(world)] == RAMP[index]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"xyzt_units": 1}, r"counts in meter \(xyzt_units\); expected mm"),
        ({"xyzt_units": 3}, "counts in micron"),
        ({"srow_x": [0.001, 0, 0, 0], "srow_y": [0, 0.001, 0, 0]}, "voxels are 0.001 x 0.001 x 1 mm"),
        ({"srow_z": [0, 0, 1000, 0]}, "voxels are 1 x 1 x 1000 mm; expected edges of 0.05 to 20 mm"),
        ({"srow_z": [0, 0, 0, 0]}, "singular, with voxels of 1 x 1 x 0 mm"),
        ({"sform_code": 0, "qform_code": 0, "pixdim": [1, 1, 1, 0, 0, 0, 0, 0]}, "voxels of 1 x 1 x 0 mm"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "is not finite"),
    ],
)
def test_voxels_without_a_size_or_not_in_millimetres_are_refused(tmp_path, fields, message):
    path = with_header(tmp_path / "scan.nii", **fields)
    with pytest.raises(InputError, match=message) as caught:
        read_volume(path)
    assert str(caught.value).startswith(str(path))


def test_sform_and_qform_that_disagree_are_told_with_the_largest_distance_and_the_sform_counts(tmp_path):
    path = with_header(tmp_path / "scan.nii", sform_code=1, qform_code=2, qoffset_x=3, qoffset_y=4)
    (notice,) = notices(path)
    assert "sform (code 1) and qform (code 2) disagree by up to 5.0 mm; the sform is used" in notice
    np.testing.assert_array_equal(read_volume(path).affine, np.eye(4))


def test_a_disagreement_grows_with_the_distance_from_the_first_voxel(tmp_path):
    twist = np.sin(0.02 / 2)  # 0.02 radians about z: 0.02 * |(2, 3)| mm at the far corner
    path = with_header(tmp_path / "scan.nii", sform_code=1, qform_code=1, quatern_d=twist)
    assert notices(path) == ()
    far = np.zeros((60, 80, 5), np.float32)
    path = with_header(tmp_path / "far.nii", data=far, sform_code=1, qform_code=1, quatern_d=twist)
    assert f"up to {0.02 * np.hypot(59, 79):.1f} mm" in notices(path)[0]


def test_forms_that_agree_or_of_which_one_is_absent_are_not_noticed_but_none_is(tmp_path):
    assert notices(write(tmp_path / "both.nii", RAMP, OBLIQUE)) == ()
    assert notices(with_header(tmp_path / "one.nii", sform_code=1, qform_code=0, qoffset_x=9)) == ()
    (notice,) = notices(with_header(tmp_path / "none.nii", sform_code=0, qform_code=0))
    assert "left and right may be exchanged" in notice
    with pytest.raises(InputError, match="no such file"):
        notices(tmp_path / "absent.nii")


def test_a_file_that_may_not_be_read_is_told_with_the_remedy(tmp_path, monkeypatch):
    path = write(tmp_path / "scan.nii.gz", RAMP, OBLIQUE)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        InputError,
        match=r"scan\.nii\.gz: cannot be read \(Permission denied\); expected a readable file: check",
    ):
        read_volume(path)


def test_spaces_and_letters_of_any_language_in_names_do_not_matter(tmp_path):
    path = tmp_path / "Bärbel Müller 頭" / "scan é.nii.gz"
    write_nifti(path, RAMP, OBLIQUE)
    np.testing.assert_array_equal(read_volume(path).get_fdata(), RAMP)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"older")
    temporary_name(path).symlink_to("/dev/full")
    with pytest.raises(
        InputError, match=rf"{name}: cannot be written \(No space left on device\); make room"
    ):
        write_nifti(path, RAMP, OBLIQUE)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"older"


def test_a_direction_with_numbers_near_the_smallest_there_are_can_be_inverted_by_itk():
    affine = np.array(
        [
            [-0.9999999, 4.6e-296, -2.7e-4, 0],
            [-4.6e-296, -1, -1.2e-299, 0],
            [2.7e-4, 0, -0.9999999, 0],
            [0, 0, 0, 1],
        ]
    )
    image = to_itk(np.ones((4, 5, 6), np.float32), affine)
    index = image.TransformPhysicalPointToContinuousIndex(image.TransformIndexToPhysicalPoint((1, 2, 3)))
    np.testing.assert_allclose(index, (1, 2, 3), atol=1e-9)


def test_an_empty_file_is_told_as_such(tmp_path):
    for name in ("sub-01_T1w.nii", "sub-01_T1w.nii.gz"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=f"{name}: is empty; expected NIfTI"):
            read_volume(tmp_path / name)
