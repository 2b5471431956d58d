"""Batches through a network, without training it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.dataset import batches
from stratacam.networks.on_cpu import parts_that_fit

Rows = npt.NDArray[np.int64]

Batch = tuple[torch.Tensor, ...]
"""What a network, or a part of it, is called with: see `stratacam.networks.inputs_of`."""


def forward(layers: nn.Module, batch: Batch, device: str) -> torch.Tensor:
    """Return the layers' output as float32, computed in bfloat16 where that is fast: on CUDA only."""
    given = [
        values.to(device, memory_format=torch.channels_last if values.ndim == 4 else torch.preserve_format)
        for values in batch
    ]
    kind = given[0].device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
        logits: torch.Tensor = layers(*given)
    return logits.float()


def compute_logits(
    network: nn.Module,
    read: Callable[[Rows], Batch],
    count: int,
    *,
    batch_size: int = 16,
    device: str = "cpu",
) -> npt.NDArray[np.float64]:
    """Return the logits (n, K) of pictures, or of what stands for them; `network` is left in evaluation mode.

    Args:
        network: on `device`.
        read: from numbers of pictures (B,) to what the network is called with, each (B, ...).
        count: of the pictures, n.
        batch_size: pictures at a time.
        device: where the network is.
    """
    network.eval()
    with torch.inference_mode():
        logits = [
            forward(network, part, device).double().cpu()
            for rows in batches(count, batch_size)
            for part in parts_that_fit(read(rows), device)
        ]
    return torch.cat(logits).numpy()
