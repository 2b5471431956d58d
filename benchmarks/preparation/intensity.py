"""Which scaling of intensities leaves normal tissue alone when lesions grow, and agrees between two sessions."""

from dataclasses import dataclass

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.preparation.data import Session, read_image
from benchmarks.table import markdown
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.brain_mask import extract_brain
from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.intensity import (
    BY_BRAIN,
    Scale,
    Scaling,
    reference_tissue,
    white_matter,
    white_matter_contrast,
    white_matter_scale,
)
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.register import register
from stratacam.scans.volume import from_itk, itk_affine, to_itk

SCALINGS: tuple[Scaling, ...] = ("white_matter", "percentiles", "z_score")
LESION_ML = (10, 25, 50)
BRIGHTNESS = {"T1w": 0.75, "T2w": 1.9, "FLAIR": 1.8}  # of a lesion, over that of white matter
GRID_MM = 1.5


@dataclass(frozen=True)
class Head:
    """A session on one grid: bias-corrected images (X, Y, Z), the brain, and pure white and grey matter."""

    images: dict[str, NDArray[np.float32]]
    brain: NDArray[np.bool_]
    tissues: dict[str, NDArray[np.bool_]]


def read_head(session: Session) -> Head:
    """Prepare a session up to the point where intensities are scaled."""
    t1w = read_image(session.scan.images["T1w"])
    affine = itk_affine(t1w)
    mask = to_itk(extract_brain(from_itk(t1w), affine, session.scan.images["T1w"]).astype(np.uint8), affine)
    mask.CopyInformation(t1w)
    grid = make_grid(t1w, GRID_MM)
    images = {}
    for name, path in session.scan.images.items():
        image = read_image(path)
        transform = SimpleITK.Transform() if name == "T1w" else register(t1w, image).transform
        own = SimpleITK.Resample(mask, image, transform.GetInverse(), SimpleITK.sitkNearestNeighbor, 0.0)
        images[name] = from_itk(onto_grid(correct_bias(image, own)[0], grid, transform))
    brain = from_itk(onto_grid(mask, grid, SimpleITK.Transform())) >= 0.5
    contrast = white_matter_contrast(images)
    white = white_matter(contrast, brain, (GRID_MM,) * 3)
    peak = np.median(contrast[white])
    depth = ndimage.distance_transform_edt(brain, sampling=GRID_MM)
    grey = (depth > 5) & (contrast > 0.45 * peak) & (contrast < 0.7 * peak)
    return Head(images, brain, {"white": white, "grey": ndimage.binary_erosion(grey)})


def lesioned(head: Head, millilitres: float, generator: np.random.Generator) -> Head:
    """The head with round lesions of 3 to 8 mm radius in white matter; its tissues are those without lesions."""
    lesions = np.zeros_like(head.brain)
    deep = np.argwhere(ndimage.binary_dilation(head.tissues["white"], iterations=2))
    voxels = np.indices(head.brain.shape).transpose(1, 2, 3, 0)
    while lesions.sum() * GRID_MM**3 / 1000 < millilitres:
        centre = deep[generator.integers(len(deep))]
        reach = generator.uniform(3, 8) / GRID_MM
        low = np.maximum(centre - int(reach) - 1, 0)
        box = tuple(slice(a, c + int(reach) + 2) for a, c in zip(low, centre, strict=True))
        lesions[box] |= np.linalg.norm(voxels[box] - centre, axis=-1) <= reach
    lesions &= head.brain
    edge = ndimage.gaussian_filter(lesions.astype(np.float32), 0.6)
    images = {}
    for name, image in head.images.items():
        bright = BRIGHTNESS[name] * np.median(image[head.tissues["white"]])
        images[name] = (image * (1 - edge) + bright * edge).astype(np.float32)
    clear = ~ndimage.binary_dilation(lesions, iterations=2)
    return Head(images, head.brain, {name: tissue & clear for name, tissue in head.tissues.items()})


def scales(head: Head, scaling: Scaling) -> dict[str, Scale]:
    """What becomes 0 and 1 in each sequence."""
    if scaling != "white_matter":
        return {name: BY_BRAIN[scaling](image[head.brain]) for name, image in head.images.items()}
    white = reference_tissue(head.images, head.brain, (GRID_MM,) * 3)
    full = PrepareSettings().full_scale
    return {name: white_matter_scale(image[white], full[name]) for name, image in head.images.items()}


def medians(head: Head, scaling: Scaling) -> dict[tuple[str, str], float]:
    """Median normalised intensity of each tissue in each sequence."""
    found = scales(head, scaling)
    return {
        (name, tissue): float(np.median(found[name].apply(image)[where]))
        for name, image in head.images.items()
        for tissue, where in head.tissues.items()
    }


def table(every: list[Session]) -> str:
    """For each scaling: change of normal tissue by planted lesions, and difference between the two sessions.

    Differences are in per cent of the distance between white and grey matter in that sequence, so that scalings
    with other ranges compare.
    """
    heads = [read_head(session) for session in every]
    rows = []
    for scaling in SCALINGS:
        base = [medians(head, scaling) for head in heads]
        for name in heads[0].images:
            span = abs(base[0][name, "white"] - base[0][name, "grey"])
            changes = []
            for millilitres in LESION_ML:
                ill = medians(lesioned(heads[0], millilitres, np.random.default_rng(0)), scaling)
                changes.append(
                    max(abs(ill[name, tissue] - base[0][name, tissue]) for tissue in ("white", "grey")) / span
                )
            apart = max(abs(base[1][name, tissue] - base[0][name, tissue]) for tissue in ("white", "grey"))
            rows.append((scaling, name, *(f"{change:.1%}" for change in changes), f"{apart / span:.1%}"))
    header = ("scaling", "sequence", *(f"{ml} ml of lesions" for ml in LESION_ML), "second session")
    return markdown(header, rows)
