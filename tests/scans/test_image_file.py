"""Images in other formats, under other names, and with headers that are nearly right."""

import bz2
import gzip
import io
import zipfile

import nibabel
import numpy as np
import pytest
from synthetic_head import rotation

from stratacam.errors import InputError
from stratacam.scans.image_file import conversion, image_files
from stratacam.scans.resampling import read_grid
from stratacam.scans.volume import notices, read_volume

RAMP = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
OBLIQUE = rotation(10, -20, 30) @ np.diag([-0.9, 1.1, 3.0, 1.0])
OBLIQUE[:3, 3] = (12, -34, 56)


def with_header(path, *, data=RAMP, affine=OBLIQUE, kind=nibabel.Nifti1Image, **fields):
    """Write `data` and set fields of the header in the file itself."""
    kind(data, affine).to_filename(path)
    content = path.read_bytes()
    header = kind.header_class.from_fileobj(io.BytesIO(content), check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + content[len(header.binaryblock) :])
    return path


def reads_as_written(path):
    image = read_volume(path)
    np.testing.assert_array_equal(image.get_fdata(), RAMP)
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-5)
    np.testing.assert_allclose(read_grid(path).affine, OBLIQUE, atol=1e-5)
    return True


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII", "a.NII.GZ", "a.Nii.gz"])
@pytest.mark.parametrize("compressed", [0, 1, 2])
def test_the_content_decides_whether_a_file_is_compressed_and_which_nifti_it_is(
    tmp_path, kind, name, compressed
):
    content = kind(RAMP, OBLIQUE).to_bytes()
    for _ in range(compressed):
        content = gzip.compress(content)
    (tmp_path / name).write_bytes(content)
    assert reads_as_written(tmp_path / name)
    assert notices(tmp_path / name) == ()


def test_pairs_and_freesurfer_images_are_read_where_they_lie(tmp_path):
    nibabel.Nifti1Pair(RAMP, OBLIQUE).to_filename(tmp_path / "pair.img")
    nibabel.Nifti2Pair(RAMP, OBLIQUE).to_filename(tmp_path / "PAIR2.IMG")
    for name in ("scan.mgz", "scan.mgh"):
        nibabel.MGHImage(RAMP, OBLIQUE).to_filename(tmp_path / name)
    less_than = np.full((3, 4, 5), ord("<"), np.uint8) + np.arange(5, dtype=np.uint8)
    nibabel.Nifti1Pair(less_than, OBLIQUE).to_filename(tmp_path / "values.img")  # not a web page
    np.testing.assert_array_equal(read_volume(tmp_path / "values.img").get_fdata(), less_than)
    for name in ("pair.img", "PAIR2.IMG", "scan.mgz", "scan.mgh"):
        assert reads_as_written(tmp_path / name)
        assert notices(tmp_path / name) == ()
    assert image_files(tmp_path / "pair.img") == [tmp_path / "pair.img", tmp_path / "pair.hdr"]
    assert image_files(tmp_path / "scan.mgz") == [tmp_path / "scan.mgz"]
    (tmp_path / "pair.hdr").unlink()
    with pytest.raises(InputError, match=r"pair\.hdr: no such file"):
        read_volume(tmp_path / "pair.img")


def test_an_analyze_image_does_not_say_where_left_is_and_that_is_noticed(tmp_path):
    nibabel.AnalyzeImage(RAMP, np.diag([-2.0, 2, 2, 1])).to_filename(tmp_path / "old.img")
    np.testing.assert_array_equal(read_volume(tmp_path / "old.img").get_fdata(), RAMP)
    assert "left and right may be exchanged" in notices(tmp_path / "old.img")[0]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_axes_of_length_zero_after_the_third_count_as_one(tmp_path, kind):
    path = with_header(tmp_path / "a.nii", kind=kind, dim=[4, 3, 4, 5, 0, 0, 0, 0])
    assert reads_as_written(path)
    path = with_header(tmp_path / "a.nii", kind=kind, dim=[7, 3, 4, 5, 1, 0, -1, 0])
    assert reads_as_written(path)


def test_an_axis_of_length_zero_among_the_first_three_is_refused(tmp_path):
    path = with_header(tmp_path / "a.nii", dim=[3, 3, 0, 5, 1, 1, 1, 1])
    with pytest.raises(InputError, match=r"shape \(3, 0, 5\); expected at least two voxels"):
        read_volume(path)


