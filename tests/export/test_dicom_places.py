"""Maps in DICOM lie where they lie in the patient, whatever the series, and hold the raw values."""

import subprocess
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_results import errors_of, places, ras, read_map
from imported_study import DATA, EDGE_MM, PICTURE, write_imported
from nibabel.affines import apply_affine
from pydicom.uid import EnhancedMRImageStorage, ParametricMapStorage
from rich.console import Console
from tests.scans.dicom.dicom_files import AXIAL, SAGITTAL, oblique, write_enhanced, write_series

from stratacam.export import Wanted, export_study
from stratacam.export.choose import choose_maps
from stratacam.export.dicom import find_source
from stratacam.export.drawing import draw, legend_of
from stratacam.export.placed import PlacedMap
from stratacam.scans.dicom.convert import find_dcm2niix
from stratacam.scans.dicom.link import read_link

FRAME = {"FrameOfReferenceUID": "1.2.3.4.5"}
STATED = "1 slice in 3 was explained; between these slices the map is interpolated."
MARGIN = 2  # cells of the prepared grid, of the pictures and of the slices, beyond which nothing is known


def plane_of_values(points):
    return points @ np.array([0.1, -0.2, 0.3]) + 4


def export(study, out, **wanted):
    done = export_study(
        study.folders, out, Wanted(**wanted), ["dicom"], link=study.link, console=Console(quiet=True)
    )
    maps = [path for path in done.files["dicom"] if path.name == "map.dcm"]
    captures = [path for path in done.files["dicom"] if path.name.startswith("capture")]
    return maps, captures


def inner(study, points):
    """Points of the world that lie well inside the pictures that were explained."""
    pixels = study.geometry.to_pixels(points)
    low, high = (
        np.array([1, MARGIN, MARGIN]),
        np.array([len(study.geometry.slices) - 2, PICTURE - 1 - MARGIN, PICTURE - 1 - MARGIN]),
    )
    return ((pixels >= low) & (pixels <= high)).all(axis=-1)


def reordered(dataset, index):
    """Numbers against positions, a gap between slices, and values of another kind."""
    dataset.InstanceNumber = 100 - index
    dataset.SliceThickness = 1.0


SERIES = {
    "axial": {},
    "sagittal, thin": {"axes": SAGITTAL, "step": 1.5, "slices": 20},
    "oblique": {"axes": oblique()},
    "against its normal": {"axes": (AXIAL[1], AXIAL[0])},
    "reordered, with gaps": {"axes": oblique(), "step": 5.0, "change": reordered, "suffix": ""},
}


@pytest.mark.parametrize("name", SERIES)
def test_values_that_are_known_everywhere_are_found_at_every_pixel(tmp_path, name):
    settings = {"spacing": (3.0, 2.5), "step": 3.0, "slices": 14, **SERIES[name]}
    written = write_series(tmp_path / "dicom", **settings, **FRAME)
    study = write_imported(tmp_path, values=plane_of_values)
    (path,), _ = export(study, tmp_path / "out")
    position = {}
    for image in map(pydicom.dcmread, written.paths):
        position[image.SOPInstanceUID] = np.array(image.ImagePositionPatient, float)
    compared = 0
    for source, points, values in read_map(path):
        np.testing.assert_allclose(points[0, 0], position[source.ReferencedSOPInstanceUID], atol=1e-6)
        known = inner(study, ras(points))
        compared += known.sum()
        np.testing.assert_allclose(values[known], plane_of_values(ras(points))[known], atol=2e-4)
    assert len(position) == settings["slices"]
    assert compared > 500


