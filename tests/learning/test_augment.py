import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from stratacam.learning import AugmentSettings
from stratacam.learning.augment import affine_matrices, augment, bias_field_logarithms, transform

OFF = {"rotation": 0, "translation": 0, "scaling": 0}
ALL = {
    "rotation": 10,
    "translation": 0.05,
    "scaling": 0.1,
    "flip": 0.5,
    "gamma": 0.3,
    "bias_field": 0.3,
    "noise": 0.05,
}


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def drawn(count=2000, *, size=(12, 12), **settings):
    draws = torch.rand(count, 4, generator=seeded())
    return affine_matrices(draws, AugmentSettings(**OFF | settings), size)


def changed(images, seed=1, **settings):
    return augment((images,), AugmentSettings(**OFF | settings), seeded(seed))[0]


def blob(height, width, row, column):
    rows, columns = np.mgrid[:height, :width]
    picture = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    return torch.from_numpy(picture)[None, None].float()


def centre(picture):
    return np.array(ndimage.center_of_mass(picture.squeeze().numpy()))


def test_ranges_of_zero_change_nothing_and_draw_nothing():
    images, generator = torch.rand(5, 3, 12, 12), seeded()
    torch.testing.assert_close(transform(images, drawn(5)), images)
    before = generator.get_state()
    assert augment((images,), AugmentSettings(**OFF), generator)[0] is images
    assert torch.equal(generator.get_state(), before)


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
    matrix = drawn(1, rotation=40, size=(10, 20))
    angle = float(torch.atan2(matrix[0, 1, 0] * 0.5, matrix[0, 0, 0]).rad2deg())
    expected = ndimage.rotate(images.squeeze().numpy(), angle, reshape=False, order=1)
    np.testing.assert_allclose(transform(images, matrix).squeeze().numpy(), expected, atol=0.02)


def test_the_same_seed_makes_the_same_changes_and_leaves_the_pictures_alone():
    images = torch.rand(6, 3, 20, 28)
    kept = images.clone()
    first, second, other = (changed(images, seed, **ALL) for seed in (4, 4, 5))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("settings", [ALL, {"rotation": 5}, {"noise": 0.1}])
def test_what_happens_to_a_picture_does_not_depend_on_those_beside_it(settings):
    images = torch.rand(7, 2, 18, 24)
    together, alone = changed(images, **settings), changed(images[:4], **settings)
    assert torch.equal(together[:4], alone)
    others = torch.cat([images[:4], torch.zeros(3, 2, 18, 24)])
    assert torch.equal(changed(others, **settings)[:4], alone)


def test_the_numbers_come_from_the_cpu_whatever_the_device():
    images = torch.rand(3, 3, 16, 16)
    generator, elsewhere = seeded(), seeded()
    augment((images,), AugmentSettings(**ALL), generator)
    on_meta = augment((images.to("meta"),), AugmentSettings(**ALL), elsewhere)[
        0
    ]  # a device that holds no numbers
    assert on_meta.device.type == "meta"
    assert on_meta.shape == images.shape
    assert torch.equal(generator.get_state(), elsewhere.get_state())


def test_everything_at_once_stays_between_0_and_1_and_keeps_the_type():
    images = torch.rand(8, 3, 32, 24).to(memory_format=torch.channels_last)
    strong = changed(images, **ALL | {"gamma": 1.5, "bias_field": 1.5, "noise": 0.5})
    assert strong.min() >= 0
    assert strong.max() <= 1
    assert (strong.dtype, strong.shape) == (images.dtype, images.shape)


def test_channels_of_a_picture_lie_alike_and_differ_in_intensity():
    alike = torch.rand(4, 1, 24, 24).expand(-1, 3, -1, -1)
    for kind in ("rotation", "translation", "scaling", "flip"):
        moved = changed(alike, **{kind: ALL[kind]})
        assert torch.equal(moved[:, 0], moved[:, 1])
        assert torch.equal(moved[:, 0], moved[:, 2])
    for kind in ("gamma", "bias_field", "noise"):
        coloured = changed(alike, **{kind: ALL[kind]})
        assert not torch.equal(coloured[:, 0], coloured[:, 1])


def test_a_flip_is_the_exact_mirror_image_as_often_as_its_probability_says():
    images = torch.rand(4000, 1, 2, 6)
    assert torch.equal(changed(images, flip=1), images.flip(3))
    mirrored = (changed(images, flip=0.3) == images.flip(3)).all(dim=(1, 2, 3))
    assert torch.equal(changed(images, flip=0.3)[~mirrored], images[~mirrored])
    assert abs(mirrored.float().mean() - 0.3) < 3 * math.sqrt(0.3 * 0.7 / 4000)


def test_gamma_raises_intensities_to_a_power_within_its_range():
    images = torch.tensor([0.0, 0.25, 0.5, 1.0]).expand(2000, 2, 1, 4)
    found = changed(images, gamma=0.4)
    assert (found[..., 0] == 0).all()
    assert (found[..., 3] == 1).all()
    power = found[..., 2].log() / math.log(0.5)
    torch.testing.assert_close(found[..., 1], 0.25**power)
    assert 0.398 < power.log().max() <= 0.4001
    assert -0.4001 <= power.log().min() < -0.398


