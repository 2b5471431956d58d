"""Whether a contestant's maps are the same as ours, after the same normalisation."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import stratacam as sc
from benchmarks.contestants import CLASS, Contestant


def our_raw_maps(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """Signed maps (B, h, w) of every layer."""
    result = sc.explain(model, images, layers=layers, classes=CLASS, batch_size=len(images))
    return [result[name].raw[:, 0] for name in layers]


def largest_difference(
    contestant: Contestant, maps: Iterable[Any], raw: Sequence[Tensor], size: torch.Size
) -> float:
    """The largest difference between a contestant's map and ours, relative to the maximum of that map.

    Args:
        contestant: whose `form` says what its maps are.
        maps: what it gave.
        raw: ours, from `our_raw_maps`.
        size: of the images.
    """
    rectified = [layer.clamp_min(0) for layer in raw]
    if contestant.form == "rectified":
        expected = torch.stack([_upsample(layer, size) for layer in rectified])
    else:
        expected = torch.stack([_upsample(_stretch(layer), size) for layer in rectified])
        expected = _stretch(expected.mean(dim=0) if contestant.form == "averaged" else expected)
    found = torch.from_numpy(np.stack([np.asarray(layer) for layer in maps]))
    maximum = expected.amax(dim=(-2, -1))
    difference = (found - expected).abs().amax(dim=(-2, -1))
    return float((difference / torch.where(maximum > 0, maximum, 1)).max())


def _upsample(maps: Tensor, size: torch.Size) -> Tensor:
    return nn.functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _stretch(maps: Tensor) -> Tensor:
    """Each map from 0 to 1, as pytorch-grad-cam does."""
    maps = maps - maps.amin(dim=(-2, -1), keepdim=True)
    return maps / (maps.amax(dim=(-2, -1), keepdim=True) + 1e-7)
