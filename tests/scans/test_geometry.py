"""What a network saw is found again on the scan as delivered, whatever its geometry."""

import json
from dataclasses import dataclass, replace

import nibabel
import nibabel.processing
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from stratacam.errors import InputError
from stratacam.scans.geometry import Geometry
from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.pictures import Pictures, PictureSettings, cut_pictures
from stratacam.scans.planes import AXES
from stratacam.scans.prepared import PreparedVolume
from stratacam.scans.register import write_transform
from stratacam.scans.resampling import Grid, read_grid, resample
from stratacam.scans.slices import kept_slices, slice_areas
from stratacam.scans.volume import LPS, from_itk, itk_affine, to_itk

PLANES = tuple(AXES)


@dataclass(frozen=True)
class Case:
    """A scan as delivered with a fiducial in it, prepared and cut into pictures."""

    delivered: Grid
    fiducial: np.ndarray  # RAS mm
    blob_mm: float  # standard deviation of the fiducial and of its heat
    pixel_mm: float
    pictures: Pictures

    @property
    def geometry(self) -> Geometry:
        return self.pictures.geometry


def blob(grid, centre, sigma):
    """A Gaussian around a point of the world, at the voxels of a grid."""
    world = nibabel.affines.apply_affine(grid.world, np.moveaxis(np.indices(grid.shape), 0, -1))
    return np.exp(-np.square(world - centre).sum(-1) / (2 * sigma**2)).astype(np.float32)


@st.composite
def affines(draw, spacing):
    """Oblique, flipped, permuted; anywhere in the world."""
    turn = draw(st.tuples(*[st.floats(-40, 40)] * 3))
    flips = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    order = draw(st.permutations(range(3)))
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()[:, order] * np.array(flips) * spacing
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = draw(st.tuples(*[st.floats(-150, 150)] * 3))
    return affine


@st.composite
def cases(draw):
    spacing = np.array(draw(st.tuples(*[st.floats(1.0, 3.0)] * 3)))
    edge = draw(st.one_of(st.none(), st.floats(1.0, 3.0)))
    coarsest = max(*spacing, edge or 0)
    blob_mm = 1.2 * coarsest
    lengths = np.array(draw(st.tuples(*[st.floats(14, 18)] * 3))) * coarsest
    delivered = Grid(tuple(np.ceil(lengths / spacing).astype(int).tolist()), draw(affines(spacing)))
    middle = (np.array(delivered.shape) - 1) / 2
    off = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 3))) * coarsest / spacing
    fiducial = nibabel.affines.apply_affine(delivered.affine, middle + off)
    image = nibabel.as_closest_canonical(
        nibabel.Nifti1Image(blob(delivered, fiducial, blob_mm), delivered.affine)
    )
    t1w = to_itk(image.get_fdata(dtype=np.float32), image.affine)
    grid = make_grid(t1w, edge)
    data, affine = from_itk(onto_grid(t1w, grid, SimpleITK.Transform())), itk_affine(grid)
    mask = np.ones(data.shape, dtype=bool)
    plane = draw(st.sampled_from(PLANES))
    kept = kept_slices(slice_areas(mask, affine, plane), 0.5)
    volume = PreparedVolume(data[None], mask, affine, kept, plane)
    largest = max(np.array(data.shape) * np.linalg.norm(affine[:3, :3], axis=0))
    size = 32 * draw(st.integers(1, 4))
    picture = PictureSettings(
        size=size,
        width_mm=draw(st.one_of(st.none(), st.floats(1.0, 1.3).map(lambda share: largest * share))),
        margin_mm=draw(st.floats(0, 6)),
    )
    pictures = cut_pictures(volume, picture)
    pictures = replace(pictures, geometry=replace(pictures.geometry, delivered={"T1w": delivered}))
    pixel_mm = pictures.geometry.size_mm[0] / pictures.geometry.size[0]
    return Case(delivered, fiducial, blob_mm, pixel_mm, pictures)


