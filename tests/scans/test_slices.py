"""Which slices are used, and the table of them."""

import csv

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stratacam.errors import InputError
from stratacam.scans.slices import kept_slices, read_slices_table, slice_areas, write_slices_table


def test_area_is_voxels_times_the_size_of_a_voxel_in_plane():
    mask = np.zeros((4, 5, 3), bool)
    mask[1:3, 1:4, 1] = True  # 6 voxels of 0.5 x 2 mm
    affine = np.diag([0.5, 2.0, 7.0, 1.0])
    np.testing.assert_allclose(slice_areas(mask, affine), [0, 6, 0])
    np.testing.assert_allclose(slice_areas(mask, affine, "coronal"), [0, 7, 7, 7, 0])  # 2 of 0.5 x 7 mm
    np.testing.assert_allclose(slice_areas(mask, affine, "sagittal"), [0, 42, 42, 0])  # 3 of 2 x 7 mm


def test_kept_slices_are_the_run_around_the_largest_slice():
    areas = np.array([40.0, 0.0, 5.0, 50.0, 100.0, 4.9, 80.0])
    assert kept_slices(areas, 0.05).tolist() == [2, 3, 4]  # 5.0 is enough, 4.9 ends the run, 80 lies beyond


def test_no_brain_keeps_nothing():
    assert kept_slices(np.zeros(4), 0.1).size == 0


def test_the_table_has_every_slice_with_its_place_in_the_world(tmp_path):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-4, 5, -10)
    write_slices_table(tmp_path / "slices.tsv", np.array([0.0, 9.0]), np.array([1]), affine, (4, 5, 2))
    with (tmp_path / "slices.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [row["kept"] for row in rows] == ["0", "1"]
    assert [row["plane"] for row in rows] == ["axial", "axial"]
    assert [float(row["position_mm"]) for row in rows] == [-10.0, -7.0]
    assert [[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in rows] == [[-2.5, 9, -10], [-2.5, 9, -7]]
    assert [float(row["brain_area_mm2"]) for row in rows] == [0.0, 9.0]


def test_positions_of_oblique_slices_are_distances_along_their_normal(tmp_path):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (10, 20, -15), degrees=True).as_matrix() * (1.0, 2.5, 1.2)
    affine[:3, 3] = (-30, 20, 8)
    path, kept = tmp_path / "slices.tsv", np.arange(2, 5)
    write_slices_table(path, np.linspace(5, 50, 6), kept, affine, (7, 6, 9), plane="coronal")
    table = read_slices_table(path)
    assert table.plane == "coronal"
    np.testing.assert_array_equal(table.kept, kept)
    np.testing.assert_allclose(table.areas_mm2, np.linspace(5, 50, 6))
    np.testing.assert_allclose(table.middles_mm[3], (affine @ [3, 3, 4, 1])[:3], atol=5e-4)
    np.testing.assert_allclose(np.diff(table.position_mm), 2.5, atol=2e-3)
    normal = np.cross(affine[:3, 0], affine[:3, 2])
    along = table.middles_mm @ (-normal / np.linalg.norm(normal))
    np.testing.assert_allclose(table.position_mm, along, atol=2e-3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("index\tz_mm\tkept\n0\t1\t1\n", "'plane'"),
        ("index\tplane\tposition_mm\n0\taxial\tmany\n", "could not convert"),
        ("{header}\n0\toblique\t1\t0\t0\t1\t9\t1\n", "'oblique' is no plane"),
        ("{header}\n0\taxial\t1\t0\t0\t1\t9\t1\n2\taxial\t1\t0\t0\t1\t9\t1\n", "not numbered from 0"),
        ("{header}\n0\taxial\t1\t0\t0\t1\t9\t1\n1\tcoronal\t1\t0\t0\t1\t9\t1\n", "too many values"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, content, why):
    path = tmp_path / "slices.tsv"
    if content:
        header = "index\tplane\tposition_mm\tx_mm\ty_mm\tz_mm\tbrain_area_mm2\tkept"
        path.write_text(content.replace("{header}", header))
    with pytest.raises(InputError, match=rf"slices\.tsv: is no table of slices .*{why}"):
        read_slices_table(path)
