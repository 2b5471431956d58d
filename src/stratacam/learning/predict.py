"""What a trained classifier says of every slice."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.calibration import apply_temperature
from stratacam.learning.dataset import SliceDataset, batches
from stratacam.learning.epoch import forward
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
    model.eval()
    logits = []
    with torch.inference_mode():
        for rows in batches(len(dataset), batch_size):
            logits.append(forward(model, dataset.read(rows), device).double().cpu().numpy())
            progress(int(rows[-1]) + 1, len(dataset), "predictions")
    return np.concatenate(logits)


def predict(
    model: nn.Module,
    dataset: SliceDataset,
    *,
    batch_size: int = 16,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
) -> npt.NDArray[np.float64]:
    """Return the probability of each class for every slice, (n, classes): the softmax of `predict_logits`."""
    logits = predict_logits(model, dataset, batch_size=batch_size, device=device, progress=progress)
    return apply_temperature(logits, 1.0)