def heat_at(case, cell, shrunk):
    """Heat around one cell of a map that has `shrunk` times fewer rows and columns than the picture."""
    geometry = case.geometry
    rows, columns = (side // shrunk for side in geometry.size)
    step = case.pixel_mm * shrunk
    slices = np.linalg.norm(geometry.pixels_to_world[:3, 0])
    picture, row, column = np.ogrid[: len(geometry.slices), :rows, :columns]
    squares = sum(
        ((place - at) * mm) ** 2
        for place, at, mm in zip((picture, row, column), cell, (slices, step, step), strict=True)
    )
    return np.exp(-squares / (2 * max(case.blob_mm, 1.2 * step) ** 2)).astype(np.float32)


def offset_in_slices(case, world):
    """How far a point of the world is from the fiducial: across slices, down, and along rows, in mm."""
    matrix = case.geometry.pixels_to_world[:3, :3]
    return np.abs((matrix / np.linalg.norm(matrix, axis=0)).T @ (world - case.fiducial))


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=cases(), shrunk=st.sampled_from([1, 1, 2]))
def test_a_fiducial_comes_back_within_half_a_pixel_and_half_a_slice(case, shrunk):
    """No more is lost than the fiducial's own place within its pixel: half a pixel of the map in plane, half a
    prepared slice across. Where a map's pixels are no larger than voxels, that is half a prepared voxel.
    """
    geometry = case.geometry
    pixel = geometry.to_pixels(case.fiducial)
    np.testing.assert_allclose(geometry.to_world(pixel), case.fiducial, rtol=0, atol=1e-9)
    shown = np.array(ndimage.center_of_mass(case.pictures.images[:, 0]))
    assert np.abs(geometry.to_world(shown) - case.fiducial).max() < 0.03 * case.blob_mm

    cell = np.rint([pixel[0], *((pixel[1:] + 0.5) / shrunk - 0.5)]).astype(int)
    voxel = np.linalg.norm(geometry.prepared.affine[:3, :3], axis=0)[list(AXES[geometry.plane])]
    bound = np.linalg.norm(geometry.pixels_to_world[:3, :3], axis=0) * (0.5, 0.5 * shrunk, 0.5 * shrunk)
    delivered = geometry.to_delivered(heat_at(case, cell, shrunk))
    centre = nibabel.affines.apply_affine(case.delivered.affine, ndimage.center_of_mass(delivered))
    found = offset_in_slices(case, centre)
    assert (found <= bound + 0.03 * voxel).all(), (found, bound, voxel)
    if (bound[1:] <= voxel[1:] / 2).all():
        assert (found <= 0.53 * voxel).all()

    single = np.zeros((len(geometry.slices), *(side // shrunk for side in geometry.size)), dtype=np.float32)
    single[tuple(cell)] = 1
    laid = geometry.to_delivered(single)
    peak = nibabel.affines.apply_affine(case.delivered.affine, np.unravel_index(laid.argmax(), laid.shape))
    of_file = np.abs(np.linalg.inv(geometry.pixels_to_world[:3, :3]) @ case.delivered.affine[:3, :3])
    half = (of_file.max(axis=1) * np.linalg.norm(geometry.pixels_to_world[:3, :3], axis=0) + voxel) / 2
    assert laid.max() > 0
    assert (offset_in_slices(case, peak) <= bound + half + 1e-6).all()


def rigid():
    """A rigid transform (LPS), from points of the T1w to points of another scan."""
    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter((10.0, -4.0, 6.0))
    transform.SetRotation(0.1, -0.15, 0.2)
    transform.SetTranslation((5.0, -7.0, 3.0))
    return transform


@pytest.fixture
def flair(tmp_path):
    """A sagittal FLAIR of thick slices, moved against the T1w: its grid, and its file's own affine."""
    affine = np.array([[0.0, 0, 4, -30], [1.3, 0, 0, -38], [0, -1.3, 0, 35], [0, 0, 0, 1]])
    nibabel.Nifti1Image(np.ones((60, 56, 16), np.float32), affine).to_filename(tmp_path / "flair.nii")
    write_transform(tmp_path / "xfm.txt", rigid())
    return read_grid(tmp_path / "flair.nii", tmp_path / "xfm.txt"), affine


def square(plane="coronal", shape=(40, 44, 48)):
    """Pictures of a volume of 1.5 mm voxels around the world's origin."""
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = -0.75 * (np.array(shape) - 1)
    mask = np.ones(shape, dtype=bool)
    kept = np.arange(shape[AXES[plane][0]])
    volume = PreparedVolume(np.zeros((1, *shape), np.float32), mask, affine, kept, plane)
    return cut_pictures(volume, PictureSettings(size=64, width_mm=80)).geometry


def test_a_map_lies_over_another_sequence_as_delivered_where_the_registration_says(flair):
    grid, affine = flair
    np.testing.assert_allclose(grid.affine, affine, atol=1e-6)
    place = np.array([6.0, -3.0, 4.0])  # RAS mm of the T1w
    geometry = replace(square(), delivered={"FLAIR": grid})
    pixels = np.moveaxis(np.indices((len(geometry.slices), *geometry.size)), 0, -1)
    heat = np.exp(-np.square(geometry.to_world(pixels) - place).sum(-1) / (2 * 5**2))
    laid = geometry.to_delivered(heat, "FLAIR")
    found = nibabel.affines.apply_affine(affine, ndimage.center_of_mass(laid))
    expected = LPS[:3, :3] @ rigid().TransformPoint((LPS[:3, :3] @ place).tolist())
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_resampling_agrees_with_itk_and_nibabel(flair):
    grid, _ = flair
    geometry = square()
    fine = replace(grid, affine=grid.affine @ np.diag([1, 1, 0.3, 1]))  # no axis longer than a prepared voxel
    volume = np.random.default_rng(0).random(geometry.prepared.shape).astype(np.float32)
    ours = resample(volume, geometry.prepared, fine)

    target = to_itk(np.zeros(fine.shape, np.float32), fine.affine)
    source = to_itk(volume, geometry.prepared.affine)
    itk = from_itk(SimpleITK.Resample(source, target, rigid().GetInverse(), SimpleITK.sitkLinear, np.nan))
    voxels = np.linalg.inv(geometry.prepared.world) @ fine.world
    places = nibabel.affines.apply_affine(voxels, np.moveaxis(np.indices(fine.shape), 0, -1))
    inside = ((places >= 0) & (places <= np.array(volume.shape) - 1)).all(axis=-1)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(ours[inside], itk[inside], atol=2e-4)

    image = nibabel.Nifti1Image(volume, geometry.prepared.affine)
    theirs = nibabel.processing.resample_from_to(image, (fine.shape, fine.world), order=1).get_fdata()
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-5)

    labels = np.random.default_rng(1).integers(0, 5, volume.shape).astype(np.int16)
    laid = resample(labels, geometry.prepared, fine, labels=True)
    assert laid.dtype == labels.dtype
    nearest = SimpleITK.Resample(
        to_itk(labels, geometry.prepared.affine), target, rigid().GetInverse(), SimpleITK.sitkNearestNeighbor
    )
    assert (laid == from_itk(nearest))[inside].mean() > 0.999  # but for ties


def test_labels_are_those_of_the_nearest_voxel_up_to_the_volumes_very_edge():
    labels = np.arange(1, 28, dtype=np.uint8).reshape(3, 3, 3)
    coarse, fine = np.diag([3.0, 3, 3, 1]), np.diag([1.0, 1, 1, 1])
    fine[:3, 3] = -1
    laid = resample(labels, Grid((3, 3, 3), coarse), Grid((11, 11, 11), fine), labels=True)
    expected = np.pad(labels.repeat(3, 0).repeat(3, 1).repeat(3, 2), (0, 2))
    np.testing.assert_array_equal(laid, expected)
    mask = labels == 14
    np.testing.assert_array_equal(
        resample(mask, Grid((3, 3, 3), coarse), Grid((11, 11, 11), fine), labels=True), expected == 14
    )


def test_a_map_of_thin_slices_is_not_lost_between_thick_ones():
    volume = np.zeros((12, 12, 60), dtype=np.float32)
    volume[4:8, 4:8, 27] = 1
    thick = np.diag([1.0, 1, 6, 1])
    total = []
    for shift in range(6):
        thick[2, 3] = shift
        laid = resample(volume, Grid(volume.shape, np.eye(4)), Grid((12, 12, 9), thick))
        total.append(6 * laid.sum())
        assert abs(6 * laid[5, 5].argmax() + shift - 27) <= 3
    np.testing.assert_allclose(np.mean(total), 16, rtol=0.01)  # sampled without blurring: 96 or nothing
    assert np.ptp(total) < 16


@pytest.mark.parametrize("plane", PLANES)
def test_rows_and_columns_lie_as_a_radiologist_sees_them(plane):
    towards = {
        "axial": (
            [0, 0, 1],
            [0, -1, 0],
            [-1, 0, 0],
        ),  # superior; down: posterior; along: to the patient's left
        "coronal": ([0, 1, 0], [0, 0, -1], [-1, 0, 0]),
        "sagittal": ([1, 0, 0], [0, 0, -1], [0, -1, 0]),
    }[plane]
    matrix = square(plane).pixels_to_world[:3, :3]
    np.testing.assert_allclose(matrix / np.linalg.norm(matrix, axis=0), np.array(towards).T, atol=1e-12)


@pytest.mark.parametrize("plane", PLANES)
def test_pictures_hold_what_the_geometry_says_is_there(plane):
    geometry = square(plane)
    voxels = np.moveaxis(np.indices(geometry.prepared.shape), 0, -1)
    pixels = np.moveaxis(np.indices((len(geometry.slices), *geometry.size)), 0, -1)
    points = geometry.to_world(pixels)
    inner = (np.abs(points) < 25).all(axis=-1)
    for axis in range(3):  # a volume of its own coordinates is linear: sampling and laying are exact
        coordinate = nibabel.affines.apply_affine(geometry.prepared.affine, voxels)[..., axis]
        np.testing.assert_allclose(geometry.cut(coordinate)[inner], points[inner][:, axis], atol=1e-4)
        deep = (np.abs(nibabel.affines.apply_affine(geometry.prepared.affine, voxels)) < 25).all(axis=-1)
        laid = geometry.to_volume(points[..., axis].astype(np.float32))
        np.testing.assert_allclose(laid[deep], coordinate[deep], atol=1e-4)
        wider = replace(geometry, size=(96, 160), extent=(70.0, 90.0))
        redrawn = geometry.redraw(points[..., axis].astype(np.float32), wider)
        places = wider.to_world(np.moveaxis(np.indices(redrawn.shape), 0, -1))
        near = (np.abs(places) < 25).all(axis=-1)
        np.testing.assert_allclose(redrawn[near], places[near][:, axis], atol=1e-4)


def test_labels_are_cut_from_the_nearest_voxel():
    geometry = square("sagittal")
    labels = np.random.default_rng(0).integers(0, 9, geometry.prepared.shape).astype(np.uint8)
    cut = geometry.cut(labels, labels=True)
    assert cut.dtype == labels.dtype
    rng = np.random.default_rng(1)
    for pixel in zip(*(rng.integers(0, side, 300) for side in cut.shape), strict=True):
        voxel = np.rint((geometry.pixels_to_voxels @ [*pixel, 1])[:3]).astype(int)
        inside = all(0 <= index < side for index, side in zip(voxel, labels.shape, strict=True))
        assert cut[pixel] == (labels[tuple(voxel)] if inside else 0)


def test_the_geometry_comes_back_from_text(flair):
    geometry = replace(square("sagittal"), delivered={"FLAIR": flair[0]})
    again = Geometry.from_json(json.loads(json.dumps(geometry.as_json())))
    assert again.as_json() == geometry.as_json()
    np.testing.assert_array_equal(again.pixels_to_world, geometry.pixels_to_world)
    np.testing.assert_array_equal(again.delivered["FLAIR"].world, flair[0].world)


@pytest.mark.parametrize("slices", [(), (3, 4, 6), (5, 4, 3), (2, 2)])
def test_slices_that_are_not_evenly_spaced_are_refused(slices):
    with pytest.raises(ValueError, match="evenly spaced"):
        replace(square(), slices=slices)


def test_a_grid_that_cannot_be_read_names_its_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.nii: its header cannot be read"):
        read_grid(tmp_path / "absent.nii")
    nibabel.Nifti1Image(np.ones((4, 4, 4, 3), np.float32), np.eye(4)).to_filename(tmp_path / "many.nii")
    with pytest.raises(InputError, match=r"many\.nii: has shape \(4, 4, 4, 3\)"):
        read_grid(tmp_path / "many.nii")
    nibabel.Nifti1Image(np.ones((4, 4, 4, 1), np.float32), np.eye(4)).to_filename(tmp_path / "one.nii")
    assert read_grid(tmp_path / "one.nii").shape == (4, 4, 4)
    (tmp_path / "xfm.txt").write_text("no transform")
    with pytest.raises(InputError, match=r"xfm\.txt: cannot be read; expected an ITK transform: prepare"):
        read_grid(tmp_path / "one.nii", tmp_path / "xfm.txt")


def test_a_grid_of_three_edges_is_centred_on_the_t1w_and_covers_it():
    affine = nibabel.affines.from_matvec(np.diag([0.5, 0.8, 5.0]), (-40, 17, 3))
    t1w = to_itk(np.zeros((101, 60, 7), np.float32), affine)
    grid = make_grid(t1w, (1.0, 2.0, 3.0))
    assert grid.GetSize() == (51, 24, 12)  # 50.5 / 1, 48 / 2 and 35 / 3 mm, rounded up
    assert grid.GetSpacing() == (1.0, 2.0, 3.0)
    middles = [
        nibabel.affines.apply_affine(itk_affine(image), (np.array(image.GetSize()) - 1) / 2)
        for image in (t1w, grid)
    ]
    np.testing.assert_allclose(*middles, atol=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_edges_of_voxels_are_told_towards_right_anterior_and_superior(order):
    turned = Rotation.from_euler("xyz", (20, -15, 10), degrees=True).as_matrix() * [1.0, 2.0, 3.0]
    affine = np.eye(4)
    affine[:3, :3] = turned[:, order] * [1, -1, 1]
    assert Grid((4, 5, 6), affine).voxel_mm == pytest.approx((1, 2, 3))
