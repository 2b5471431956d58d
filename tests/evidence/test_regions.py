import math

import nibabel
import numpy as np
import pytest
import SimpleITK
from evidence_cases import disc
from scipy import ndimage, stats

from stratacam.errors import InputError
from stratacam.evidence.regions.atlas import LOBES, default_atlas, read_atlas
from stratacam.evidence.regions.group_maps import MEAN, SHARE, group_maps
from stratacam.evidence.regions.region_values import RegionValue, region_values
from stratacam.evidence.regions.template_space import (
    from_template,
    template_brain,
    template_grid,
    to_template,
)
from stratacam.evidence.regions.voxelwise import compare_voxels
from stratacam.evidence.rows import read_rows, write_rows
from stratacam.maps.heat import by_scale
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import Grid
from stratacam.scans.volume import write_nifti


def make_prepared(folder, *, matrix=((1.0, 0, 0), (0, 1, 0), (0, 0, 1)), shift=(0.0, 0.0, 0.0)):
    """A prepared scan of 4 mm voxels, and how points of the template (LPS) map to its T1w."""
    scan = PreparedScan(folder, "01", None, ("T1w",))
    grid = template_grid(4.0)
    write_nifti(scan.brain_mask, np.ones(grid.shape, np.uint8), grid.affine)
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(np.ravel(matrix).tolist())
    transform.SetTranslation(list(shift))
    SimpleITK.WriteTransform(transform, str(scan.template_transform))
    return scan


def centre_of(volume, affine):
    voxel = ndimage.center_of_mass(volume)
    return nibabel.affines.apply_affine(affine, voxel)


def test_the_template_grid_holds_the_templates_brain():
    grid = template_grid(4.0)
    brain = template_brain(grid)
    assert 1.6e6 < brain.sum() * 4**3 < 2.1e6
    for axis in range(3):
        edges = np.take(brain, [0, -1], axis=axis)
        assert not edges.any()


def test_a_point_of_the_scan_is_found_where_the_transform_says(tmp_path):
    scan = make_prepared(tmp_path, shift=(8.0, -12.0, 4.0))  # LPS: template to T1w
    grid = template_grid(4.0)
    blob = np.zeros(grid.shape, np.float32)
    blob[20, 25, 18] = 1
    blob = ndimage.gaussian_filter(blob, 1.5)
    laid = to_template(blob, scan, grid)
    moved = centre_of(laid, grid.affine) - centre_of(blob, grid.affine)
    np.testing.assert_allclose(moved, [8.0, -12.0, -4.0], atol=0.05)  # RAS, from T1w to template


def test_to_the_template_and_back_is_where_it_was(tmp_path):
    scan = make_prepared(
        tmp_path, matrix=((0.9, 0.1, 0), (-0.1, 1.1, 0), (0, 0.05, 1)), shift=(3.0, 2.0, -4.0)
    )
    grid = template_grid(4.0)
    blob = np.zeros(grid.shape, np.float32)
    blob[18:24, 22:29, 16:22] = 1
    blob = ndimage.gaussian_filter(blob, 2)
    back = from_template(to_template(blob, scan, grid), grid, scan)
    np.testing.assert_allclose(back, blob, atol=0.06)


def test_a_scan_without_a_transform_is_named(tmp_path):
    scan = make_prepared(tmp_path)
    scan.template_transform.unlink()
    with pytest.raises(
        InputError, match=r"MNI152.*cannot be read; expected an ITK transform: prepare the scan again"
    ):
        to_template(np.zeros(template_grid(4.0).shape), scan, template_grid(4.0))


def region_at(point):
    atlas = default_atlas()
    voxel = np.rint(nibabel.affines.apply_affine(np.linalg.inv(atlas.grid.affine), point)).astype(int)
    return atlas.names.get(int(atlas.labels[tuple(voxel)]))


