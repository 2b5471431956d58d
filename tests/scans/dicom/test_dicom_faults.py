"""DICOM that is not whole: each fault has its message, and the others go on."""

import gzip
import shutil
import signal
import struct

import nibabel
import pytest
from dicom_files import SAGITTAL, write_series
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import RLELossless, generate_uid
from typer.testing import CliRunner

from stratacam.cli import LEFT_OUT, app
from stratacam.errors import InputError
from stratacam.interruption import Interrupted
from stratacam.scans.dicom import convert, import_dicom
from stratacam.scans.dicom import write as write_module


@pytest.fixture
def folder(tmp_path):
    """A folder with a sound T2w beside which a test puts something else."""
    write_series(tmp_path / "in", contrast="T2w", number=9, prefix="sound")
    return tmp_path / "in"


def only_fault(folder, tmp_path):
    """The reason why a series was left out, while the sound one was written."""
    result = import_dicom(folder, tmp_path / "out")
    assert (tmp_path / "out/sub-01/anat/sub-01_T2w.nii.gz").is_file()
    assert not (tmp_path / "out/sub-01/anat/sub-01_T1w.nii.gz").exists()
    assert result.left_out == 1
    reasons = [one.reason for one in result.decisions if one.state == "left out"]
    return [*reasons, *result.damaged][0]


def cut(path, count):
    path.write_bytes(path.read_bytes()[:count])


def test_missing_slice(folder, tmp_path):
    write_series(folder, skip=[4])
    assert "a slice is missing: slices are 3.00 mm apart, but not from -1.00 to 5.00 mm" in only_fault(
        folder, tmp_path
    )


def test_several_volumes_in_one_series(folder, tmp_path):
    write_series(folder, series="1.2.3.4", prefix="a")
    write_series(folder, series="1.2.3.4", prefix="b")
    assert "20 images at 10 positions" in only_fault(folder, tmp_path)


@pytest.mark.parametrize("other", [{"shape": (20, 20)}, {"axes": SAGITTAL}])
def test_slices_of_another_matrix_or_orientation_are_stacks_of_their_own(folder, tmp_path, other):
    write_series(folder, series="1.2.3.4", prefix="a", number=3)
    write_series(folder, series="1.2.3.4", prefix="b", number=3, slices=2, **other)
    result = import_dicom(folder, tmp_path / "out")
    first, second = (one for one in result.decisions if one.stack.first.series_number == 3)
    assert (first.state, first.stack.name, len(first.stack.slices)) == ("taken", "3 (part 1 of 2)", 10)
    differ = "matrix" if "shape" in other else "orientation"
    assert second.reason == f"2 slices, fewer than 8; the stacks of the series differ in {differ}"


def test_slice_of_another_matrix_in_the_middle_leaves_a_gap(folder, tmp_path):
    def narrow(dataset, index):
        if index == 5:
            dataset.Rows = 12
            dataset.PixelData = dataset.PixelData[: 12 * 20 * 2]

    write_series(folder, change=narrow)
    assert "a slice is missing" in only_fault(folder, tmp_path)


def test_no_pixel_data(folder, tmp_path):
    def strip(dataset, index):
        if index == 2:
            del dataset.PixelData

    write_series(folder, change=strip)
    assert "1 of 10 slices: a file has no pixel data" in only_fault(folder, tmp_path)


def test_truncated_pixel_data(folder, tmp_path):
    written = write_series(folder)
    cut(written.paths[3], -100)
    assert "1 of 10 slices: a file is truncated (860 of 960 bytes of pixel data)" in only_fault(
        folder, tmp_path
    )


def test_truncated_compressed_file(folder, tmp_path):
    written = write_series(folder)
    for path in written.paths:
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    cut(written.paths[9], -100)
    result = import_dicom(folder, tmp_path / "out")
    assert result.left_out == 1
    assert f"{written.paths[9]}: ends inside its pixel data; expected a whole file" in result.damaged[0]


def test_truncated_header(folder, tmp_path):
    extra = write_series(folder, slices=1)
    cut(extra.paths[0], 400)
    assert "has no SeriesInstanceUID; expected a whole file: copy or export it again." in only_fault(
        folder, tmp_path
    )


