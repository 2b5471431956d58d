"""Whether intensities that are not those of the sequence are doubted, and sound ones are not."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from synthetic_head import write

from stratacam.scans.background import background_level
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.contrast import (
    Tissues,
    contrast_doubt,
    find_tissues,
    lowered_contrast,
    sign_doubt,
    tissue_contrast,
)
from stratacam.scans.phantom.cohort import make_cohort
from stratacam.scans.phantom.settings import PhantomSettings
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.template import fit_template
from stratacam.scans.volume import from_itk, to_itk

SEQUENCES = ("T1w", "T2w", "FLAIR")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A control and someone with many lesions, at 3 mm; with the true brain as the mask supplied."""
    folder = tmp_path_factory.mktemp("phantom")
    make_cohort(folder, PhantomSettings(subjects={"control": 1, "SPMS": 1}, voxel_mm=3.0))
    for scan in find_scans(folder, SEQUENCES)[0]:
        name = f"sub-{scan.subject}"
        truth = nibabel.load(folder / f"derivatives/truth/{name}/anat/{name}_desc-truebrain_mask.nii.gz")
        mask = folder / f"derivatives/masks/{name}/anat/{name}_desc-brain_mask.nii.gz"
        write(mask, np.asarray(truth.dataobj), truth.affine)
    return folder


@pytest.fixture(scope="module")
def heads(cohort):
    """For each: images by sequence as the phantom lays them, brain, tissues by the template, ml of a voxel."""
    found = []
    for scan in find_scans(cohort, SEQUENCES)[0]:
        files = {name: nibabel.load(path) for name, path in scan.images.items()}
        affine = files["T1w"].affine
        images = {name: np.asarray(file.dataobj, dtype=np.float32) for name, file in files.items()}
        brain = np.asarray(nibabel.load(scan.brain_mask).dataobj) > 0
        t1w, mask = to_itk(images["T1w"], affine), to_itk(brain.astype(np.uint8), affine)
        fit = fit_template(t1w, mask)
        assert not fit.doubts
        tissues = find_tissues(fit.transform, t1w, brain)
        found.append((images, brain, tissues, abs(np.linalg.det(affine)) / 1000))
    assert len(found) == 2
    return found


def test_tissues_of_the_template_lie_where_those_of_the_phantom_are(heads):
    for images, _, tissues, _ in heads:
        white, grey, fluid = (np.median(images["T1w"][where]) for where in vars(tissues).values())
        assert fluid < 0.7 * white
        assert 0.85 * white < grey < 0.98 * white


def test_sound_scans_are_not_doubted(heads):
    for images, brain, tissues, voxel_ml in heads:
        for name, image in images.items():
            assert sign_doubt(image, brain, 1.0) is None
            assert contrast_doubt(name, image, brain, tissues, voxel_ml) is None


@pytest.mark.parametrize("given", SEQUENCES)
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_given_as_another_is_doubted(heads, given, name):
    for images, brain, tissues, voxel_ml in heads:
        doubt = contrast_doubt(name, images[given], brain, tissues, voxel_ml)
        assert (doubt is None) == (given == name)
        assert doubt is None or f"looks like a {given}" in doubt


def test_wide_ventricles_and_noise_are_no_reason_to_doubt(heads):
    random = np.random.default_rng(0)
    for images, brain, tissues, voxel_ml in heads:
        wide = ndimage.binary_dilation(tissues.fluid, iterations=2) & brain
        for name, image in images.items():
            fluid = np.percentile(image[tissues.fluid], 95 if name == "T2w" else 5)
            atrophied = np.where(wide, fluid, image)
            noise = 0.08 * np.median(image[tissues.white]) * random.normal(size=(2, *image.shape))
            noisy = np.hypot(atrophied + noise[0], noise[1]).astype(np.float32)
            assert contrast_doubt(name, noisy, brain, tissues, voxel_ml) is None


def test_vessels_brighter_than_white_matter_are_doubted_in_a_t1w_alone(heads):
    for images, brain, tissues, voxel_ml in heads:
        random = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=brain.shape), 1.0)
        vessels = brain & (random > np.quantile(random[brain], 0.99))
        lit = np.where(vessels, 1.9 * np.median(images["T1w"][tissues.white]), images["T1w"])
        assert "contrast agent" in contrast_doubt("T1w", lit, brain, tissues, voxel_ml)
        assert contrast_doubt("T1w_ce", lit, brain, tissues, voxel_ml) is None


def test_an_offset_of_a_brain_cut_out_is_doubted(heads):
    for images, brain, tissues, voxel_ml in heads:
        for name in ("T1w", "FLAIR"):
            lifted = np.where(brain, images[name] + 3 * np.median(images[name][tissues.white]), 0)
            assert "do not start at 0" in contrast_doubt(name, lifted, brain, tissues, voxel_ml)


def test_standardised_and_wrapped_intensities_are_doubted(heads):
    for images, brain, _, _ in heads:
        for image in images.values():
            inside = image[brain]
            standardised = np.where(brain, (image - inside.mean()) / inside.std(), 0)
            wrapped = np.where(image > np.percentile(inside, 80), image - 2 * inside.max(), image)
            for wrong in (standardised, wrapped):
                assert "of the brain is negative" in sign_doubt(wrong, brain, 1.0)