@pytest.mark.parametrize("name", ["axial", "sagittal, thin"])
def test_only_slices_that_were_explained_are_frames_and_only_what_was_explained_has_a_value(tmp_path, name):
    settings = {"spacing": (3.0, 2.5), "step": 3.0, "slices": 14, **SERIES[name]}
    write_series(tmp_path / "dicom", **settings, **FRAME)
    study = write_imported(tmp_path, values=plane_of_values, every=3)
    (path,), captures = export(study, tmp_path / "out")
    dataset = pydicom.dcmread(path)
    named = {source.ReferencedSOPInstanceUID for source, *_ in read_map(path)}
    assert named == {pydicom.dcmread(one).SourceImageSequence[0].ReferencedSOPInstanceUID for one in captures}
    crosses = name != "axial"
    assert (len(named) == settings["slices"]) == crosses
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        assert frame.FrameContentSequence[0].FrameComments == f"NaN: not explained. {STATED}"
    assert np.isnan([dataset.FloatPixelPaddingValue, dataset.FloatPixelPaddingRangeLimit]).all()
    for _, points, values in read_map(path):
        pixels = study.geometry.to_pixels(ras(points))
        last = len(study.geometry.slices) - 1
        low, high = [-0.5 / 3, -0.5, -0.5], [last + 0.5 / 3, PICTURE - 0.5, PICTURE - 0.5]
        inside = ((pixels >= low) & (pixels <= high)).all(axis=-1)
        np.testing.assert_array_equal(np.isfinite(values), inside)
    report = pydicom.dcmread(path.with_name("report.dcm"))
    assert STATED in [one.get("TextValue") for one in report.ContentSequence]
    assert errors_of(path) == []


def test_the_distance_of_frames_is_that_of_explained_slices(tmp_path):
    write_series(
        tmp_path / "dicom", spacing=(3.0, 3.0), step=3.0, slices=14, origin=(-30.0, -30.0, -21.0), **FRAME
    )
    study = write_imported(tmp_path, values=plane_of_values, every=2)
    (path,), _ = export(study, tmp_path / "out")
    dataset = pydicom.dcmread(path)
    heights = [points[0, 0, 2] for _, points, _ in read_map(path)]
    np.testing.assert_allclose(np.abs(np.diff(heights)), 6.0)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SpacingBetweenSlices, measures.SliceThickness) == (6, 3)


def test_maps_of_small_values_have_a_window_that_the_standard_allows(tmp_path):
    write_series(tmp_path / "dicom", spacing=(3.0, 2.5), step=4.0, slices=8, **FRAME)
    study = write_imported(tmp_path, values=lambda points: 1e-3 * plane_of_values(points))
    (path,), _ = export(study, tmp_path / "out")
    assert errors_of(path) == []
    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    (window,) = shared.FrameVOILUTSequence
    assert (window.VOILUTFunction, float(window.WindowCenter)) == ("LINEAR_EXACT", 0)
    largest = max(np.nanmax(np.abs(values)) for *_, values in read_map(path))
    assert float(window.WindowWidth) == pytest.approx(2 * largest)


def test_captures_are_compressed_without_loss(oblique_study, dicom_files):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    placed = PlacedMap(chosen, "T1w", signed=False)
    delivered = chosen.maps.geometry.delivered["T1w"]
    source = find_source(chosen.scan, "T1w", delivered, read_link(oblique_study.link))
    laid = placed.lay(source.grid)
    path = next(path for path in dicom_files if path.name == "capture-005.dcm")
    capture = pydicom.dcmread(path)
    drawn = draw(laid, 4, legend_of(chosen, laid, signed=False), name=placed.name)
    np.testing.assert_array_equal(capture.pixel_array, drawn.pixels)
    assert path.stat().st_size < drawn.pixels.nbytes / 4
    assert "LossyImageCompression" not in capture or capture.LossyImageCompression == "00"


def bump(centre):
    return lambda points: 7 * np.exp(-((points - centre) ** 2).sum(axis=-1) / (2 * 12.0**2)) - 0.5


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_planted_blob_is_at_its_coordinate_in_map_and_capture(tmp_path, plane):
    written = write_series(
        tmp_path / "dicom", axes=oblique(), spacing=(2.0, 2.0), step=3.0, slices=20, shape=(40, 36), **FRAME
    )
    middle = written.affine @ [17, 22, 9, 1]
    study = write_imported(tmp_path, values=bump(ras(middle[:3])), plane=plane)
    (path,), captures = export(study, tmp_path / "out")
    frames = list(read_map(path))
    _, points, values = max(frames, key=lambda frame: frame[2].max())
    hottest = np.unravel_index(values.argmax(), values.shape)
    assert np.abs(points[hottest] - middle[:3]).max() < EDGE_MM
    assert values.max() == pytest.approx(6.5, abs=0.3)
    coldest = min(values.min() for _, _, values in frames)
    assert coldest == pytest.approx(-0.5, abs=0.05)
    pictures = [pydicom.dcmread(one) for one in captures]
    colourful = [colour_of(one) for one in pictures]
    best = int(np.argmax([one.sum() for one in colourful]))
    points = places(
        pictures[best].ImagePositionPatient,
        pictures[best].ImageOrientationPatient,
        pictures[best].PixelSpacing,
        colourful[best].shape,
    )
    strong = colourful[best] > 0.8 * colourful[best].max()
    assert np.linalg.norm(points[strong].mean(axis=0) - middle[:3]) < EDGE_MM