def test_transfer_syntax_that_cannot_be_decoded_is_named(folder, tmp_path):
    def video(dataset, _):
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
        dataset.PixelData = b"\xfe\xff\x00\xe0" + struct.pack("<I", 0)
        dataset["PixelData"].is_undefined_length = True

    write_series(folder, change=video)
    reason = only_fault(folder, tmp_path)
    assert "transfer syntax MPEG-4 AVC/H.264 High Profile" in reason
    assert "(1.2.840.10008.1.2.4.102)" in reason


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_missing_geometry(folder, tmp_path, keyword):
    write_series(folder, change=lambda dataset, _: delattr(dataset, keyword))
    assert f"{keyword} " in only_fault(folder, tmp_path)


def test_slices_that_drift_sideways(folder, tmp_path):
    def drift(dataset, index):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x + index, y, z]

    write_series(folder, change=drift)
    assert "do not lie straight above each other" in only_fault(folder, tmp_path)


def test_no_patient_id(tmp_path):
    write_series(tmp_path / "in", patient="")
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert "has no PatientID" in result.decisions[0].reason
    assert result.left_out == 1
    assert not (tmp_path / "out/import.tsv").exists()
    (tmp_path / "map.toml").write_text('[subjects]\n"" = "01"\n')
    assert import_dicom(tmp_path / "in", tmp_path / "out", tmp_path / "map.toml").left_out == 0