@pytest.mark.parametrize(
    ("point", "region"),
    [
        ((-40, 35, 20), "left frontal"),
        ((40, 35, 20), "right frontal"),
        ((-38, -8, 52), "left frontal"),
        ((-40, -40, 52), "left parietal"),
        ((55, -30, -8), "right temporal"),
        ((-45, 8, -24), "left temporal"),
        ((-12, -90, 5), "left occipital"),
        ((12, -15, 8), "right deep"),
        ((-20, -62, -35), "left cerebellum and brainstem"),
        ((4, -28, -30), "right cerebellum and brainstem"),
    ],
)
def test_points_whose_lobe_is_beyond_doubt_lie_in_it(point, region):
    assert region_at(point) == region


def test_the_default_regions_are_the_two_sides_of_every_lobe_and_fill_the_brain():
    atlas = default_atlas()
    assert len(atlas.names) == 2 * len(LOBES) == len(np.unique(atlas.labels)) - 1
    np.testing.assert_array_equal(atlas.labels > 0, template_brain(atlas.grid))
    volumes = np.bincount(atlas.labels.ravel())[1:] * 8 / 1000
    np.testing.assert_allclose(volumes[::2], volumes[1::2], rtol=0.15)
    assert volumes.min() > 40


def test_an_atlas_of_the_users_has_its_names_from_the_table(tmp_path):
    labels = np.zeros((4, 4, 4), np.int16)
    labels[1], labels[2] = 3, 7
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "own_dseg.nii.gz")
    assert read_atlas(tmp_path / "own_dseg.nii.gz").names == {3: "3", 7: "7"}
    (tmp_path / "own_dseg.tsv").write_text("index\tname\n3\tinsula\n7\tcuneus\n9\tabsent\n", encoding="utf-8")
    atlas = read_atlas(tmp_path / "own_dseg.nii.gz")
    assert atlas.names == {3: "insula", 7: "cuneus"}
    (tmp_path / "own_dseg.tsv").write_text("index\tlabel\n3\tinsula\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"own_dseg\.tsv: lacks the column name"):
        read_atlas(tmp_path / "own_dseg.nii.gz")


def test_what_is_no_label_image_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.full((3, 3, 3), 0.5), np.eye(4)), tmp_path / "probability.nii")
    with pytest.raises(InputError, match=r"evidence\.atlas: .*whole numbers from 0"):
        read_atlas(tmp_path / "probability.nii")
    with pytest.raises(InputError, match=r"evidence\.atlas: .*no such file; expected a label image"):
        read_atlas(tmp_path / "gone.nii")


def test_heat_of_regions_is_over_what_was_explained_and_in_the_brain(tmp_path):
    atlas = default_atlas()
    brain = np.tile(disc(20, 20, 9), (2, 1, 1))
    regions = np.zeros((2, 20, 20), int)
    regions[:, :, :10], regions[:, :, 10:] = 1, 2
    regions[0, 9, 9] = 5
    heat = np.zeros((2, 20, 20), np.float32)
    heat[:, :, :10] = 2.0
    heat[0, 0, 0] = 100.0  # air
    found = region_values("SPMS", "gradcam", "a", heat, regions=regions, brain=brain, atlas=atlas)
    rows = {value.region: value for value in found}
    assert set(rows) == {atlas.names[1], atlas.names[2]}
    assert rows[atlas.names[1]].mean == pytest.approx(2)
    assert rows[atlas.names[1]].maximum == 2
    assert rows[atlas.names[1]].share == pytest.approx(1, abs=0.01)
    assert rows[atlas.names[2]][4:] == (0, 0, 0)
    write_rows(tmp_path / "regions.tsv", list(rows.values()), RegionValue)
    assert read_rows(tmp_path / "regions.tsv", RegionValue)[0].region == atlas.names[1]


def test_group_maps_are_means_and_shares_of_the_subjects_whose_slices_reach():
    maps = np.zeros((3, 2, 2, 2), np.float32)
    maps[:2, 0, 0, 0] = 1.0, 0.2
    maps[1, 1, 1, 1] = np.nan
    maps[0, 1, 1, 1] = 0.8
    maps[:2, 1, 0, 0] = np.nan
    found = group_maps(maps, ["a", "a", "b"])
    assert found["a", MEAN][0, 0, 0] == pytest.approx(0.6)
    assert found["a", SHARE][0, 0, 0] == pytest.approx(0.5)
    assert (found["a", MEAN][1, 1, 1], found["a", SHARE][1, 1, 1]) == pytest.approx((0.8, 1.0))
    assert np.isnan(found["a", MEAN][1, 0, 0])
    assert not found["b", MEAN].any()


