"""Inputs of the trained layers: cached activations of the frozen layers, or slices augmented anew in every epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.augment import AugmentSettings, augment
from stratacam.learning.dataset import SliceDataset, mask_names
from stratacam.learning.features import read_activations, read_copies_mask
from stratacam.learning.forward import Batch
from stratacam.learning.loading import to_device
from stratacam.networks import takes_brain


class Given(NamedTuple):
    """What the layers are called with, float32, and the mask that guides them, (B, 1, H, W); None where none does."""

    batch: Batch
    mask: torch.Tensor | None


Read = Callable[[npt.NDArray[np.int64], torch.Tensor, torch.Generator], Given]
"""Slices' rows (B,), versions (B,) and a source of random numbers to what the layers are given."""


@dataclass(frozen=True)
class Inputs:
    """A dataset as the trained layers see it: version 0 of a slice is plain, the others are augmented."""

    dataset: SliceDataset
    versions: int
    read: Read

    def plain(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return the slices `rows` as they are, without augmentation."""
        return self.plain_with_mask(rows).batch

    def plain_with_mask(self, rows: npt.NDArray[np.int64]) -> Given:
        """As `plain`, with the mask that guides the layers."""
        return self.read(rows, torch.zeros(len(rows), dtype=torch.int64), torch.Generator())


def cached_inputs(
    rest: nn.Module, dataset: SliceDataset, folder: Path, *, copies: int, guide: str | None = None
) -> Inputs:
    """Inputs of `rest`: what `cache_activations` put into `folder` of the plain slices and of each augmented copy."""

    def read(rows: npt.NDArray[np.int64], versions: torch.Tensor, _: torch.Generator) -> Given:
        wanted = dataset, folder, rows, versions.numpy()
        return Given(read_activations(rest, *wanted), read_copies_mask(guide, *wanted) if guide else None)

    return Inputs(dataset, 1 + copies, read)


def augmented_inputs(
    network: nn.Module,
    dataset: SliceDataset,
    *,
    copies: int,
    augmentation: AugmentSettings,
    device: torch.device | str,
    guide: str | None = None,
) -> Inputs:
    """Inputs of `network`: the slices themselves; augmented versions are drawn anew every time, on the device."""
    names = mask_names(guide, brain=takes_brain(network))

    def read(rows: npt.NDArray[np.int64], versions: torch.Tensor, generator: torch.Generator) -> Given:
        read = dataset.read(rows), *(dataset.read_mask(rows, name) for name in names)
        inputs = tuple(to_device(values, device, channels_last=False) for values in read)
        augmented = versions.nonzero()[:, 0]
        if len(augmented):
            augmented = augmented.to(device)
            changed = augment(tuple(values[augmented] for values in inputs), augmentation, generator)
            for values, new in zip(inputs, changed, strict=True):
                values[augmented] = new
        mask = inputs[1 + names.index(guide)] if guide else None
        return Given(inputs[: 1 + takes_brain(network)], mask)  # the brain is the first of the masks

    return Inputs(dataset, 1 + copies, read)
