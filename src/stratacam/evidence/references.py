"""What maps are held against where the truth is known.

Chance, edges, the picture itself, where lesions usually are, and the truth at the layer's own resolution.

Following R. Wilming et al., "Scrutinizing XAI using linear ground-truth data with suppressor variables" (2022), and M.
Oliveira et al., "Benchmarking the influence of pre-training on explanation performance in MR image classification"
(2024): a map that finds the truth no better than an edge filter has not shown what the network used.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from stratacam.evidence.heat import Heat, SliceMaps, heat_of
from stratacam.evidence.localisation import judged_slices, scores_of, scores_of_slices
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of

CEILING = "truth at layer"
"""The truth itself, blurred to the resolution of a layer: the best that a map of so few cells could do."""


def reference_maps(scan: ScanSlices, *, intensity: Heat, prior: Heat | None = None) -> dict[str, Heat]:
    """Maps that need no network.

    Args:
        scan: the slices.
        intensity: (n, rows, columns) of the sequence that shows the truth best, such as FLAIR.
        prior: (n, rows, columns), where the lesions of other people are.

    Returns:
        "edges", the magnitude of the Sobel gradient of the intensity; "intensity"; "lesion prior" where given.
        (n, rows, columns) each, 0 outside the brain.
    """
    found = {"edges": edges_of(intensity), "intensity": intensity}
    if prior is not None:
        found["lesion prior"] = prior
    return {
        name: np.where(scan.brain, values, 0).clip(min=0).astype(np.float32) for name, values in found.items()
    }


def edges_of(pictures: Heat) -> Heat:
    """Magnitude of the Sobel gradient of pictures (n, rows, columns)."""
    return np.asarray(np.hypot(ndimage.sobel(pictures, axis=1), ndimage.sobel(pictures, axis=2)))


def prior_of(masks: Mapping[str, NDArray[np.float32]], subject: str) -> NDArray[np.float32] | None:
    """Mean lesion mask of everybody but one subject; None where there is nobody else.

    Args:
        masks: by subject, shares of lesion on one grid.
        subject: whose own mask must not be in it.
    """
    others = [mask for other, mask in masks.items() if other != subject]
    return np.mean(others, axis=0, dtype=np.float32) if others else None


def truth_at_layer(truth: NDArray[np.bool_], cells: tuple[int, int]) -> Heat:
    """The truth (n, rows, columns) averaged over the cells of a layer, and upsampled as its heat is."""
    masks = torch.from_numpy(truth.astype(np.float32))[:, None]
    return heat_of(F.adaptive_avg_pool2d(masks, cells)[:, 0].numpy(), (truth.shape[1], truth.shape[2]))


def reference_values(
    scan: ScanSlices,
    maps: SliceMaps,
    references: Mapping[str, Heat],
    *,
    right_class: int | None,
    seed: int = 0,
) -> list[Value]:
    """Scores of what maps are held against, on the slices where `localisation` scores them.

    Args:
        scan: the slices.
        maps: of the network, which decide the slices and the layers' resolutions.
        references: from `reference_maps`.
        right_class: see `localisation`.
        seed: of the random map that chance is, where chance has no formula.

    Returns:
        Rows whose method is the name of the reference; layers are named for "truth at layer" alone.
    """
    judged = judged_slices(maps, scan, right_class)
    truth = scan.truth
    if truth is None or not judged:
        return []
    values = []
    for name, heat in references.items():
        for measure, found in scores_of_slices(heat, scan, judged).items():
            values += mean_of(name, "", measure, found)
    chances = [chance(truth[index], scan.brain[index], scan.pixel_mm, seed=seed + index) for index in judged]
    for measure in chances[0]:
        values += mean_of("chance", "", measure, [one[measure] for one in chances])
    for cells in dict.fromkeys(raw.shape[1:] for raw in maps.raw.values()):
        scored = scores_of_slices(truth_at_layer(truth, cells), scan, judged)
        for layer in (name for name, raw in maps.raw.items() if raw.shape[1:] == cells):
            for measure, found in scored.items():
                values += mean_of(CEILING, layer, measure, found)
    return values


def chance(
    truth: NDArray[np.bool_], brain: NDArray[np.bool_], pixel_mm: float, *, seed: int
) -> dict[str, float]:
    """What a map of random numbers in the brain scores on average; best Dice and distance of one such map."""
    share = float((truth & brain).sum() / brain.sum())
    noise = np.random.default_rng(seed).random(truth.shape, dtype=np.float32) * brain
    drawn = scores_of(noise[None], truth, brain, pixel_mm)
    return {
        "pointing": share,
        "heat_inside": share,
        "average_precision": share,
        "auroc": 0.5,
        "top_k_precision": share,
        "best_dice": float(drawn["best_dice"][0]),
        "peak_distance_mm": float(drawn["peak_distance_mm"][0]),
    }