def colour_of(capture):
    """How far each pixel of the slice is from grey; the legend below it counts for nothing."""
    pixels = capture.pixel_array.astype(float)
    slice_rows = 640
    return np.ptp(pixels[:slice_rows], axis=2)


def test_a_capture_begins_where_its_slice_begins_and_spans_the_same_millimetres(oblique_study, dicom_files):
    sources = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, oblique_study.dicom.iterdir())}
    for path in dicom_files:
        if not path.name.startswith("capture"):
            continue
        capture = pydicom.dcmread(path)
        source = sources[capture.SourceImageSequence[0].ReferencedSOPInstanceUID]
        corner = {}
        for name, image in {"capture": capture, "source": source}.items():
            points = places(
                image.ImagePositionPatient, image.ImageOrientationPatient, image.PixelSpacing, (2, 2)
            )
            corner[name] = points[0, 0] - (points[1, 1] - points[0, 0]) / 2  # outer corner of the first pixel
        np.testing.assert_allclose(corner["capture"], corner["source"], atol=1e-6)
        assert capture.Columns * capture.PixelSpacing[1] >= source.Columns * source.PixelSpacing[1] - 1e-6


def test_frames_of_an_enhanced_series_are_named_by_number(tmp_path):
    written = write_series(
        tmp_path / "classic", axes=oblique(), spacing=(3.0, 2.5), step=3.0, slices=14, **FRAME
    )
    write_enhanced(written, tmp_path / "dicom/file", [10.0] * 14)
    study = write_imported(tmp_path, values=plane_of_values)
    (path,), captures = export(study, tmp_path / "out")
    position = [np.array(pydicom.dcmread(one).ImagePositionPatient, float) for one in written.paths]
    for source, points, values in read_map(path):
        np.testing.assert_allclose(points[0, 0], position[int(source.ReferencedFrameNumber) - 1], atol=1e-6)
        known = inner(study, ras(points))
        np.testing.assert_allclose(values[known], plane_of_values(ras(points))[known], atol=2e-4)
    for one in (path, *captures):
        decimals = [each for each in pydicom.dcmread(one).iterall() if each.VR == "DS"]
        texts = [str(value) for each in decimals for value in np.atleast_1d(each.value)]
        assert max(map(len, texts)) <= 16  # the most that the standard allows
    named = {pydicom.dcmread(one).SourceImageSequence[0].ReferencedFrameNumber for one in captures}
    assert named <= set(range(1, 15))


def test_enhanced_files_of_one_slice_each_are_named_one_by_one(tmp_path):
    written = write_series(
        tmp_path / "classic", axes=oblique(), spacing=(3.0, 2.5), step=3.0, slices=9, **FRAME
    )
    (tmp_path / "dicom").mkdir()
    for number, path in enumerate(written.paths):
        write_enhanced(replace(written, paths=[path]), tmp_path / f"dicom/{number}/file", [10.0])
    study = write_imported(tmp_path, values=plane_of_values)
    position = {}
    for image in map(pydicom.dcmread, written.paths):
        position[image.SOPInstanceUID] = np.array(image.ImagePositionPatient, float)
    (path,), _ = export(study, tmp_path / "out")
    for source, points, _ in read_map(path):
        assert source.ReferencedSOPClassUID == EnhancedMRImageStorage
        np.testing.assert_allclose(points[0, 0], position[source.ReferencedSOPInstanceUID], atol=1e-6)
    report = pydicom.dcmread(tmp_path / "out/dicom/sub-01_space-T1w_desc-block5conv3_gradcam/report.dcm")
    named = {one.value for one in report.iterall() if one.keyword == "ReferencedSOPClassUID"}
    assert named == {EnhancedMRImageStorage, ParametricMapStorage}


