import numpy as np
import torch
from scipy import ndimage

from stratacam.learning import AugmentSettings
from stratacam.learning.augment import random_transforms, transform


def drawn(count=2000, *, aspect=1.0, **settings):
    ranges = {"rotation": 0, "translation": 0, "scaling": 0} | settings
    return random_transforms(
        count, AugmentSettings(**ranges), torch.Generator().manual_seed(1), aspect=aspect
    )


def blob(height, width, row, column):
    rows, columns = np.mgrid[:height, :width]
    picture = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    return torch.from_numpy(picture)[None, None].float()


def centre(picture):
    return np.array(ndimage.center_of_mass(picture.squeeze().numpy()))


def test_ranges_of_zero_change_nothing():
    images = torch.rand(5, 3, 12, 12)
    torch.testing.assert_close(transform(images, drawn(5)), images)


def test_drawn_angles_shifts_and_scales_fill_their_ranges_and_do_not_leave_them():
    turned = drawn(rotation=10)
    angle = torch.atan2(turned[:, 1, 0], turned[:, 0, 0]).rad2deg()
    assert 9.9 < angle.max() <= 10
    assert -10 <= angle.min() < -9.9
    scaled = 1 / drawn(scaling=0.1)[:, 0, 0]
    assert 1.099 < scaled.max() <= 1.1001
    assert 0.8999 <= scaled.min() < 0.901
    shift = drawn(translation=0.05)[:, :, 2] / 2  # in fractions of the picture, which spans -1 to 1
    assert 0.0499 < shift.abs().max() <= 0.05001
    assert torch.linalg.det(turned[:, :, :2].double()).sub(1).abs().max() < 1e-6


def test_a_translation_moves_content_by_the_fraction_of_the_width():
    matrices = drawn(50, translation=0.1)
    for matrix in matrices:
        moved = centre(transform(blob(40, 40, 20, 20), matrix[None])) - 20
        # the matrix leads from the new picture to the old: content moves the other way; 40 pixels span 2
        np.testing.assert_allclose(moved, -matrix[[1, 0], 2].numpy() * 20, atol=0.05)


def test_a_rotation_agrees_with_scipy_also_when_the_picture_is_not_square():
    images = blob(30, 60, 10, 24) + 0.5 * blob(30, 60, 18, 40)
    matrix = drawn(1, rotation=40, aspect=0.5)
    angle = float(torch.atan2(matrix[0, 1, 0] * 0.5, matrix[0, 0, 0]).rad2deg())
    expected = ndimage.rotate(images.squeeze().numpy(), angle, reshape=False, order=1)
    np.testing.assert_allclose(transform(images, matrix).squeeze().numpy(), expected, atol=0.02)


def test_the_same_seed_draws_the_same_changes():
    ranges = AugmentSettings()
    first, second, other = (
        random_transforms(9, ranges, torch.Generator().manual_seed(seed)) for seed in (4, 4, 5)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