def test_heat_is_scaled_by_a_quantile_that_one_hot_pixel_does_not_move():
    heat = np.random.default_rng(0).random((2, 40, 40)).astype(np.float32)
    brain = np.ones(heat.shape, bool)
    scaled = by_scale(heat, brain)
    assert np.quantile(scaled, 0.99) == pytest.approx(1, abs=1e-3)
    heat[0, 3, 3] = 1000.0
    np.testing.assert_allclose(by_scale(heat, brain)[1], scaled[1], rtol=1e-3)
    sparse = np.zeros_like(heat)
    sparse[0, 5, 5] = 4.0
    assert by_scale(sparse, brain).max() == 1
    assert not by_scale(np.zeros_like(heat), brain).any()


def test_voxels_that_the_slices_of_some_do_not_reach_are_no_difference():
    grid = Grid((8, 8, 8), np.diag([4.0, 4.0, 4.0, 1.0]))
    maps = 1 + 0.1 * np.random.default_rng(0).normal(size=(16, 8, 8, 8)).astype(np.float32)
    maps[:8, :, :, 5:] = np.nan  # the slab of one group ends earlier
    groups = ["a"] * 8 + ["b"] * 8
    found = compare_voxels(maps, groups, ("a", "b"), np.ones((8, 8, 8), bool), grid, permutations=100)
    assert not found.t[:, :, 5:].any()
    assert found.summary()["smallest_p_t"] > 0.05
    assert "in 320 voxels" in found.statement
    assert "reach 62% of the brain" in found.statement


def test_a_difference_of_two_groups_is_found_where_it_is():
    grid = Grid((8, 8, 8), np.diag([4.0, 4.0, 4.0, 1.0]))
    maps = np.random.default_rng(0).normal(size=(16, 8, 8, 8)).astype(np.float32)
    maps[:8, 2:5, 2:5, 2:5] += 4
    groups = ["a"] * 8 + ["b"] * 8
    mask = np.ones((8, 8, 8), bool)
    found = compare_voxels(maps, groups, ("a", "b"), mask, grid, permutations=100)
    where = found.log_p >= -math.log10(0.05)
    assert where[2:5, 2:5, 2:5].mean() > 0.7
    assert where.sum() - where[2:5, 2:5, 2:5].sum() <= 2
    assert found.t[3, 3, 3] > 0
    summary = found.summary()
    assert summary["smallest_p_t"] == pytest.approx(1 / 101, rel=0.1)
    assert summary["voxels_t"] == where.sum()
    assert summary["voxels_tfce"] == (found.log_p_tfce >= -math.log10(0.05)).sum() > 20
    corrected = found.summary(6)
    assert corrected["smallest_p_t"] == pytest.approx(6 * summary["smallest_p_t"])
    assert corrected["voxels_t"] <= summary["voxels_t"]
    assert found.statement.startswith("a (8) less b (8) in 512 voxels: two-sided, family-wise error")


def test_maps_that_are_all_alike_are_not_compared():
    grid = Grid((3, 3, 3), np.diag([4.0, 4.0, 4.0, 1.0]))
    found = compare_voxels(
        np.zeros((6, 3, 3, 3), np.float32),
        ["a", "b"] * 3,
        ("a", "b"),
        np.ones((3, 3, 3), bool),
        grid,
        permutations=9,
    )
    assert found.summary() == {"smallest_p_t": 1, "voxels_t": 0, "smallest_p_tfce": 1, "voxels_tfce": 0}
    assert "nothing was compared" in found.statement


