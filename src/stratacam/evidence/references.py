"""What maps are held against where the truth is known.

Chance, edges, the picture itself, where the truth of others of the class is, and the truth at the layer's own
resolution.

Following R. Wilming et al., "Scrutinizing XAI using linear ground-truth data with suppressor variables" (2022), and M.
Oliveira et al., "Benchmarking the influence of pre-training on explanation performance in MR image classification"
(2024): a map that finds the truth no better than an edge filter has not shown what the network used.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from stratacam.evidence.scan import ScanSlices
from stratacam.maps.heat import Heat, heat_of

CHANCE, EDGES, INTENSITY, PRIOR = "chance", "edges", "intensity", "truth prior"

CEILING = "truth at layer"
"""The truth itself, blurred to the resolution of a layer: the best that a map of so few cells could do."""

REFERENCES = (CHANCE, EDGES, INTENSITY, PRIOR, CEILING)


def reference_maps(scan: ScanSlices, *, intensity: Heat, prior: Heat | None = None) -> dict[str, Heat]:
    """Maps that need no network.

    Args:
        scan: the slices.
        intensity: (n, rows, columns) of the sequence that shows the truth best, such as FLAIR.
        prior: (n, rows, columns), where the truth of other subjects of the class is.

    Returns:
        "edges", the magnitude of the Sobel gradient of the intensity; "intensity"; "truth prior" where given.
        (n, rows, columns) each, 0 outside the brain.
    """
    found = {EDGES: edges_of(intensity), INTENSITY: intensity}
    if prior is not None:
        found[PRIOR] = prior
    return {
        name: np.where(scan.brain, values, 0).clip(min=0).astype(np.float32) for name, values in found.items()
    }


def edges_of(pictures: Heat) -> Heat:
    """Magnitude of the Sobel gradient of pictures (n, rows, columns)."""
    return np.asarray(np.hypot(ndimage.sobel(pictures, axis=1), ndimage.sobel(pictures, axis=2)))


def mask_at_layer(masks: NDArray[np.bool_], cells: tuple[int, ...]) -> Heat:
    """Masks (n, rows, columns) averaged over the (h, w) cells of a layer, and upsampled as its heat is."""
    shares = torch.from_numpy(masks.astype(np.float32))[:, None]
    coarse = F.adaptive_avg_pool2d(shares, (cells[0], cells[1]))[:, 0].numpy()
    return heat_of(coarse, (masks.shape[1], masks.shape[2]))
