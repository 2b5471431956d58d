"""A small head as a function of world points, so that it can be sampled on any grid."""

from pathlib import Path

import nibabel
import numpy as np

CONTRASTS = {  # background, scalp, CSF, grey matter, white matter
    "T1w": (0.0, 900.0, 150.0, 500.0, 750.0),
    "T2w": (0.0, 300.0, 1500.0, 700.0, 500.0),
    "FLAIR": (0.0, 250.0, 60.0, 420.0, 330.0),
}


def axis_affine(spacing=(3.0, 3.0, 3.0), size=(60, 72, 56)):
    """RAS grid centred on the world origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(size) - 1) / 2 * spacing
    return affine


def rotation(x=0.0, y=0.0, z=0.0):
    """World rotation, degrees, about x then y then z."""
    result = np.eye(4)
    for axis, degrees in enumerate((x, y, z)):
        turn = np.eye(4)
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        a, b = [(1, 2), (2, 0), (0, 1)][axis]
        turn[a, a] = turn[b, b] = c
        turn[a, b], turn[b, a] = -s, s
        result = turn @ result
    return result


def _inside(points, centre, radii):
    """1 inside a folded ellipsoid, 0 outside, soft over about 2 mm."""
    distance = (np.sqrt((((points - centre) / radii) ** 2).sum(-1)) - 1) * min(radii)
    distance = distance + 2 * np.sin(points / (4.0, 5.0, 4.5) + (1.0, 0.0, 2.0)).sum(-1)
    return 1 / (1 + np.exp(np.clip(distance, -30, 30) * 2))


def world_points(affine, size):
    """World point of every voxel, (X, Y, Z, 3)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def brain_of(points):
    """True inside the brain, ventricles included."""
    return _inside(points, (0, 0, 0), (62, 74, 56)) > 0.5


def head(sequence, affine, size=(60, 72, 56), *, moved=None, noise=0.01, seed=0):
    """The head in one contrast; `moved` (4, 4) maps points of the grid to points of the head at rest."""
    points = world_points(affine if moved is None else moved @ affine, size)
    background, scalp, csf, grey, white = CONTRASTS[sequence]
    image = np.full(points.shape[:-1], background)
    for value, centre, radii in (
        (scalp, (0, 0, 0), (78, 92, 72)),
        (csf, (0, 0, 0), (68, 80, 62)),
        (grey, (0, 0, 0), (62, 74, 56)),
        (white, (0, -2, 2), (50, 60, 43)),
        (grey, (0, 66, -2), (2, 12, 40)),
        (grey, (16, 10, -4), (9, 14, 9)),
        (grey, (-18, 4, -6), (8, 12, 9)),
        (csf, (7, -8, 8), (5, 24, 8)),
        (csf, (-7, -10, 7), (5, 20, 8)),
        (csf, (30, 40, -20), (9, 7, 6)),
        (csf, (-38, -30, 16), (6, 10, 7)),
    ):
        share = _inside(points, centre, radii)
        image = image * (1 - share) + value * share
    rng = np.random.default_rng(seed)
    real, imaginary = rng.normal(0, noise * white, (2, *image.shape))
    return np.hypot(image + real, imaginary).astype(np.float32)


def write(path, data, affine):
    """Write a NIfTI file with nibabel alone."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(data, affine).to_filename(path)
    return Path(path)
