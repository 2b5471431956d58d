"""What the trained layers are fed: kept activations of frozen layers, or slices augmented anew."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.augment import AugmentSettings, random_transforms, transform
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.features import keep_activations, read_activations
from stratacam.learning.randomness import torch_generator

Read = Callable[[npt.NDArray[np.int64], torch.Tensor, torch.Generator], torch.Tensor]
"""Slices' rows (B,), versions (B,) and a source of random numbers to a batch (B, ...) float32."""


@dataclass(frozen=True)
class Inputs:
    """A dataset as the trained layers see it: version 0 of a slice is plain, the others are augmented."""

    dataset: SliceDataset
    versions: int
    read: Read


def kept_inputs(
    frozen: nn.Sequential,
    dataset: SliceDataset,
    stem: Path,
    *,
    copies: int,
    augmentation: AugmentSettings,
    seed: int,
    device: str,
    report: Callable[[int, str], None],
) -> Inputs:
    """Keep the frozen layers' activations of the plain slices and of each augmented copy, a file for each."""
    height, width = dataset.read([0]).shape[-2:]
    files = [stem.with_name(f"{stem.name}-{version}.npy") for version in range(1 + copies)]
    for version, file in enumerate(files):
        generator = torch_generator(seed, 1, version)
        transforms = random_transforms(len(dataset), augmentation, generator, aspect=height / width)
        what = f"activations of {stem.name} slices, {f'augmented copy {version}' if version else 'plain'}"
        keep_activations(
            frozen,
            dataset,
            file,
            transforms=transforms if version else None,
            device=device,
            report=lambda count, what=what: report(count, what),  # type: ignore[misc]  # default argument
        )
    return Inputs(
        dataset, len(files), lambda rows, versions, _: read_activations(files, rows, versions.numpy())
    )


def fresh_inputs(dataset: SliceDataset, *, copies: int, augmentation: AugmentSettings, device: str) -> Inputs:
    """Read the slices themselves; augmented versions are drawn anew every time."""

    def read(rows: npt.NDArray[np.int64], versions: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        images = dataset.read(rows).to(device)
        augmented = (versions > 0).to(device)
        aspect = images.shape[2] / images.shape[3]
        transforms = random_transforms(int(augmented.sum()), augmentation, generator, aspect=aspect)
        if augmented.any():
            images[augmented] = transform(images[augmented], transforms)
        return images

    return Inputs(dataset, 1 + copies, read)
