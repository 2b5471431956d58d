"""Outputs of the frozen layers, computed once for each scan and read by every training that freezes the same layers.

What frozen layers give for a plain slice is the same in every epoch, fold and seed, and so is what they give for an
augmented copy that is drawn once. Both are cached as float16, one memory-mapped file a scan; for a network that takes
the brain, with where it is in every copy, and so for the mask that guides a training.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import reserve, whole_file
from stratacam.learning.augment import AugmentSettings, augment
from stratacam.learning.dataset import (
    BRAIN,
    ScanPictures,
    SliceDataset,
    batches,
    make_dataset,
    mask_file,
    mask_names,
)
from stratacam.learning.forward import Batch
from stratacam.learning.loading import read_ahead, to_device
from stratacam.learning.randomness import torch_generator
from stratacam.networks import takes_brain
from stratacam.networks.precision import half

OPEN_FILES = 256
"""Memory-mapped files that a process holds open at most."""


def activations_file(folder: Path, scan: str) -> Path:
    """Where the activations of a scan are cached."""
    return folder / f"{scan}.npy"


def copies_mask_file(folder: Path, scan: str, name: str) -> Path:
    """Where a mask of the plain and augmented slices of a scan is cached."""
    return mask_file(activations_file(folder, scan), name)


def activation_files(folder: Path, scan: str, masks: Sequence[str]) -> tuple[Path, ...]:
    """All that is cached for a scan, with the masks of these names."""
    files = activations_file(folder, scan), head_inputs_file(folder, scan)
    return (*files, *(copies_mask_file(folder, scan, name) for name in masks))


def cache_activations(
    frozen: nn.Module,
    scan: ScanPictures,
    folder: Path,
    *,
    copies: int,
    augmentation: AugmentSettings,
    seed: int,
    guide: str | None = None,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> None:
    """Compute and cache the output of the frozen layers for every slice of a scan, plain and augmented.

    Args:
        frozen: the frozen layers, on `device`.
        scan: the scan.
        folder: gets `<scan>.npy`, (1 + copies, n, ...) float16, whole or not at all; 0 is plain. Where the layers take
            the brain also `<scan>_brain.npy`, (1 + copies, n, H, W) uint8, and so the mask that guides.
        copies: augmented copies.
        augmentation: their ranges.
        seed: of the copies, with the scan's name: they do not depend on which other scans there are.
        guide: name of the mask that guides the training, see `TrainSettings.guide`; None for none.
        batch_size: slices at a time.
        device: where to compute.

    Raises:
        InputError: an activation exceeds the range of float16.
    """
    dataset = make_dataset([scan], [scan.group])
    frozen.eval()
    file = activations_file(folder, scan.scan)
    with whole_file(file) as temporary, torch.inference_mode():
        stored: np.memmap[tuple[int, ...], np.dtype[np.float16]] | None = None
        masks: dict[str, list[npt.NDArray[np.uint8]]] = {
            name: [] for name in mask_names(guide, brain=takes_brain(frozen))
        }
        for version in range(1 + copies):
            generator = torch_generator(seed, _number(scan.scan), version)
            every = batches(len(dataset), batch_size)
            for rows, given in zip(every, read_ahead(_reader(dataset, masks), every, device), strict=True):
                inputs = tuple(to_device(values, device) for values in given)
                if version:
                    inputs = augment(inputs, augmentation, generator)
                with half(inputs[0].device):  # the brain is the first of the masks
                    activations = frozen(*inputs[: 1 + takes_brain(frozen)]).to("cpu", torch.float16).numpy()
                for copies_of, laid in zip(masks.values(), inputs[1:], strict=True):
                    copies_of.append(laid.to("cpu", torch.uint8).numpy()[:, 0])
                if not np.isfinite(activations).all():
                    raise InputError(
                        "training.frozen: found activations beyond 65504; expected them to fit the float16 that "
                        "they are cached in: freeze other layers, or set training.cache_activations = false."
                    )
                if stored is None:
                    shape = (1 + copies, len(dataset), *activations.shape[1:])
                    stored = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
                    reserve(temporary)
                stored[version, rows] = activations
        for name, parts in masks.items():
            mask_of_copies = np.concatenate(parts)
            with whole_file(copies_mask_file(folder, scan.scan, name)) as beside:
                np.save(beside, mask_of_copies.reshape(1 + copies, len(dataset), *mask_of_copies.shape[1:]))
        if stored is not None:
            stored.flush()


def _reader(dataset: SliceDataset, masks: Iterable[str]) -> Callable[[npt.NDArray[np.int64]], Batch]:
    """A function that reads pictures by their rows, and masks of them."""
    names = tuple(masks)
    return lambda rows: (dataset.read(rows), *(dataset.read_mask(rows, name) for name in names))


def cache_head_inputs(
    rest: nn.Module,
    head: nn.Module,
    scan: ScanPictures,
    folder: Path,
    *,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> None:
    """Compute and cache the inputs of the classifier head for the plain slices of a scan, from its cached activations.

    Args:
        rest: what follows the frozen layers, in which `head` is.
        head: the classifier head.
        scan: whose activations `cache_activations` has put into `folder`.
        folder: gets `<scan>_head.npy`, (n, d) float32: the mean over positions where the head is a convolution.
        batch_size: slices at a time.
        device: where to compute.
    """
    dataset = make_dataset([scan], [scan.group])
    given: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    rest.eval()
    try:
        with torch.inference_mode():
            for rows in batches(len(dataset), batch_size):
                inputs = read_activations(rest, dataset, folder, rows, np.zeros_like(rows))
                with half(torch.device(device)):
                    rest(*(to_device(values, device, channels_last=False) for values in inputs))
    finally:
        hook.remove()
    features = [batch.flatten(2).mean(2) if batch.ndim > 2 else batch for batch in given]
    with whole_file(head_inputs_file(folder, scan.scan)) as temporary:
        np.save(temporary, torch.cat(features).float().cpu().numpy())


def head_inputs_file(folder: Path, scan: str) -> Path:
    """Where the inputs of the untrained head are cached for a scan."""
    return folder / f"{scan}_head.npy"


def read_activations(
    rest: nn.Module, dataset: SliceDataset, folder: Path, rows: npt.ArrayLike, versions: npt.ArrayLike
) -> tuple[torch.Tensor, ...]:
    """Read what the layers after the frozen ones are called with.

    Args:
        rest: these layers.
        dataset: the slices.
        folder: into which `cache_activations` wrote.
        rows: (B,) of the slices.
        versions: (B,), of each row one; 0 is not augmented.

    Returns:
        Activations (B, ...) float32, and, if `rest` takes it, the brain (B, 1, H, W) in these versions.
    """
    activations = _read(activations_file, dataset, folder, rows, versions)
    if not takes_brain(rest):
        return (activations,)
    return activations, read_copies_mask(BRAIN, dataset, folder, rows, versions)


def read_copies_mask(
    name: str, dataset: SliceDataset, folder: Path, rows: npt.ArrayLike, versions: npt.ArrayLike
) -> torch.Tensor:
    """Read a mask (B, 1, H, W) as `cache_activations` moved it; arguments as of `read_activations`."""
    return _read(lambda of, scan: copies_mask_file(of, scan, name), dataset, folder, rows, versions)[:, None]


def read_head_inputs(dataset: SliceDataset, folder: Path) -> npt.NDArray[np.float32]:
    """Read what `cache_head_inputs` wrote of every slice, (n, d), in the order of the dataset."""
    files = [np.load(head_inputs_file(folder, scan.scan)) for scan in dataset.scans]
    return np.stack([files[scan][place] for scan, place in zip(dataset.scan, dataset.position, strict=True)])


def _read(
    file_of: Callable[[Path, str], Path],
    dataset: SliceDataset,
    folder: Path,
    rows: npt.ArrayLike,
    versions: npt.ArrayLike,
) -> torch.Tensor:
    """Of each row one version from the scans' files, (B, ...) float32."""
    files = [file_of(folder, scan.scan) for scan in dataset.scans]
    picked = []
    for row, version in zip(np.asarray(rows), np.asarray(versions), strict=True):
        file = files[dataset.scan[row]]
        picked.append(_opened(file, file.stat().st_mtime_ns)[version, dataset.position[row]])
    return torch.from_numpy(np.stack(picked).astype(np.float32))


def _number(name: str) -> int:
    """A number that depends only on the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


@lru_cache(maxsize=OPEN_FILES)
def _opened(file: Path, _written: int) -> npt.NDArray[np.generic]:
    content: npt.NDArray[np.generic] = np.load(file, mmap_mode="r")
    return content
