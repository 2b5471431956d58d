import numpy as np
from synthetic_head import axis_affine, brain_of, head, world_points

from stratacam.scans.bias_field import correct_bias, shrink_factors
from stratacam.scans.volume import from_itk, to_itk

SIZE = (60, 72, 56)


def test_a_known_field_is_removed():
    affine = axis_affine()
    points = world_points(affine, SIZE)
    brain = brain_of(points)
    field = np.exp(0.25 * np.sin(points[..., 1] / 60) + 0.15 * points[..., 0] / 60)
    clean = head("T1w", affine)
    mask = to_itk(brain.astype(np.uint8), affine)

    def corrected(image):
        without, divided_by = correct_bias(to_itk(image.astype(np.float32), affine), mask)
        np.testing.assert_allclose(from_itk(without) * from_itk(divided_by), image, rtol=1e-4, atol=1e-3)
        return from_itk(without)[brain]

    left = np.log(corrected(clean * field) / corrected(clean))
    assert np.log(field[brain]).std() > 0.13
    assert left.std() < 0.02


def test_shrinking_follows_the_size_of_the_voxels():
    assert shrink_factors((1.0, 1.0, 1.0), [140, 180, 150]) == [6, 6, 6]
    assert shrink_factors((0.9, 0.9, 3.0), [150, 200, 48]) == [7, 7, 2]
    assert shrink_factors((2.0, 2.0, 2.0), [70, 90, 75]) == [3, 3, 3]
    assert shrink_factors((1.0, 1.0, 3.0), [140, 180, 10]) == [6, 6, 1]  # never fewer than eight voxels
