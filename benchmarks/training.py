"""`python -m benchmarks.training`: an epoch on kept activations against the plain way to fine-tune the same network.

The plain way runs the whole network on every slice in every epoch, with each picture augmented by itself on the CPU
by MONAI (`RandAffine`, the same ranges), and trains the same layers with the same optimiser, batch and loss. Both
train block 5 and the head of VGG16, on made-up pictures: what they show changes no time. They take turns, batch by
batch; figures are medians of the seconds of a slice.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from stratacam.learning import (
    AugmentSettings,
    ScanPictures,
    TrainSettings,
    cache_activations,
    cached_inputs,
    make_dataset,
    save_pictures,
)
from stratacam.networks import build, freeze, frozen_prefix

BATCH = 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="pixels, default %(default)s")
    parser.add_argument("--rounds", type=int, default=10, help="batches of each way, default %(default)s")
    parser.add_argument(
        "--epochs", type=int, default=8, help="that kept activations are read in, default %(default)s"
    )
    parser.add_argument("--copies", type=int, default=1, help="augmented copies, default %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    settings = TrainSettings(copies=chosen.copies).for_weights(pretrained=True)
    with tempfile.TemporaryDirectory() as name:
        once, kept, plain = _measure(Path(name), settings, chosen.size, chosen.rounds)
    versions = 1 + chosen.copies
    whole = kept + versions * once / chosen.epochs
    print(f"kept activations, an epoch       {1000 * kept:7.1f} ms a slice")
    print(f"computing them, once             {1000 * once:7.1f} ms a slice and version, {versions} versions")
    print(f"plain way, an epoch              {1000 * plain:7.1f} ms a slice")
    print(f"plain over kept, an epoch        {plain / kept:7.1f}")
    print(f"plain over kept, {chosen.epochs:2} epochs in all {plain / whole:7.1f}")


def _measure(folder: Path, settings: TrainSettings, size: int, rounds: int) -> tuple[float, float, float]:
    """Seconds a slice: computing what the frozen layers give, an epoch on it, and an epoch of the plain way."""
    from monai.transforms import RandAffine  # noqa: PLC0415 - a peer, that may be absent

    generator = np.random.default_rng(0)
    file, kept_folder = folder / "sub-1.npy", folder / "kept"
    count = BATCH * 4
    images = generator.random((count, 3, size, size), dtype=np.float32)
    save_pictures(file, images, np.ones((count, size, size)), np.arange(count))
    scan = ScanPictures(file, "sub-1", "sub-1", "a")
    dataset = make_dataset([scan], ["a"])
    model = build("vgg16", 3, weights="none")
    patterns = settings.frozen or ()
    freeze(model, patterns)
    prefix, rest = frozen_prefix(model, patterns)
    start = time.perf_counter()
    cache_activations(
        prefix,
        scan,
        kept_folder,
        copies=settings.copies,
        augmentation=settings.augmentation,
        seed=0,
        batch_size=BATCH,
    )
    once = (time.perf_counter() - start) / len(dataset) / (1 + settings.copies)
    inputs = cached_inputs(rest, dataset, kept_folder, copies=settings.copies)
    augment = _monai(RandAffine, settings.augmentation, size)
    labels = torch.zeros(BATCH, dtype=torch.int64)
    optimisers = [_optimiser(model) for _ in range(2)]
    kept, plain = [], []
    for number in range(rounds + 1):
        rows = generator.permutation(len(dataset))[:BATCH]
        start = time.perf_counter()
        batch = inputs.read(rows, torch.randint(inputs.versions, (BATCH,)), torch.Generator()).batch
        _step(rest, *batch, labels, optimisers[0])
        middle = time.perf_counter()
        pictures = torch.stack([augment(picture) for picture in dataset.read(rows)])
        _step(model, pictures, labels, optimisers[1])
        if number:  # the first round warms up
            kept.append((middle - start) / BATCH)
            plain.append((time.perf_counter() - middle) / BATCH)
    return once, statistics.median(kept), statistics.median(plain)


def _monai(affine: type, settings: AugmentSettings, size: int) -> nn.Module:
    """MONAI's random affine transform with our ranges, on one picture (3, H, W)."""
    made: nn.Module = affine(
        prob=1.0,
        rotate_range=np.deg2rad(settings.rotation),
        translate_range=(settings.translation * size,) * 2,
        scale_range=(settings.scaling,) * 2,
        padding_mode="zeros",
    )
    return made


def _optimiser(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)


def _step(
    network: nn.Module, batch: torch.Tensor, labels: torch.Tensor, optimiser: torch.optim.Optimizer
) -> None:
    loss = functional.cross_entropy(network(batch.contiguous(memory_format=torch.channels_last)), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


if __name__ == "__main__":
    main()
