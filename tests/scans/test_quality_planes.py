import pickle

import numpy as np
import pytest
from quality_scan import AFFINE, SIZE, UNITS, bias, brain, planes_and_views

from stratacam.errors import InputError
from stratacam.scans.quality import Planes, SequenceViews
from stratacam.scans.quality.views import WIDEST

KEPT = np.arange(10, 40)


def _marked(point):
    """A volume that is zero but for the voxel at a world point."""
    volume = np.zeros(SIZE, np.float32)
    index = np.rint(np.linalg.inv(AFFINE) @ [*point, 1])[:3].astype(int)
    volume[tuple(index)] = 1
    return volume, index


def _through(index, axis):
    """Planes whose one along `axis` goes through `index`."""
    mask = brain()
    planes = Planes.through(mask, AFFINE, KEPT, 2)
    where = next(i for i, plane in enumerate(planes.planes) if plane.axis == axis)
    moved = [*planes.planes]
    moved[where] = type(moved[where])(axis, int(index[axis]), 0.0)
    return Planes(tuple(moved), planes.box, planes.voxel, 2, planes.kept, planes.mask), where


@pytest.mark.parametrize(
    ("axis", "point", "left", "top"),
    [
        (2, (40.0, 40.0, 10.0), True, True),  # right, anterior
        (2, (-40.0, -40.0, 10.0), False, False),  # left, posterior
        (1, (40.0, 10.0, 30.0), True, True),  # right, superior
        (0, (10.0, 40.0, -30.0), True, False),  # anterior, inferior
    ],
)
def test_the_patients_right_and_the_front_are_on_the_left_and_the_top_is_up(axis, point, left, top):
    volume, index = _marked(point)
    planes, where = _through(index, axis)
    picture = planes.cut(volume)[where]
    ((row, column),) = np.argwhere(picture)
    assert (column < picture.shape[1] / 2) == left
    assert (row < picture.shape[0] / 2) == top
    assert planes.planes[where].letters == {2: ("R", "L", "A"), 1: ("R", "L", "S"), 0: ("A", "P", "S")}[axis]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_three_planes_lie_across_the_kept_slices_and_one_along_each_other_axis(axis):
    planes = Planes.through(brain(), AFFINE, KEPT, axis)
    across = [plane.index for plane in planes.planes if plane.axis == axis]
    assert len(across) == 3
    assert KEPT[0] <= min(across) <= max(across) <= KEPT[-1]
    assert sorted(plane.axis for plane in planes.planes if plane.axis != axis) == sorted({0, 1, 2} - {axis})
    for plane, inside, picture in zip(planes.planes, planes.mask, planes.cut(brain()), strict=True):
        assert inside.any()
        np.testing.assert_array_equal(inside, picture)
        height, width = planes.size(plane)
        assert picture.shape == (round(height / 3), round(width / 3))


def test_a_plane_says_where_in_the_world_it_lies():
    for plane in Planes.through(brain(), AFFINE, KEPT, 2).planes:
        assert plane.position == pytest.approx(3 * (plane.index - (SIZE[plane.axis] - 1) / 2))
        assert (
            plane.name
            == f"{['sagittal', 'coronal', 'axial'][plane.axis]} {plane.index}, {plane.position:.0f} mm"
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_dimmed_is_what_is_not_kept(axis):
    planes = Planes.through(brain(), AFFINE, KEPT, axis)
    kept = np.zeros(SIZE, bool)
    kept[tuple(KEPT if a == axis else slice(None) for a in range(3))] = True
    for plane, picture in zip(planes.planes, planes.cut(kept), strict=True):
        dimmed = np.zeros_like(picture)
        for x, y, width, height in planes.left_out(plane):
            rows, columns = (
                slice(round(y / 3), round((y + height) / 3)),
                slice(round(x / 3), round((x + width) / 3)),
            )
            dimmed[rows, columns] = True
        np.testing.assert_array_equal(dimmed, ~picture)


def test_an_empty_mask_is_refused():
    with pytest.raises(InputError, match="empty"):
        Planes.through(np.zeros(SIZE, bool), AFFINE, KEPT)
    with pytest.raises(InputError, match="no slice is kept"):
        Planes.through(brain(), AFFINE, np.zeros(0, np.intp))


def test_views_are_small_and_can_be_pickled():
    planes, views, _ = planes_and_views()
    content = pickle.dumps((planes, views))
    assert len(content) < 0.4 * brain().size * 4
    again = pickle.loads(content)[1][1]  # noqa: S301
    np.testing.assert_array_equal(again.before[0], views[1].before[0])
    assert {picture.dtype for picture in (*again.before, *again.after)} == {np.dtype(np.uint8)}
    assert {picture.dtype for picture in again.field} == {np.dtype(np.float16)}


def test_histograms_count_the_brain_before_and_after():
    _, (t1w, _), _ = planes_and_views()
    mask = brain()
    voxels = int(mask.sum())
    edges = np.linspace(0, WIDEST * UNITS["T1w"], len(t1w.corrected) + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    assert t1w.corrected.sum() == t1w.delivered.sum() == t1w.normalised.sum() == voxels
    white = middles[t1w.corrected.argmax()]
    assert white == pytest.approx(750, abs=25)
    assert t1w.corrected.max() > 2 * t1w.delivered.max()  # the bias field is still in: its peak is wide
    assert t1w.normalised.argmax() / len(t1w.normalised) == pytest.approx(750 / 1200, abs=0.02)


def test_what_is_clipped_to_one_is_told():
    planes, _, _ = planes_and_views()
    mask = brain()
    after = np.ones(SIZE, np.float32)
    after[tuple(np.argwhere(mask)[:500].T)] = 3
    after[~mask] = 9
    view = SequenceViews.of(
        planes, name="T1w", before=None, after=after, field=None, unit=2.0, brain_mask=mask
    )
    assert view.share_at_one == pytest.approx(500 / mask.sum())
    assert view.delivered is None
    assert view.field is None


def test_the_bias_field_is_per_cent_of_its_mean_and_nothing_outside_the_brain():
    planes, (t1w, _), _ = planes_and_views()
    middle = np.exp(np.log(bias()[brain()]).mean())
    for plane, picture, inside in zip(planes.planes, t1w.field, planes.mask, strict=True):
        assert np.isnan(picture[~inside]).all()
        if plane.axis == 0:
            expected = 100 * (bias()[plane.index, 0, 0] / middle - 1)
            np.testing.assert_allclose(picture[inside], expected, atol=0.02)
        else:
            row = inside.any(axis=1).argmax()
            columns = np.flatnonzero(inside[row])
            if len(columns) > 1:
                assert picture[row, columns[0]] > picture[row, columns[-1]]  # the patient's right is brighter


def test_the_intensity_that_becomes_zero_can_be_another():
    planes, _, _ = planes_and_views()
    mask = brain()
    after = np.full(SIZE, 200.0, np.float32)
    view = SequenceViews.of(
        planes, name="T1w", before=None, after=after, field=None, unit=600.0, brain_mask=mask, zero=-400.0
    )
    assert (view.low, view.high) == (-400.0, WIDEST * 600)
    bins = len(view.normalised)
    assert np.flatnonzero(view.normalised).tolist() == [int(0.6 * bins)]
    assert np.flatnonzero(view.corrected).tolist() == [int(600 / (400 + WIDEST * 600) * bins)]
