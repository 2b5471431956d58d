"""The preparation of one scan, from files to files."""

from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.scans.agreement import read_points
from stratacam.scans.background import background_level
from stratacam.scans.brain_mask import doubts, extract_brain, read_brain_mask
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.duplicates import voxels_hash
from stratacam.scans.contrast import (
    Tissues,
    contrast_doubt,
    find_tissues,
    lowered_contrast,
    sign_doubt,
    tissue_contrast,
)
from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.intensity import (
    BY_BRAIN,
    Scale,
    reference_tissue,
    white_matter_scale,
)
from stratacam.scans.masks import bounding_box
from stratacam.scans.prepare.sequence import LaidSequence, Target, about, lay, timed
from stratacam.scans.prepare.settings import PrepareSettings
from stratacam.scans.prepare.write import Results, write_results
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.template import fit_template
from stratacam.scans.volume import from_itk, itk_affine, notices, read_volume, to_itk


def prepare(scan: Scan, out: Path, settings: PrepareSettings) -> PreparedScan:
    """Prepare one scan. The result depends only on the inputs, and is written whole or not at all.

    The brain is found on the T1w as delivered (or its mask read); the other sequences are registered to the T1w;
    every sequence is corrected for bias on its own grid inside the brain, resampled once (linear; blurred first
    along axes whose voxels grow), and scaled (see `stratacam.scans.intensity`). The transform of the T1w to the
    MNI152 template is kept. Threads of torch and ITK are as the caller has set them.

    Args:
        scan: the files.
        out: the folder of derivatives; `dataset_description.json` is written if absent.
        settings: see `PrepareSettings`.

    Returns:
        Where the files are. The record is written last: a scan without it does not exist.

    Raises:
        InputError: a file cannot be used; the message names it, what was found and the remedy.
    """
    prepared = PreparedScan(out, scan.subject, scan.session, tuple(scan.images))
    prepared.record.unlink(missing_ok=True)
    seconds: dict[str, float] = {}
    with timed(seconds, "read"):
        images = {name: _read_canonical(path) for name, path in scan.images.items()}
        hashes = {name: voxels_hash(from_itk(image)) for name, image in images.items()}
        flags = [f"{path.name}: {notice}" for path in scan.images.values() for notice in notices(path)]
        levels = {name: background_level(from_itk(image)) for name, image in images.items()}
    for name, level in levels.items():
        if level:
            images[name] = _above(images[name], level)
            flags.append(
                f"{name}: air has the intensity {level:.4g}; expected 0; it was taken off every voxel that is not 0: "
                "check where the scan comes from"
            )
    t1w = images["T1w"]
    with timed(seconds, "brain_mask"):
        brain = _find_brain(scan, t1w)
    flags += doubts(from_itk(brain) > 0, itk_affine(t1w))
    grid = make_grid(t1w, None if settings.grid == "T1w" else settings.grid)
    inside = from_itk(onto_grid(brain, grid, SimpleITK.Transform())) >= 0.5
    with timed(seconds, "registration"):
        points = read_points(t1w, brain)
    target = Target(t1w, brain, grid, inside, points)
    sequences = {
        name: lay(name, path, images.pop(name), target, seed=settings.seed, seconds=seconds)
        for name, path in scan.images.items()
    }
    with timed(seconds, "intensity"):
        scales = find_scales(scan, sequences, inside, grid.GetSpacing(), settings)
    template = None
    if settings.template:
        with timed(seconds, "template"), about(scan.images["T1w"]):
            template = fit_template(t1w, brain, seed=settings.seed)
        flags += template.doubts
    flags += [flag for sequence in sequences.values() for flag in sequence.flags]
    with timed(seconds, "contrast"):
        tissues = (
            None if template is None or template.doubts else find_tissues(template.transform, grid, inside)
        )
        contrasts = _contrasts(sequences, tissues) if tissues else {}
        flags += _intensity_doubts(sequences, contrasts, inside, grid, tissues)
    write_results(
        prepared,
        scan,
        settings,
        Results(
            sequences, scales, inside, itk_affine(grid), template, contrasts, tuple(flags), hashes, seconds
        ),
    )
    return prepared


def find_scales(
    scan: Scan,
    sequences: Mapping[str, LaidSequence],
    inside: NDArray[np.bool_],
    voxel_mm: tuple[float, ...],
    settings: PrepareSettings,
) -> dict[str, Scale]:
    """Find what becomes 0 and 1 in every sequence.

    Raises:
        InputError: the intensities are not a scan's; the message names the file.
    """
    box = bounding_box(inside)
    brain = inside[box]
    images = {name: sequence.image[box] for name, sequence in sequences.items()}
    if settings.intensity == "white_matter":
        with about(scan.images["T1w"]):
            reference = reference_tissue(images, brain, voxel_mm)
    scales = {}
    for name, sequence in sequences.items():
        with about(sequence.source):
            if settings.intensity == "white_matter":
                full_scale = settings.full_scale.get(name, settings.full_scale_other)
                scales[name] = white_matter_scale(images[name][reference], full_scale)
            else:
                scales[name] = BY_BRAIN[settings.intensity](images[name][brain])
    return scales


def _contrasts(sequences: Mapping[str, LaidSequence], tissues: Tissues) -> dict[str, tuple[float, float]]:
    """Contrast of grey and white matter in each sequence, before and after its bias field was divided out."""
    found = {}
    for name, sequence in sequences.items():
        before = tissue_contrast(sequence.image * sequence.field, tissues)
        after = tissue_contrast(sequence.image, tissues)
        if before is not None and after is not None:
            found[name] = (before, after)
    return found


def _intensity_doubts(
    sequences: Mapping[str, LaidSequence],
    contrasts: Mapping[str, tuple[float, float]],
    inside: NDArray[np.bool_],
    grid: SimpleITK.Image,
    tissues: Tissues | None,
) -> list[str]:
    """What is implausible about the intensities; their order by tissue only where the template fits."""
    voxel_ml = float(np.prod(grid.GetSpacing())) / 1000
    found = []
    for name, sequence in sequences.items():
        doubt = sign_doubt(sequence.image, inside, sequence.covered)
        if tissues:
            doubt = doubt or contrast_doubt(name, sequence.image, inside, tissues, voxel_ml)
        lost = lowered_contrast(*contrasts[name]) if name in contrasts else None
        found += [f"{name}: {one}" for one in (doubt, lost) if one]
    return found


def _above(image: SimpleITK.Image, level: float) -> SimpleITK.Image:
    """The image less `level`, but for voxels that are exactly 0: padding."""
    above: SimpleITK.Image = SimpleITK.Multiply(
        image - level, SimpleITK.Cast(image != 0, SimpleITK.sitkFloat32)
    )
    return above


def _read_canonical(path: Path) -> SimpleITK.Image:
    image = nibabel.as_closest_canonical(read_volume(path))
    return to_itk(image.get_fdata(dtype=np.float32), image.affine)


def _find_brain(scan: Scan, t1w: SimpleITK.Image) -> SimpleITK.Image:
    """The brain mask on the grid of the T1w, uint8."""
    affine = itk_affine(t1w)
    if scan.brain_mask is None:
        brain = extract_brain(from_itk(t1w), affine, scan.images["T1w"])
    else:
        brain = read_brain_mask(scan.brain_mask, t1w.GetSize(), affine)
    mask = to_itk(brain.astype(np.uint8), affine)
    mask.CopyInformation(t1w)
    return mask
