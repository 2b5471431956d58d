"""Inputs of the trained layers: cached activations of the frozen layers, or slices augmented anew in every epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.augment import AugmentSettings, augment
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.features import read_activations
from stratacam.learning.forward import Batch

Read = Callable[[npt.NDArray[np.int64], torch.Tensor, torch.Generator], Batch]
"""Slices' rows (B,), versions (B,) and a source of random numbers to what the layers are called with, float32."""


@dataclass(frozen=True)
class Inputs:
    """A dataset as the trained layers see it: version 0 of a slice is plain, the others are augmented."""

    dataset: SliceDataset
    versions: int
    read: Read

    def plain(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return the slices `rows` as they are, without augmentation."""
        return self.read(rows, torch.zeros(len(rows), dtype=torch.int64), torch.Generator())


def cached_inputs(rest: nn.Module, dataset: SliceDataset, folder: Path, *, copies: int) -> Inputs:
    """Inputs of `rest`: what `cache_activations` put into `folder` of the plain slices and of each augmented copy."""
    return Inputs(
        dataset,
        1 + copies,
        lambda rows, versions, _: read_activations(rest, dataset, folder, rows, versions.numpy()),
    )


def augmented_inputs(
    network: nn.Module,
    dataset: SliceDataset,
    *,
    copies: int,
    augmentation: AugmentSettings,
    device: torch.device | str,
) -> Inputs:
    """Inputs of `network`: the slices themselves; augmented versions are drawn anew every time, on the device."""

    def read(rows: npt.NDArray[np.int64], versions: torch.Tensor, generator: torch.Generator) -> Batch:
        inputs = tuple(values.to(device) for values in dataset.read_for(network, rows))
        augmented = (versions > 0).to(device)
        if augmented.any():
            changed = augment(tuple(values[augmented] for values in inputs), augmentation, generator)
            for values, new in zip(inputs, changed, strict=True):
                values[augmented] = new
        return inputs

    return Inputs(dataset, 1 + copies, read)