@pytest.mark.parametrize("excess", [5e-7, 1e-5, 5e-4])
def test_a_quaternion_that_rounding_made_too_long_is_shortened(tmp_path, excess):
    turn = np.array([0.6, 0.64, 0.48])  # length 1: half a turn
    fields = {f"quatern_{axis}": value * (1 + excess) for axis, value in zip("bcd", turn, strict=True)}
    path = with_header(tmp_path / "a.nii", qform_code=1, **fields)
    assert reads_as_written(path)  # by the sform
    assert "the sform is used" in notices(path)[0]
    path = with_header(tmp_path / "a.nii", affine=np.eye(4), qform_code=1, sform_code=0, **fields)
    half_turn = 2 * np.outer(turn, turn) - np.eye(3)
    np.testing.assert_allclose(read_volume(path).affine[:3, :3], half_turn, atol=1e-5)


@pytest.mark.parametrize("value", [1.5, np.nan, np.inf])
def test_a_qform_that_is_none_is_passed_over_where_there_is_an_sform_and_else_refused(tmp_path, value):
    path = with_header(tmp_path / "a.nii", sform_code=1, qform_code=1, quatern_b=value)
    assert reads_as_written(path)
    path = with_header(tmp_path / "a.nii", sform_code=0, qform_code=1, quatern_b=value)
    with pytest.raises(InputError, match="and no sform"):
        read_volume(path)


@pytest.mark.parametrize("units", [0, 2, 2 | 8, 2 | 7 << 3, 0 | 1 << 6])
def test_millimetres_and_no_unit_are_read_whatever_the_unit_of_time(tmp_path, units):
    path = with_header(tmp_path / "a.nii", xyzt_units=units)
    assert reads_as_written(path)
    assert notices(path) == ()


@pytest.mark.parametrize("units", [4, 5, 6, 7, 5 | 8])
def test_a_unit_that_is_none_is_read_as_millimetres_and_noticed(tmp_path, units):
    path = with_header(tmp_path / "a.nii", xyzt_units=units)
    assert reads_as_written(path)
    assert f"unit {units & 7} (xyzt_units), which is none; millimetres" in notices(path)[0]


def packed(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.nii"), content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected NIfTI: copy it again"),
        (packed(b"x" * 400), "a ZIP archive; expected NIfTI: unpack it"),
        (gzip.compress(packed(b"x" * 400), mtime=0), "a ZIP archive; expected NIfTI: unpack it"),
        (bz2.compress(b"x" * 400), "compressed by bzip2; expected NIfTI: unpack it"),
        (b"NRRD0004\ntype: float\n", "NRRD; expected NIfTI: convert it"),
        (
            b"\0" * 128 + b"DICM" + b"\0" * 400,
            "DICOM; expected NIfTI: import it with `stratacam import-dicom`",
        ),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"/annex/objects/MD5E-s1--0.nii.gz\n", "git annex get"),
        (b"<!DOCTYPE html><html>", "a web page; expected NIfTI: download the file again"),
        (b"not an image", "cannot be read as NIfTI"),
        (b"x" * 4000, "cannot be read as NIfTI"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(tmp_path, content, message):
    for name in ("a.nii", "a.nii.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_volume(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_a_link_that_leads_nowhere_is_told_with_where_it_leads(tmp_path):
    (tmp_path / "a.nii").symlink_to("../.git/annex/objects/a.nii")
    with pytest.raises(InputError, match=r"links to \.\./\.git/annex/objects/a\.nii.*git annex get"):
        read_volume(tmp_path / "a.nii")


def test_a_format_that_cannot_be_read_is_named_with_the_way_to_convert_it():
    assert conversion("sub-01_T1w.NRRD") == "sub-01_T1w.NRRD is NRRD; convert it to .nii.gz"
    assert "with `stratacam import-dicom`" in conversion("0001.dcm")
    assert conversion("sub-01_T1w.nii.gz") is conversion("sub-01_T1w.json") is None


def test_a_slope_and_an_extension_of_a_header_are_respected(tmp_path):
    counts = RAMP.astype(np.int16)
    path = with_header(tmp_path / "a.nii", data=counts, scl_slope=0.5, scl_inter=-7)
    np.testing.assert_allclose(read_volume(path).get_fdata(), RAMP / 2 - 7)
    image = nibabel.Nifti1Image(RAMP, OBLIQUE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"something" * 40))
    image.to_filename(tmp_path / "b.nii.gz")
    assert reads_as_written(tmp_path / "b.nii.gz")


def test_the_other_byte_order_is_read(tmp_path):
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        image = kind(RAMP, OBLIQUE)
        swapped = kind(RAMP, OBLIQUE, image.header.as_byteswapped())
        swapped.to_filename(tmp_path / "a.nii")
        assert reads_as_written(tmp_path / "a.nii")