def test_a_map_over_another_sequence_lies_in_the_series_of_that_sequence(tmp_path):
    write_series(tmp_path / "dicom/a", axes=oblique(), spacing=(3.0, 2.5), slices=14, **FRAME)
    flair = write_series(
        tmp_path / "dicom/b", contrast="FLAIR", spacing=(2.0, 2.5), step=4.0, slices=11, number=2, **FRAME
    )
    study = write_imported(tmp_path, values=plane_of_values)
    (path,), _ = export(study, tmp_path / "out", sequences=("FLAIR",))
    uids = {pydicom.dcmread(one).SOPInstanceUID for one in flair.paths}
    for source, points, values in read_map(path):
        assert source.ReferencedSOPInstanceUID in uids
        known = inner(study, ras(points))
        np.testing.assert_allclose(values[known], plane_of_values(ras(points))[known], atol=2e-4)


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real scans in {DATA}")
def test_a_real_series_is_followed_pixel_by_pixel(tmp_path):
    (tmp_path / "dicom").symlink_to(DATA)
    rules = "[[rule]]\nsequence = 'T1w'\nderived = true\nSeriesDescription = 'T1w'\n"
    study = write_imported(tmp_path, values=plane_of_values, map_toml=rules)
    (path,), captures = export(study, tmp_path / "out")
    compared = 0
    for _, points, values in read_map(path):
        known = inner(study, ras(points))
        compared += known.sum()
        np.testing.assert_allclose(values[known], plane_of_values(ras(points))[known], atol=2e-3)
    assert compared > 1e6
    assert len(captures) > 100


@pytest.mark.parametrize("name", ["oblique", "reordered, with gaps", "against its normal"])
def test_an_independent_converter_reads_map_and_captures_at_the_same_places(tmp_path, name):
    settings = {"spacing": (3.0, 2.5), "step": 3.0, "slices": 14, **SERIES[name]}
    write_series(tmp_path / "dicom", **settings, **FRAME)
    study = write_imported(tmp_path, values=plane_of_values)
    (path,), captures = export(study, tmp_path / "out")
    for one in (path, captures[0]):
        (tmp_path / one.stem).mkdir()
    command = [str(find_dcm2niix()), "-b", "n", "-f", "found", "-o", str(tmp_path / path.stem)]
    subprocess.run([*command, "-s", "y", str(path)], check=True, capture_output=True)  # noqa: S603
    found = nibabel.load(tmp_path / path.stem / "found.nii")
    source = nibabel.load(next(study.bids.rglob("*_T1w.nii.gz")))
    assert found.shape == source.shape
    np.testing.assert_allclose(found.affine, source.affine, atol=1e-4)
    points = apply_affine(found.affine, np.moveaxis(np.indices(found.shape), 0, -1))
    known = inner(study, points)
    np.testing.assert_allclose(found.get_fdata()[known], plane_of_values(points)[known], atol=1e-3)
    command[-1] = str(tmp_path / captures[0].stem)
    subprocess.run([*command, str(captures[0].parent)], check=True, capture_output=True)  # noqa: S603
    over = next(
        image
        for image in map(nibabel.load, (tmp_path / captures[0].stem).glob("*.nii"))
        if image.get_data_dtype().fields
    )
    direction = over.affine[:3, :3] / np.linalg.norm(over.affine[:3, :3], axis=0)
    np.testing.assert_allclose(
        np.abs(direction),
        np.abs(source.affine[:3, :3] / np.linalg.norm(source.affine[:3, :3], axis=0)),
        atol=1e-4,
    )


def test_an_independent_reader_lays_the_captures_over_the_source(oblique_study, dicom_files):
    captures = sorted(path for path in dicom_files if path.name.startswith("capture"))
    volumes = {}
    for name, paths in {"captures": captures, "source": sorted(oblique_study.dicom.iterdir())}.items():
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames([str(path) for path in paths])
        volumes[name] = reader.Execute()
    over, under = volumes["captures"], volumes["source"]
    np.testing.assert_allclose(over.GetDirection(), under.GetDirection(), atol=1e-6)
    columns, rows, slices = under.GetSize()
    assert over.GetSize()[2] == slices
    scale = np.array(under.GetSpacing()) / over.GetSpacing()
    for index in ((0, 0, 0), (columns - 1, rows - 1, slices - 1), (columns // 2, 1, 5)):
        there = (np.array(index) + 0.5) * scale - 0.5  # the same place in the finer pixels of a capture
        np.testing.assert_allclose(
            over.TransformContinuousIndexToPhysicalPoint(there.tolist()),
            under.TransformIndexToPhysicalPoint(index),
            atol=1e-4,
        )
