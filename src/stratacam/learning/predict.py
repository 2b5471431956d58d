"""What a trained classifier says of every slice."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.dataset import SliceDataset
from stratacam.learning.forward import compute_logits
from stratacam.learning.train import Progress


def predict_logits(
    model: nn.Module,
    dataset: SliceDataset,
    *,
    batch_size: int = 16,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
) -> npt.NDArray[np.float64]:
    """Return the logit of each class for every slice, (n, classes); slices are not augmented.

    The model is moved to `device` and left there, in evaluation mode.
    """
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(dataset), "predictions")

    return compute_logits(
        model, dataset.read, len(dataset), batch_size=batch_size, device=device, report=report
    )
