"""Inputs of the trained layers: cached activations of the frozen layers, or slices augmented anew in every epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from stratacam.learning.augment import AugmentSettings, augment
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.features import read_activations

Read = Callable[[npt.NDArray[np.int64], torch.Tensor, torch.Generator], torch.Tensor]
"""Slices' rows (B,), versions (B,) and a source of random numbers to a batch (B, ...) float32."""


@dataclass(frozen=True)
class Inputs:
    """A dataset as the trained layers see it: version 0 of a slice is plain, the others are augmented."""

    dataset: SliceDataset
    versions: int
    read: Read

    def plain(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the slices `rows` as they are, without augmentation."""
        return self.read(rows, torch.zeros(len(rows), dtype=torch.int64), torch.Generator())


def cached_inputs(dataset: SliceDataset, folder: Path, *, copies: int) -> Inputs:
    """Read what `cache_activations` put into `folder`: of the plain slices and of each augmented copy."""
    return Inputs(
        dataset,
        1 + copies,
        lambda rows, versions, _: read_activations(dataset, folder, rows, versions.numpy()),
    )


def augmented_inputs(
    dataset: SliceDataset, *, copies: int, augmentation: AugmentSettings, device: torch.device | str
) -> Inputs:
    """Read the slices themselves; augmented versions are drawn anew every time, on the device."""

    def read(rows: npt.NDArray[np.int64], versions: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        images = dataset.read(rows).to(device)
        augmented = (versions > 0).to(device)
        if augmented.any():
            images[augmented] = augment(images[augmented], augmentation, generator)
        return images

    return Inputs(dataset, 1 + copies, read)
