"""Batches through a network, without training it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.dataset import batches
from stratacam.learning.loading import read_ahead, to_device
from stratacam.networks.precision import half

Rows = npt.NDArray[np.int64]

Batch = tuple[torch.Tensor, ...]
"""What a network, or a part of it, is called with: see `stratacam.networks.inputs_of`."""


def forward(layers: nn.Module, batch: Batch, device: str) -> torch.Tensor:
    """Return the layers' output as float32, computed in the precision in effect, see `stratacam.networks.precision`."""
    given = [to_device(values, device) for values in batch]
    with half(given[0].device):
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
        parts = read_ahead(read, batches(count, batch_size), device)
        logits = [forward(network, part, device).double() for part in parts]
        return torch.cat(logits).cpu().numpy()
