"""Batches through a network, without training it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.dataset import batches

Rows = npt.NDArray[np.int64]


def forward(layers: nn.Module, batch: torch.Tensor, device: str) -> torch.Tensor:
    """Return the layers' output as float32, computed in bfloat16 where that is fast: on CUDA only."""
    batch = batch.to(device, memory_format=torch.channels_last if batch.ndim == 4 else torch.preserve_format)
    with torch.autocast(batch.device.type, dtype=torch.bfloat16, enabled=batch.device.type == "cuda"):
        logits: torch.Tensor = layers(batch)
    return logits.float()


def compute_logits(
    network: nn.Module,
    read: Callable[[Rows], torch.Tensor],
    count: int,
    *,
    batch_size: int = 16,
    device: str = "cpu",
) -> npt.NDArray[np.float64]:
    """Return the logits (n, K) of pictures, or of what stands for them; `network` is left in evaluation mode.

    Args:
        network: on `device`.
        read: from numbers of pictures (B,) to the batch (B, ...).
        count: of the pictures, n.
        batch_size: pictures at a time.
        device: where the network is.
    """
    network.eval()
    with torch.inference_mode():
        logits = [forward(network, read(rows), device).double().cpu() for rows in batches(count, batch_size)]
    return torch.cat(logits).numpy()
