"""A small cohort of pictures and a small network of the same form as the real ones."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stratacam.learning import ScanPictures, SliceDataset, make_dataset, save_pictures

CLASSES = ("control", "patient")


def make_scans(
    folder: Path, groups: dict[str, str], *, slices: int = 4, size: int = 16, sessions: int = 1
) -> list[ScanPictures]:
    """Noise pictures; a patient's have a bright square at a random place."""
    generator = np.random.default_rng(7)
    scans = []
    for subject, group in groups.items():
        for session in range(sessions):
            images = generator.uniform(0, 0.5, (slices, 3, size, size)).astype(np.float32)
            if group == "patient":
                for image in images:
                    top, left = generator.integers(2, size - 6, 2)
                    image[:, top : top + 4, left : left + 4] = 1
            name = f"{subject}_ses-{session}"
            file = folder / f"{name}.npy"
            save_pictures(file, images, brain_of(images), np.arange(slices) * 2 + 10)
            scans.append(ScanPictures(file, subject, name, group))
    return scans


def make_set(folder: Path, subjects_per_group: int, first: int = 0, **keywords: int) -> SliceDataset:
    groups = {f"sub-{first + i:02}": CLASSES[i % 2] for i in range(2 * subjects_per_group)}
    return make_dataset(make_scans(folder, groups, **keywords), CLASSES)


def plain(dataset: SliceDataset) -> Callable[[np.ndarray], tuple[torch.Tensor, ...]]:
    """What reads the plain slices of a dataset for a network that takes pictures alone."""
    return lambda rows: (dataset.read(rows),)


def brain_of(images: np.ndarray) -> np.ndarray:
    """A round brain in each picture, (n, H, W)."""
    count, _, height, width = images.shape
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.repeat((rows**2 + columns**2 < 0.8)[None], count, axis=0)


class GlobalAveragePool(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean(dim=(2, 3))


def small_network(seed: int = 0) -> nn.Sequential:
    """(B, 3, 16, 16) to two logits; children named as in the real networks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                input=nn.Identity(),
                block1_conv1=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
                block1_pool=nn.MaxPool2d(2),
                block2_conv1=nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
                block2_pool=nn.MaxPool2d(2),
                gap=GlobalAveragePool(),
                predictions=nn.Linear(8, 2),
            )
        )