def test_a_brain_that_is_partly_0_is_doubted_unless_it_is_not_covered(heads):
    images, brain, _, _ = heads[0]
    half = np.where(np.cumsum(brain, axis=2) % 3 == 0, 0, images["T1w"])
    assert "exactly 0" in sign_doubt(half, brain, 1.0)
    lower = np.where(np.arange(brain.shape[2]) < 30, images["T1w"], 0)
    assert sign_doubt(lower, brain, float((lower[brain] > 0).mean())) is None


def test_the_background_of_an_offset_or_standardised_volume_is_its_air(heads):
    for images, _, _, _ in heads:
        for image in images.values():
            bright = float(np.percentile(image, 90))
            assert background_level(image) == 0
            assert background_level(image + 1000) == pytest.approx(1000, abs=0.03 * bright)
            deviation = float(image.std())
            z_score = (image - image.mean()) / deviation
            assert background_level(z_score) == pytest.approx(
                -image.mean() / deviation, abs=0.03 * bright / deviation
            )


def test_air_says_nothing_where_the_head_was_cut_out_or_bright_values_wrapped(heads):
    images, brain, _, _ = heads[0]
    assert background_level(np.where(brain, images["T1w"] + 1000, 0).astype(np.float32)) == 0
    limit = np.percentile(images["T1w"], 95)
    assert background_level(np.where(images["T1w"] > limit, images["T1w"] - 2 * limit, images["T1w"])) == 0


def test_contrast_is_the_difference_of_two_tissues_over_their_spread():
    values = np.arange(202.0) % 101  # twice 0 to 100: median 50, median absolute deviation 25
    image = np.concatenate([values + 400, values + 200])[:, None, None]
    white = (np.arange(404) < 202)[:, None, None]
    tissues = Tissues(white, ~white, np.zeros_like(white))
    assert tissue_contrast(image, tissues) == pytest.approx(200 / (1.4826 * 25))
    assert tissue_contrast(40 * image, tissues) == pytest.approx(200 / (1.4826 * 25))
    assert tissue_contrast(np.ones_like(image), tissues) is None
    assert tissue_contrast(image * (np.arange(404) < 240)[:, None, None], tissues) is None  # 38 of grey


def test_a_field_that_follows_the_tissues_is_flagged_and_that_of_a_coil_is_not(heads):
    images, brain, tissues, _ = heads[0]
    before = tissue_contrast(images["T1w"], tissues)
    places = np.indices(brain.shape) / 40
    coil = np.exp(0.1 * places[0] - 0.08 * places[1] ** 2)
    assert lowered_contrast(tissue_contrast(images["T1w"] * coil, tissues), before) is None
    follows = ndimage.gaussian_filter(np.where(tissues.grey, 0.85, 1.0), 1)
    doubt = lowered_contrast(before, tissue_contrast(images["T1w"] / follows, tissues))
    assert doubt.startswith("correcting the bias field lowers the contrast of grey and white matter from")


def test_bias_correction_takes_no_contrast_out_of_a_t1w(heads):
    """N4 with four splines over the field of view took a third: white matter lies inside of grey."""
    for images, brain, tissues, _ in heads:
        mask = to_itk(brain.astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0]))
        t1w = to_itk(images["T1w"], np.diag([3.0, 3.0, 3.0, 1.0]))
        after = tissue_contrast(from_itk(correct_bias(t1w, mask)[0]), tissues)
        assert after > 0.88 * tissue_contrast(images["T1w"], tissues)


def test_an_offset_t1w_is_prepared_as_if_it_had_none_and_flagged(cohort, tmp_path):
    scan = find_scans(cohort, ("T1w",))[0][0]
    plain = nibabel.load(scan.images["T1w"])
    lifted = write(
        tmp_path / "raw/sub-01/anat/sub-01_T1w.nii.gz",
        np.asarray(plain.dataobj, dtype=np.float32) + 1000,
        plain.affine,
    )
    done = [
        prepare(replace(scan, images={"T1w": path}), tmp_path / str(number), PrepareSettings(template=False))
        for number, path in enumerate((scan.images["T1w"], lifted))
    ]
    sound, raised = (one.load().images[0] for one in done)
    np.testing.assert_allclose(raised, sound, atol=0.03)
    assert not any("air has" in flag for flag in done[0].read_record()["Flags"])
    assert any("T1w: air has the intensity" in flag for flag in done[1].read_record()["Flags"])


def test_exchanged_sequences_are_in_the_record(cohort, tmp_path):
    scan = find_scans(cohort, SEQUENCES)[0][0]
    images = {"T1w": scan.images["T1w"], "FLAIR": scan.images["T2w"]}
    done = prepare(replace(scan, images=images), tmp_path, PrepareSettings())
    assert any(flag.startswith("FLAIR: looks like a T2w") for flag in done.read_record()["Flags"])
    assert "looks like a T2w" in done.quality_page.read_text()
