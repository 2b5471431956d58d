"""What is known of a network that was read from a file, and the checks of what it is given and gives."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError

ATTRIBUTE = "opened_file"
"""Of a network that was read from a file: its `OpenedFile`."""

NOISE_SEED = 0
RELATIVE, ABSOLUTE = 1e-3, 1e-5
"""How far scores of an image may differ when other images run beside it."""


@dataclass(frozen=True)
class OpenedFile:
    """What is known of a network that was read from a file.

    Attributes:
        path: of the file.
        format: for readers, such as "ONNX, opset 18".
        shape: of one image, (channels, *spatial), with None where any length goes; None if the file does not say.
        batch: images that go through the network at once; None: any number.
        notes: what was changed or has to be known, in sentences.
    """

    path: Path
    format: str
    shape: tuple[int | None, ...] | None = None
    batch: int | None = None
    notes: tuple[str, ...] = ()


def finished(network: nn.Module, opened: OpenedFile) -> nn.Module:
    """The network in evaluation mode, tried with noise where the shape is known, with what is known of it.

    A file that was saved for a fixed number of images may give the same scores for any number; then any goes.

    Raises:
        InputError: the network does not run on images of the file's shape, or gives no logits (B, classes).
    """
    network.eval()
    if opened.shape is not None and None not in opened.shape:
        opened = _tried(network, opened)
    setattr(network, ATTRIBUTE, opened)
    network.register_forward_pre_hook(partial(_check, opened))
    return network


def _tried(network: nn.Module, opened: OpenedFile) -> OpenedFile:
    count = opened.batch or 1
    shape = tuple(length for length in opened.shape or () if length is not None)
    images = torch.rand(2 * count, *shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    with torch.no_grad():
        try:
            logits = network(images[:count])
        except InputError:
            raise
        except Exception as fault:
            raise InputError(
                f"{opened.path}: does not run on images of shape {tuple(images[:count].shape)}, the file's own: "
                f"{type(fault).__name__} ({str(fault)[:300]}); expected a network that runs on the CPU in single "
                "precision: save it so, or in another format."
            ) from fault
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
            raise InputError(
                f"{opened.path}: gives {found} for {count} image(s); expected logits ({count}, classes), one for "
                "each class: give a classifier."
            )
        if opened.batch is None:
            return opened
        wanted = torch.cat([logits, network(images[count:])])
        try:
            tried: list[Tensor] = [network(images), network(images[:1])]
        except (RuntimeError, ValueError, IndexError, TypeError):
            return opened
    same = all(
        one.shape == wanted[: len(one)].shape and torch.allclose(one, wanted[: len(one)], RELATIVE, ABSOLUTE)
        for one in tried
    )
    return replace(opened, batch=None) if same else opened


def _check(opened: OpenedFile, _: nn.Module, arguments: tuple[Any, ...]) -> None:
    """Refuse images of another shape than the file was made for."""
    images = arguments[0] if arguments else None
    if not isinstance(images, Tensor):
        return
    found = tuple(images.shape)
    if opened.shape is not None and (
        len(found) != len(opened.shape) + 1
        or any(wanted not in {None, length} for wanted, length in zip(opened.shape, found[1:], strict=True))
    ):
        shape = ", ".join("any" if length is None else str(length) for length in opened.shape)
        raise InputError(
            f"{opened.path}: found images of shape {found}; expected (B, {shape}), for which the network was saved; "
            "give such images."
        )
    if opened.batch is not None and found[0] != opened.batch:
        raise InputError(
            f"{opened.path}: found {found[0]} images at once; expected {opened.batch}, for which the network was "
            f"saved: give batch_size={opened.batch} and a multiple of as many images, or save it for any number of "
            "images."
        )