def test_few_subjects_are_told_what_p_value_they_can_reach():
    grid = Grid((3, 3, 3), np.diag([4.0, 4.0, 4.0, 1.0]))
    maps = np.random.default_rng(0).normal(size=(6, 3, 3, 3)).astype(np.float32)
    found = compare_voxels(maps, ["a", "b"] * 3, ("a", "b"), np.ones((3, 3, 3), bool), grid, permutations=50)
    assert (
        "only 20 ways to share these subjects out, so that no p-value can fall below 0.100" in found.statement
    )
    assert found.summary()["smallest_p_t"] >= 0.1 * 50 / 51


def test_voxels_outside_the_brain_change_nothing():
    grid = Grid((8, 8, 8), np.diag([4.0, 4.0, 4.0, 1.0]))
    maps = np.random.default_rng(0).normal(size=(10, 8, 8, 8)).astype(np.float32)
    mask = np.zeros((8, 8, 8), bool)
    mask[2:6, 1:5, 3:7] = True
    groups = ["a", "b"] * 5
    found = compare_voxels(maps, groups, ("a", "b"), mask, grid, permutations=50)
    maps[:, ~mask] = np.arange(10.0)[:, None]
    again = compare_voxels(maps, groups, ("a", "b"), mask, grid, permutations=50)
    np.testing.assert_array_equal(found.log_p_tfce, again.log_p_tfce)
    t = stats.ttest_ind(maps[::2][:, mask], maps[1::2][:, mask]).statistic
    np.testing.assert_allclose(found.t[mask], t, rtol=1e-4)
    assert not found.t[~mask].any()


VOXELS = Grid((4, 4, 4), np.diag([4.0, 4.0, 4.0, 1.0]))
TWO_GROUPS = ["a"] * 8 + ["b"] * 8


def compare_two(maps, **settings):
    mask = np.ones(VOXELS.shape, bool)
    return compare_voxels(
        maps.astype(np.float32), TWO_GROUPS, ("a", "b"), mask, VOXELS, permutations=19, **settings
    )


def test_voxels_of_groups_that_a_covariate_separates_are_not_compared():
    maps = np.random.default_rng(0).normal(size=(16, 4, 4, 4))
    found = compare_two(maps, covariates=np.repeat([0.0, 1.0], 8)[:, None], covariate_names=["site"])
    assert found.voxels == 0
    assert not found.t.any()
    assert "nothing was compared, as the effect of the groups cannot be told apart from that of site" in (
        found.statement
    )


def test_voxels_are_not_compared_without_residual_degrees_of_freedom():
    random = np.random.default_rng(0)
    found = compare_two(
        random.normal(size=(16, 4, 4, 4)),
        covariates=random.normal(size=(16, 12)),
        covariate_names=["site"] * 12,
    )
    assert found.voxels == 0
    assert "2 residual degrees of freedom are left; 5 are needed" in found.statement


def test_a_subject_without_any_voxel_is_named_as_the_reason_that_nothing_was_compared():
    maps = np.random.default_rng(0).normal(size=(16, 4, 4, 4))
    maps[3] = np.nan
    found = compare_two(maps, subjects=[f"sub-{number:02}" for number in range(16)])
    assert "no voxel is reached by the slices of all; those of sub-03 (0%), sub-00 (100%)" in found.statement


def test_voxels_that_are_identical_within_groups_give_no_infinite_t():
    random = np.random.default_rng(0)
    alike = np.repeat(random.normal(size=(2, 4, 4, 4)), 8, axis=0)
    found = compare_two(alike)
    assert found.voxels == 0
    assert "nothing varies within the groups" in found.statement
    maps = random.normal(size=(16, 4, 4, 4))
    maps[:, 1, 1, 1] = np.repeat([1.0, 0.0], 8)
    age = np.linspace(0, 1, 16)
    maps[:, 2, 2, 2] = age
    found = compare_two(maps, covariates=age[:, None], covariate_names=["age"])
    assert np.isfinite(found.t).all()
    assert np.abs(found.t).max() < 20
    assert "in 62 voxels" in found.statement
    assert "2 voxel(s) that vary in no group were left out" in found.statement
