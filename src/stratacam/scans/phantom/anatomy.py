"""The head every phantom subject is a deformation of: tissue fractions on a 1 mm grid in MNI152 space.

Brain tissue comes from the grey- and white-matter maps that nilearn carries; what they leave of the brain is
cerebrospinal fluid. The template has no skull, so the layers around it (subarachnoid space, skull with marrow,
fat, skin) follow the distance from a smooth hull of the brain, and a face, eyes and a neck are drawn from
ellipsoids: plain, but enough that finding the brain is work.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.mni152 import load_mni152
from stratacam.scans.resampling import interpolate

Array = NDArray[np.float32]

FRACTIONS = ("grey matter", "white matter", "fluid", "bone", "fat", "muscle")

_LOWEST = np.array([-92, -128, -112])  # corner of the grid, millimetres in MNI152 space
_SHAPE = (185, 228, 212)
_SHARPEN = 1.6  # the template is an average of 152 people: its borders are wider than one person's


@dataclass(frozen=True, eq=False)
class Head:
    """The template head; every array lies on the same 1 mm grid, whose first voxel is at `lowest` (mm)."""

    lowest: NDArray[np.int_]
    tissue: Array  # (6, X, Y, Z) fractions in the order of FRACTIONS; what is missing to 1 is air
    brain: Array  # (X, Y, Z) 1 in brain tissue and ventricles, 0 elsewhere, soft at the border
    ventricles: Array  # (X, Y, Z) fraction of lateral ventricle
    ventricle_distance: Array  # (X, Y, Z) mm, negative inside
    cortex_distance: Array  # (X, Y, Z) mm from the nearest cortical grey matter, negative inside
    push: Array  # (3, X/2, Y/2, Z/2) direction away from the ventricles, fading towards the brain surface


@lru_cache(maxsize=1)
def head(voxel_mm: float = 1.0) -> Head:
    """Build the template head (some seconds, once per process).

    Args:
        voxel_mm: tissue fractions are blurred as averaging over voxels of this size blurs them.
    """
    grey, white = _on_grid(load_mni152("gm_template")), _on_grid(load_mni152("wm_template"))
    grey, white = _with_cord(grey), _with_cord(white)
    brain_tissue, hull = _brain(grey + white)
    inside = np.clip(0.5 - hull, 0, 1)
    fluid = np.clip(1 - grey - white, 0, 1)
    brain_maps = np.stack([grey, white, fluid]) ** _SHARPEN
    brain_maps *= inside / np.maximum(brain_maps.sum(axis=0), 1e-6)
    tissue = np.concatenate([brain_maps, np.zeros((3, *_SHAPE), np.float32)])
    _add_wrapping(tissue, hull)
    tissue /= np.maximum(tissue.sum(axis=0), 1)
    ventricles = _ventricles(brain_maps[2], hull)
    distance = _signed_distance(ventricles[::2, ::2, ::2] >= 0.5)
    cortex = (brain_maps[0] > 0.5) & (hull > -25)
    from_cortex = _signed_distance(cortex[::2, ::2, ::2] & (distance > 12))
    return Head(
        lowest=_LOWEST,
        tissue=np.stack([blur(part, voxel_mm) for part in tissue]),
        brain=brain_tissue,
        ventricles=ventricles,
        ventricle_distance=_refine(distance),
        cortex_distance=_refine(from_cortex),
        push=_push(distance, hull[::2, ::2, ::2]),
    )


def blur(fraction: Array, voxel_mm: float) -> Array:
    """Blur a map on the 1 mm grid so that it may be sampled every `voxel_mm`.

    The Gaussian has the variance that a box of `voxel_mm` has over a box of 1 mm.
    """
    if voxel_mm <= 1:
        return fraction
    return np.asarray(ndimage.gaussian_filter(fraction, np.sqrt((voxel_mm**2 - 1) / 12), truncate=3.0))


def axes(step: int = 1) -> list[Array]:
    """Give the x, y and z positions (mm) of the template grid as three arrays that broadcast to it."""
    lines = [low + np.arange(0, size, step) for low, size in zip(_LOWEST, _SHAPE, strict=True)]
    return [axis.astype(np.float32) for axis in np.meshgrid(*lines, indexing="ij", sparse=True)]


def _on_grid(image: Nifti1Image) -> Array:
    """Cut or pad a 1 mm template onto our grid."""
    data = np.asarray(image.dataobj, dtype=np.float32)
    start = np.rint(_LOWEST - image.affine[:3, 3])
    moved = ndimage.affine_transform(data, np.ones(3), start, output_shape=_SHAPE, order=0)
    return np.asarray(moved / data.max())


def _with_cord(fraction: Array) -> Array:
    """Continue the medulla, which the template cuts off, downwards as a spinal cord."""
    cut = int(-66 - _LOWEST[2])
    x, y, _ = axes()
    near = np.exp(-((x / 9) ** 4) - ((y + 46) / 9) ** 4)[:, :, 0]
    for index in range(cut):
        fraction[:, :, index] = fraction[:, :, cut] * near
    return fraction


def _brain(tissue: Array) -> tuple[Array, Array]:
    """Return the soft brain mask and the signed distance (mm) from a smooth hull around the brain."""
    labels, _ = ndimage.label(ndimage.binary_erosion(tissue > 0.5, iterations=2))
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    solid = ndimage.binary_dilation(largest, iterations=3) & (tissue > 0.4)
    coarse = solid[::2, ::2, ::2]
    grown = ndimage.distance_transform_edt(~coarse) * 2 <= 12
    hull = ndimage.distance_transform_edt(grown) * 2 > 11
    smooth = _refine(ndimage.gaussian_filter(_signed_distance(hull), 1.0))
    closed = ndimage.binary_closing(np.pad(solid, 6), iterations=4)[6:-6, 6:-6, 6:-6]
    filled = ndimage.binary_fill_holes(closed)
    z = axes()[2]
    mask = (filled & (smooth < 0) & (z > -70)).astype(np.float32)
    return ndimage.gaussian_filter(mask, 0.7), smooth


def _signed_distance(coarse: NDArray[np.bool_]) -> Array:
    """Return the distance (mm) from the surface of a mask on the 2 mm grid, negative inside."""
    outside, inside = (ndimage.distance_transform_edt(mask) for mask in (~coarse, coarse))
    return np.asarray(2 * (outside - inside), dtype=np.float32)


def _refine(coarse: Array) -> Array:
    """Interpolate a map from the 2 mm to the 1 mm grid."""
    for axis, size in enumerate(_SHAPE):
        coarse = interpolate(coarse, axis, np.arange(size) / 2)
    return coarse


def _ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    """Return an approximate signed distance (mm) from the surface of an ellipsoid, left and right alike."""
    x, y, z = axes()
    offsets = (np.abs(x) - centre[0], y - centre[1], z - centre[2])
    squared = sum((offset / radius) ** 2 for offset, radius in zip(offsets, radii, strict=True))
    return np.asarray((np.sqrt(squared) - 1) * np.float32(min(radii)))


def _between(distance: Array, low: Array | float, high: float) -> Array:
    """Return the fraction of a voxel that lies between two distances (mm)."""
    return np.asarray(np.clip(distance - low + 0.5, 0, 1) - np.clip(distance - high + 0.5, 0, 1))


def _add_wrapping(tissue: Array, hull: Array) -> None:
    """Fill what surrounds the brain into `tissue`: fluid, skull, fat, muscle, skin, eyes, airways."""
    x, y, z = axes()
    random = np.random.default_rng(152)
    uneven = [
        _refine(ndimage.gaussian_filter(random.normal(size=hull[::2, ::2, ::2].shape), 4)) for _ in (0, 1)
    ]
    uneven = [(field / field.std()).astype(np.float32) for field in uneven]
    depth = hull - 0.5 * uneven[0]
    face = _ellipsoid((0, 38, -52), (62, 52, 68))
    nose = _ellipsoid((0, 84, -52), (13, 16, 22))
    neck = (np.sqrt((x / 1.0) ** 2 + ((y + 32) / 1.05) ** 2) - 58 + np.maximum(z + 55, 0)).astype(np.float32)
    surface = np.minimum(np.minimum(hull - 14, nose), np.minimum(face, neck))
    surface = ndimage.gaussian_filter(surface, 4)
    within = np.clip(0.5 - surface, 0, 1)

    fluid = _between(depth, 0.0, 2.0)
    skull = _between(depth, 2.0, 8.0)
    marrow = _between(depth, 4.0 + 0.4 * uneven[1], 6.0)
    soft = np.clip(depth - 7.5, 0, 1) * within
    skin = _between(surface, -2.0, 0.5)
    fatty = np.clip(_between(surface, -5.5 + uneven[1], -2.0) + (uneven[1] > 1.1) * (surface < -3), 0, 1)
    tissue[2] += fluid
    tissue[3] += skull * (1 - marrow)
    tissue[4] += skull * marrow + soft * fatty * (1 - skin)
    tissue[5] += soft * np.maximum(skin, 1 - fatty)

    orbit = np.clip(0.5 - _ellipsoid((30, 56, -34), (18, 24, 17)), 0, 1) * np.clip(depth - 3, 0, 1) * within
    eye = np.clip(0.5 - _ellipsoid((31, 68, -33), (12, 12, 12)), 0, 1)
    airways = [((27, 52, -62), (12, 15, 15)), ((0, 60, -52), (9, 26, 17)), ((0, 22, -84), (11, 8, 40))]
    air = np.max([np.clip(0.5 - _ellipsoid(*shape), 0, 1) for shape in airways], axis=0)
    air *= np.clip(depth - 6, 0, 1)
    _replace(tissue, orbit, 4)
    _replace(tissue, eye * np.clip(depth - 4, 0, 1), 2)
    tissue *= 1 - air


def _replace(tissue: Array, fraction: Array, by: int) -> None:
    tissue *= 1 - fraction
    tissue[by] += fraction


def _ventricles(fluid: Array, hull: Array) -> Array:
    """Return the fluid fraction of the lateral ventricles: the largest deep pool of fluid."""
    z = axes()[2]
    labels, _ = ndimage.label((fluid > 0.5) & (hull < -20) & (z > 0) & (z < 40))
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    return np.asarray(fluid * ndimage.binary_dilation(largest, iterations=1))


def _push(distance: Array, hull: Array) -> Array:
    """Return the field (mm per mm of enlargement) along which ventricles grow at the cost of their surroundings.

    Both maps lie on the 2 mm grid. The field is 1 at the ventricle wall, falls off like a Gaussian of 12 mm, and
    is 0 at the brain surface, so that the outside of the brain stays where it is.
    """
    smooth = ndimage.gaussian_filter(distance, 1.25)
    outward = np.stack(np.gradient(smooth, 2.0))
    fade = np.exp(-0.5 * (np.maximum(distance, 0) / 12) ** 2) * np.clip((-hull - 4) / 12, 0, 1)
    field = outward * fade
    return np.stack([ndimage.gaussian_filter(part, 0.75) for part in field]).astype(np.float32)
