"""Activations of the frozen layers, computed once and kept on disk for every epoch to read."""

import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.learning.augment import transform
from stratacam.learning.dataset import SliceDataset


def cut(model: nn.Sequential, frozen_through: str | None) -> tuple[nn.Sequential, nn.Sequential]:
    """Cut the network after the layer `frozen_through`: the frozen part and the part to train.

    With `None` or "" the frozen part is empty. Both parts share their layers with `model`.

    Raises:
        InputError: no such layer, or nothing left to train.
    """
    names = list(dict(model.named_children()))
    if not frozen_through:
        return nn.Sequential(), model
    if frozen_through not in names[:-1]:
        raise InputError(
            f'train.frozen_through: found "{frozen_through}", expected one of {", ".join(names[:-1])}. '
            "Remedy: name a layer before the last, or leave it empty to train every layer"
        )
    position = names.index(frozen_through) + 1
    layers = list(model.named_children())
    return nn.Sequential(OrderedDict(layers[:position])), nn.Sequential(OrderedDict(layers[position:]))


def keep_activations(
    frozen: nn.Sequential,
    dataset: SliceDataset,
    file: Path,
    *,
    transforms: torch.Tensor | None = None,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Compute the output of the frozen layers for every slice and keep it as float16, (n, channels, h, w).

    Args:
        frozen: the frozen layers.
        dataset: the slices.
        file: the `.npy` file to write, whole or not at all; a file that is there already is left as it is.
        transforms: (n, 2, 3) one affine matrix per slice, see `augment`; plain slices if not given.
        batch_size: slices at a time.
        device: where to compute.
        report: told the number of slices done after every batch.

    Raises:
        InputError: an activation exceeds the range of float16.
    """
    if file.exists():
        report(len(dataset))
        return
    frozen.eval()
    with whole_file(file) as temporary, torch.inference_mode():
        kept: np.memmap[tuple[int, ...], np.dtype[np.float16]] | None = None
        for rows in batches(len(dataset), batch_size):
            images = dataset.read(rows).to(device, memory_format=torch.channels_last)
            if transforms is not None:
                images = transform(images, transforms[rows])
            activations = frozen(images).to("cpu", torch.float16).numpy()
            if not np.isfinite(activations).all():
                raise InputError(
                    "train.frozen_through: found activations beyond 65504, expected them to fit the float16 "
                    "that they are kept in. Remedy: freeze a deeper layer, or none"
                )
            if kept is None:
                shape = (len(dataset), *activations.shape[1:])
                kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            kept[rows] = activations
            report(len(rows))
        if kept is not None:
            kept.flush()


def read_activations(files: list[Path], rows: npt.ArrayLike, versions: npt.ArrayLike) -> torch.Tensor:
    """Read kept activations, each row from the file of its version; (B, channels, h, w) float32."""
    opened = [np.load(file, mmap_mode="r") for file in files]
    picked = [
        opened[version][row] for row, version in zip(np.asarray(rows), np.asarray(versions), strict=True)
    ]
    return torch.from_numpy(np.stack(picked).astype(np.float32))


def batches(count: int, batch_size: int) -> list[npt.NDArray[np.int64]]:
    """Return 0 ... count - 1 in batches of nearly equal size, none above `batch_size`.

    Example:
        >>> [batch.tolist() for batch in batches(5, 2)]
        [[0, 1], [2, 3], [4]]
    """
    return np.array_split(np.arange(count), math.ceil(count / batch_size))