@pytest.mark.parametrize("names", [[], ["a.txt", "b/c"]])
def test_folders_without_dicom(tmp_path, names):
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    (tmp_path / "in").mkdir(exist_ok=True)
    message = r"holds no MR images in DICOM \(2 files: 2 not DICOM\)" if names else "holds no files"
    with pytest.raises(InputError, match=message):
        import_dicom(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        import_dicom(tmp_path / "in", tmp_path / "out")


def test_dcm2niix_not_installed(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dcm2niix", None)
    with pytest.raises(InputError, match="pip install dcm2niix"):
        import_dicom(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def fake_dcm2niix(tmp_path, monkeypatch, script):
    program = tmp_path / "dcm2niix"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("dcm2niix.bin", str(program))


def test_dcm2niix_that_fails_is_quoted_and_nothing_is_written(folder, tmp_path, monkeypatch):
    fake_dcm2niix(tmp_path, monkeypatch, "echo 'Error: out of luck'; exit 7")
    answer = CliRunner().invoke(app, ["import-dicom", str(folder), str(tmp_path / "out")])
    assert isinstance(answer.exception, InputError)
    assert "nothing could be imported" in str(answer.exception)
    assert "dcm2niix failed with exit code 7" in answer.output
    assert "Error: out of luck" in answer.output
    assert not (tmp_path / "out").exists()


def test_dcm2niix_that_makes_nothing(folder, tmp_path, monkeypatch):
    fake_dcm2niix(tmp_path, monkeypatch, "exit 0")
    result = import_dicom(folder, tmp_path / "out")
    assert "dcm2niix made 0 volumes; expected 1" in result.decisions[0].reason


def test_volume_that_lies_elsewhere_than_the_headers_say_is_refused(folder, tmp_path, monkeypatch):
    real = convert.affine_lps

    def moved(stack):
        affine = real(stack).copy()
        affine[0, 3] += 0.2
        return affine

    monkeypatch.setattr(convert, "affine_lps", moved)
    result = import_dicom(folder, tmp_path / "out")
    assert "lies 0.2 mm from where the headers put it" in result.decisions[0].reason


def test_one_bad_series_makes_the_exit_code(folder, tmp_path):
    write_series(folder, skip=[4])
    arguments = ["import-dicom", str(folder), str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == LEFT_OUT
    assert CliRunner().invoke(app, [*arguments, "--accept-left-out"]).exit_code == 0


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_preamble_are_read(tmp_path, implicit):
    written = write_series(tmp_path / "in", suffix="")
    for path in written.paths:
        bare = Dataset({element.tag: element for element in dcmread(path)})
        dcmwrite(path, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[:4] == b"\x08\0\x08\0"
    assert import_dicom(tmp_path / "in", tmp_path / "out").left_out == 0
    voxels = nibabel.load(tmp_path / "out/sub-01/anat/sub-01_T1w.nii.gz").get_fdata()
    assert sorted(voxels.ravel()) == sorted(written.voxels.ravel())


def test_bytes_that_begin_like_a_file_without_preamble_are_not_dicom(folder, tmp_path):
    (folder / "junk").write_bytes(b"\x08\0\x08\0" + bytes(range(256)) * 4)
    assert import_dicom(folder, tmp_path / "out").ignored["not DICOM"] == 1


@pytest.mark.parametrize("kind", ["zip", "gztar", "tar"])
def test_archives_are_named(tmp_path, kind):
    write_series(tmp_path / "source")
    name = {"zip": "zip archive", "gztar": "gzip file", "tar": "tar archive"}[kind]
    (tmp_path / "in").mkdir()
    archive = shutil.make_archive(str(tmp_path / "in/patient"), kind, tmp_path / "source")
    with pytest.raises(
        InputError, match=rf"holds archives \(1 {name}\), which are not read; expected files: unpack them"
    ):
        import_dicom(tmp_path / "in", tmp_path / "out")
    with pytest.raises(
        InputError, match=f"is a {name}, not a folder; expected a folder of DICOM files: unpack it"
    ):
        import_dicom(type(tmp_path)(archive), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archives_beside_images_are_an_error_and_compressed_nifti_are_not(folder, tmp_path):
    (folder / "scan.nii.gz").write_bytes(gzip.compress(b"nifti"))
    assert import_dicom(folder, tmp_path / "out").left_out == 0
    (folder / "slice.dcm.gz").write_bytes(gzip.compress(b"dicom"))
    result = import_dicom(folder, tmp_path / "again")
    assert result.left_out == 1
    assert "holds archives (1 gzip file)" in result.damaged[0]


def test_a_protocol_or_spectrum_beside_the_images_is_no_damaged_image(folder, tmp_path):
    for name, kind in (("protocol", "1.3.12.2.1107.5.9.1"), ("spectrum", "1.2.840.10008.5.1.4.1.1.4.2")):
        other = dcmread(next(iter(folder.glob("sound*"))))
        other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = kind
        other.SOPInstanceUID = generate_uid()
        del other.Rows, other.Columns, other.PixelData
        other.save_as(folder / name)
    result = import_dicom(folder, tmp_path / "out")
    assert dict(result.ignored) == {"DICOM, but not MR images": 2}
    assert result.left_out == 0


def test_other_files_are_counted(folder, tmp_path):
    (folder / "notes.txt").write_text("text")
    copy = next(iter(folder.glob("sound*")))
    (folder / "copy").write_bytes(copy.read_bytes())
    report = dcmread(copy)
    report.Modality, report.SOPInstanceUID = "SR", generate_uid()
    report.save_as(folder / "report")
    result = import_dicom(folder, tmp_path / "out")
    assert dict(result.ignored) == {
        "not DICOM": 1,
        "second copy of a DICOM file": 1,
        "DICOM, but not MR images": 1,
    }
    assert result.left_out == 0


def test_an_import_that_is_broken_off_leaves_whole_subjects_and_goes_on(tmp_path, monkeypatch):
    for number in (1, 2):
        write_series(tmp_path / "in", patient=f"PAT-{number}", study=f"1.2.{number}", prefix=f"p{number}")
    copied = []

    def write_image(volume, target):
        write(volume, target)
        copied.append(target)
        if len(copied) == 2:
            raise Interrupted(signal.SIGINT)

    write = write_module.write_image
    monkeypatch.setattr(write_module, "write_image", write_image)
    with pytest.raises(Interrupted):
        import_dicom(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sub-01"]
    import_dicom(tmp_path / "in", tmp_path / "out")
    assert len(copied) == 3  # the first subject was not written again
    assert len(list((tmp_path / "out").glob("sub-*/anat/*.nii.gz"))) == 2
