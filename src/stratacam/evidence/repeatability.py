"""Whether maps repeat: on the next slice, on a picture shifted or noisy by a little, and with another training."""

import numpy as np
from torch import nn

from stratacam.evidence.agreement import intraclass_correlation
from stratacam.evidence.heat import SliceMaps, explain_slices
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.similarity import rank_correlation, ssim
from stratacam.evidence.values import Value, mean_of

SHIFT_PX = 2
NOISE = 0.02
"""Standard deviation, as a share of the range of intensities."""


def compare(maps: SliceMaps, other: SliceMaps, scan: ScanSlices, against: str) -> list[Value]:
    """Likeness of two maps of the same slices, for the layers that both have, where neither is blank.

    Args:
        maps: one.
        other: from another training, or of the same pictures after a change that was undone on the maps.
        scan: the slices.
        against: what differs, such as "seed".

    Returns:
        Rows of `repeat_rank`, `repeat_ssim` and, where the scan has regions, `repeat_icc`, the intraclass correlation
        of the regions' mean heat, each map by its highest heat.
    """
    values = []
    for layer in (name for name in maps.layers if name in other.raw):
        first, second = maps.heat(layer, scan.shape), other.heat(layer, scan.shape)
        ranks, structures = [], []
        for index in range(len(scan)):
            if first[index].any() and second[index].any():
                pair = first[index : index + 1], second[index : index + 1], scan.brain[index]
                ranks.append(float(rank_correlation(*pair)[0]))
                structures.append(float(ssim(*pair)[0]))
        values += mean_of(maps.method, layer, "repeat_rank", ranks, against)
        values += mean_of(maps.method, layer, "repeat_ssim", structures, against)
        if scan.regions is not None and first.any() and second.any():
            table = np.stack(
                [_region_means(heat / heat.max(), scan.regions) for heat in (first, second)], axis=1
            )
            icc = intraclass_correlation(table)
            values += mean_of(maps.method, layer, "repeat_icc", [icc], against)
    return values


def neighbours(maps: SliceMaps, scan: ScanSlices) -> list[Value]:
    """Likeness of every slice's map to that of the next, inside both brains."""
    values = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        ranks, structures = [], []
        for index in range(len(scan) - 1):
            here, beyond = heat[index : index + 1], heat[index + 1 : index + 2]
            brain = scan.brain[index] & scan.brain[index + 1]
            if here.any() and beyond.any() and brain.any():
                ranks.append(float(rank_correlation(here, beyond, brain)[0]))
                structures.append(float(ssim(here, beyond, brain)[0]))
        values += mean_of(maps.method, layer, "repeat_rank", ranks, "neighbour")
        values += mean_of(maps.method, layer, "repeat_ssim", structures, "neighbour")
    return values


def perturbed(
    model: nn.Module,
    scan: ScanSlices,
    maps: SliceMaps,
    *,
    shift_px: int = SHIFT_PX,
    noise: float = NOISE,
    seed: int = 0,
    batch_size: int = 8,
) -> list[Value]:
    """Likeness to maps of pictures that were shifted, shifted back, and of pictures with Gaussian noise in the brain.

    Args:
        model: whose maps they are.
        scan: the slices.
        maps: of these slices.
        shift_px: rows and columns of the shift.
        noise: standard deviation.
        seed: of the noise.
        batch_size: pictures at once.
    """
    drawn = np.random.default_rng(seed).normal(scale=noise, size=scan.images.shape).astype(np.float32)
    noisy = np.where(scan.brain[:, None], scan.images + drawn, scan.images).clip(0, 1).astype(np.float32)
    shifted = shift(scan.images, shift_px)

    def explained(images: np.ndarray) -> SliceMaps:
        return explain_slices(
            model, images, maps.target, maps.method, layers=maps.layers, batch_size=batch_size
        )

    return [
        *compare(maps, _undone(explained(shifted), scan, shift_px), scan, "shift"),
        *compare(maps, explained(noisy), scan, "noise"),
    ]


def shift(values: np.ndarray, pixels: int) -> np.ndarray:
    """Move the last two axes down and right; what comes in is 0."""
    moved = np.zeros_like(values)
    rows, columns = values.shape[-2:]
    to, start = slice(max(pixels, 0), rows + min(pixels, 0)), slice(max(-pixels, 0), rows - max(pixels, 0))
    to_c, start_c = (
        slice(max(pixels, 0), columns + min(pixels, 0)),
        slice(max(-pixels, 0), columns - max(pixels, 0)),
    )
    moved[..., to, to_c] = values[..., start, start_c]
    return moved


def _undone(maps: SliceMaps, scan: ScanSlices, pixels: int) -> SliceMaps:
    """Heat on the grid of the picture, moved back: a shift is no whole number of a deep layer's cells."""
    raw = {layer: shift(maps.heat(layer, scan.shape), -pixels) for layer in maps.layers}
    return SliceMaps(maps.method, maps.target, maps.logits, raw, maps.blank)


def _region_means(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Mean heat of every region that occurs, by its label."""
    counts = np.bincount(regions.ravel())
    totals = np.bincount(regions.ravel(), weights=heat.ravel())
    there = np.flatnonzero(counts[1:]) + 1
    return np.asarray(totals[there] / counts[there])