def test_a_bias_field_is_smooth_as_strong_as_drawn_and_neither_brightens_nor_darkens_on_average():
    draws = torch.rand(200, 2, 10, generator=seeded())
    fields = bias_field_logarithms(draws, (96, 128), 0.5)
    torch.testing.assert_close(fields.abs().amax(dim=(2, 3)), 0.5 * draws[..., 0])
    assert fields.mean(dim=(2, 3)).abs().max() < 1e-3
    # along any line a polynomial of degree 3, whose slope is at most 9 times its maximum (Markov) over [-1, 1]
    steepest = 9 * 1.01 * 0.5 * draws[..., 0]
    for axis, pixels in ((2, 96), (3, 128)):
        assert (fields.diff(dim=axis).abs().amax(dim=(2, 3)) * pixels / 2 <= steepest).all()


def test_a_bias_field_is_the_sum_of_legendre_polynomials():
    draws = torch.rand(1, 1, 10, generator=seeded())
    degrees = [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0)]
    weights = np.zeros((4, 4))
    for degree, number in zip(degrees, draws[0, 0, 1:].tolist(), strict=True):
        weights[degree] = 2 * number - 1
    rows, columns = ((np.arange(count) + 0.5) / count * 2 - 1 for count in (12, 20))
    expected = np.polynomial.legendre.leggrid2d(rows, columns, weights)
    expected *= 0.2 * float(draws[0, 0, 0]) / np.abs(expected).max()
    np.testing.assert_allclose(bias_field_logarithms(draws, (12, 20), 0.2)[0, 0], expected, atol=1e-6)


def test_intensities_are_multiplied_by_the_bias_field():
    ratio = changed(torch.full((50, 3, 32, 32), 0.5), bias_field=0.3).log() - math.log(0.5)
    assert ratio.abs().max() <= 0.3 + 1e-5
    assert ratio.abs().amax(dim=(2, 3)).max() > 0.28
    dark = changed(torch.full((50, 3, 32, 32), 0.25), bias_field=0.3).log() - math.log(0.25)
    torch.testing.assert_close(dark, ratio, atol=1e-5, rtol=0)


def test_noise_has_its_standard_deviation_in_the_brain_and_is_absent_outside():
    images = torch.full((20, 3, 64, 64), 0.5)
    images[..., :32] = 0
    noisy = changed(images, noise=0.05)
    assert (noisy[..., :32] == 0).all()
    noise = (noisy - images)[..., 32:].double().flatten()
    assert abs(noise.mean()) < 4 * 0.05 / math.sqrt(len(noise))
    assert abs(noise.std() - 0.05) < 4 * 0.05 / math.sqrt(2 * len(noise))
    assert abs((noise / 0.05).pow(4).mean() - 3) < 0.1  # Gaussian


def test_a_picture_lies_as_its_own_row_of_numbers_says():
    images = torch.rand(5, 2, 20, 30)
    settings = AugmentSettings()
    matrices = affine_matrices(torch.rand(5, 4, generator=seeded(3)), settings, (20, 30))
    torch.testing.assert_close(
        augment((images,), settings, seeded(3))[0], transform(images, matrices).clamp(0, 1)
    )


@pytest.mark.parametrize(
    "settings", [{"rotation": 30}, {"translation": 0.2}, {"scaling": 0.3}, {"flip": 0.5}]
)
def test_the_brain_moves_with_the_picture(settings):
    rows, columns = np.ogrid[-1:1:40j, -1:1:48j]
    brain = torch.from_numpy((rows - 0.1) ** 2 + 2 * (columns + 0.2) ** 2 < 0.4).float().expand(20, 1, -1, -1)
    images, moved = augment((brain, brain), AugmentSettings(**OFF | settings), seeded())
    assert torch.equal(moved, (images >= 0.5).float())
    assert not torch.equal(moved, brain)


@pytest.mark.parametrize("settings", [{"gamma": 0.5}, {"bias_field": 0.5}, {"noise": 0.3}])
def test_contrast_and_noise_leave_the_brain_as_it_is(settings):
    images, brain = torch.rand(4, 3, 12, 12), (torch.rand(4, 1, 12, 12) > 0.5).float()
    changed_images, same = augment((images, brain), AugmentSettings(**OFF | settings), seeded())
    assert torch.equal(same, brain)
    assert not torch.equal(changed_images, images)


def test_pictures_are_changed_alike_with_the_brain_and_without():
    images, brain = torch.rand(4, 3, 12, 12), torch.ones(4, 1, 12, 12)
    (alone,) = augment((images,), AugmentSettings(**ALL), seeded())
    assert torch.equal(augment((images, brain), AugmentSettings(**ALL), seeded())[0], alone)
