import csv

import numpy as np

from stratacam.scans.slices import kept_slices, slice_areas, write_slices_table


def test_area_is_voxels_times_the_size_of_a_voxel_in_plane():
    mask = np.zeros((4, 5, 3), bool)
    mask[1:3, 1:4, 1] = True  # 6 voxels of 0.5 x 2 mm
    np.testing.assert_allclose(slice_areas(mask, np.diag([0.5, 2.0, 7.0, 1.0])), [0, 6, 0])


def test_kept_slices_are_the_run_around_the_largest_slice():
    areas = np.array([40.0, 0.0, 5.0, 50.0, 100.0, 4.9, 80.0])
    assert kept_slices(areas, 0.05).tolist() == [2, 3, 4]  # 5.0 is enough, 4.9 ends the run, 80 lies beyond


def test_no_brain_keeps_nothing():
    assert kept_slices(np.zeros(4), 0.1).size == 0


def test_the_table_has_every_slice_with_its_height_in_the_world(tmp_path):
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[2, 3] = -10
    write_slices_table(tmp_path / "slices.tsv", np.array([0.0, 9.0]), np.array([1]), affine, (4, 4, 2))
    with (tmp_path / "slices.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [row["kept"] for row in rows] == ["0", "1"]
    assert [float(row["z_mm"]) for row in rows] == [-10.0, -7.0]
    assert [float(row["brain_area_mm2"]) for row in rows] == [0.0, 9.0]
