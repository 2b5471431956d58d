"""`python -m benchmarks.preparation.phantoms COHORT ...`: known motion and known bias of synthetic heads.

A cohort is what `stratacam phantom` writes, with its truth in `derivatives/truth`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import process_time

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from benchmarks.preparation.data import matrix_of, move, read_image
from benchmarks.table import markdown
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.phantom.acquisition import bias_on
from stratacam.scans.register import register
from stratacam.scans.resampling import Grid
from stratacam.scans.volume import from_itk, itk_affine, to_itk

SEQUENCES = ("T1w", "T2w", "FLAIR")
GREY, WHITE = 1, 2  # in the phantom's segmentation
ADDED = (0.0, 0.1)  # standard deviation of the logarithm of the field that is added to the phantom's own
POINTS = 2000
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Sequence:
    """One sequence of a phantom, with its truth on its own grid.

    Attributes:
        image: as scanned, and where the T1w's points truly lie in it (None for the T1w).
        motion: the true transform from points of the T1w to points of the image; None for the T1w.
        brain: uint8.
        tissue: (X, Y, Z), 0 in lesions.
        field: (X, Y, Z), the planted bias.
    """

    image: SimpleITK.Image
    motion: SimpleITK.Transform | None
    brain: SimpleITK.Image
    tissue: NDArray[np.uint8]
    field: NDArray[np.float32]


def read_sequence(cohort: Path, subject: str, name: str) -> Sequence:
    """Read one sequence of a phantom and lay its truth on it."""
    truth = cohort / "derivatives" / "truth" / subject / "anat"
    image = read_image(cohort / subject / "anat" / f"{subject}_{name}.nii.gz")
    masks = [
        _labels(truth / f"{subject}_{ending}.nii.gz")
        for ending in ("desc-truebrain_mask", "desc-tissue_dseg", "label-lesion_mask")
    ]
    motion = None
    if name != "T1w":
        motion = SimpleITK.ReadTransform(str(truth / f"{subject}_from-{name}_to-T1w_mode-image_xfm.txt"))
        back = motion.GetInverse()
        masks = [SimpleITK.Resample(mask, image, back, SimpleITK.sitkNearestNeighbor, 0.0) for mask in masks]
    brain, tissue, lesions = masks
    stored = nibabel.Nifti1Image.from_filename(truth / f"{subject}_desc-biasfield_{name}.nii.gz")
    field = bias_on(np.asarray(stored.dataobj), Grid(image.GetSize(), itk_affine(image)))
    return Sequence(image, motion, brain, from_itk(tissue) * (from_itk(lesions) == 0), field)


def _labels(path: Path) -> SimpleITK.Image:
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_filename(path))
    return to_itk(np.asarray(image.dataobj).astype(np.uint8), image.affine)


def registration(cohort: Path, subject: str) -> Iterator[tuple[str, float, float]]:
    """Of each sequence but the T1w: its name, mean distance (mm) over brain points from the truth, CPU seconds."""
    t1w = read_sequence(cohort, subject, "T1w")
    brain = np.argwhere(from_itk(t1w.brain) > 0)
    index = brain[:: max(1, len(brain) // POINTS)]
    axes = np.reshape(t1w.image.GetDirection(), (3, 3)) * t1w.image.GetSpacing()
    points = index @ axes.T + t1w.image.GetOrigin()
    for name in SEQUENCES[1:]:
        sequence = read_sequence(cohort, subject, name)
        start = process_time()
        found = register(t1w.image, sequence.image).transform
        spent = process_time() - start
        apart = move(matrix_of(found), points) - move(matrix_of(sequence.motion), points)
        yield name, float(np.linalg.norm(apart, axis=1).mean()), spent


def bias(cohort: Path, subject: str, name: str, added: float) -> tuple[float, ...]:
    """Planted and left spread of the field, and contrast as scanned, corrected, and without any bias; CPU seconds.

    Spread: standard deviation of the logarithm in the brain. Contrast: white minus grey matter over the spread within
    them (see `stratacam.scans.contrast.tissue_contrast`), by the true tissues.
    """
    sequence = read_sequence(cohort, subject, name)
    inside = from_itk(sequence.brain) > 0
    extra = np.exp(added * _smooth(inside)).astype(np.float32)
    field = sequence.field * extra
    scanned = SimpleITK.GetImageFromArray(np.ascontiguousarray((from_itk(sequence.image) * extra).T))
    scanned.CopyInformation(sequence.image)
    start = process_time()
    found = from_itk(correct_bias(scanned, sequence.brain)[1])
    spent = process_time() - start
    image = from_itk(scanned)
    return (
        float(np.log(field[inside]).std()),
        float(np.log(found[inside] / field[inside]).std()),
        *(_contrast(one, sequence.tissue) for one in (image, image / found, image / field)),
        spent,
    )


def _smooth(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A quadratic over the brain's box, with mean 0 and standard deviation 1 in the brain."""
    places = np.argwhere(inside)
    low, high = places.min(0), places.max(0)
    x, y, z = np.moveaxis(2 * (np.moveaxis(np.indices(inside.shape), 0, -1) - low) / (high - low) - 1, -1, 0)
    shape = 0.6 * x + 0.5 * y**2 - 0.4 * z + 0.3 * x * y + 0.3 * z**2
    return np.asarray((shape - shape[inside].mean()) / shape[inside].std())


def _contrast(image: NDArray[np.float32], tissue: NDArray[np.uint8]) -> float:
    grey, white = (image[tissue == label] for label in (GREY, WHITE))
    spreads = [MAD_TO_SD * np.median(np.abs(one - np.median(one))) for one in (grey, white)]
    return float(abs(np.median(white) - np.median(grey)) / np.sqrt(np.mean(np.square(spreads))))


def main() -> None:
    """Measure every subject of the cohorts and print the tables."""
    for cohort in map(Path, sys.argv[1:]):
        subjects = sorted(folder.name for folder in cohort.glob("sub-*"))
        moved = [one for subject in subjects for one in registration(cohort, subject)]
        rows = [
            (name, f"{mean(errors):.3f}", f"{max(errors):.3f}", f"{mean(seconds):.1f}")
            for name in SEQUENCES[1:]
            for errors, seconds in [zip(*[one[1:] for one in moved if one[0] == name], strict=True)]
        ]
        print(f"\n## {cohort.name}, {len(subjects)} heads\n")
        print(markdown(("sequence", "mean, mm", "at most, mm", "CPU s"), rows), flush=True)
        rows = []
        for name in SEQUENCES:
            for added in ADDED:
                found = np.array([bias(cohort, subject, name, added) for subject in subjects])
                planted, left, scanned, corrected, unbiased, seconds = found.mean(axis=0)
                rows.append(
                    (
                        name,
                        f"{planted:.3f}",
                        f"{left:.4f}",
                        f"{found[:, 1].max():.4f}",
                        f"{scanned:.2f}",
                        f"{corrected:.2f}",
                        f"{unbiased:.2f}",
                        f"{seconds:.1f}",
                    )
                )
        header = (
            "sequence",
            "planted",
            "left",
            "at most",
            "contrast as scanned",
            "corrected",
            "unbiased",
            "CPU s",
        )
        print("\n" + markdown(header, rows), flush=True)


if __name__ == "__main__":
    main()
