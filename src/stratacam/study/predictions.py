"""What a trained network predicted of the slices that it held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class RunPredictions:
    """What a run predicted of the slices it held out.

    Attributes:
        row: (n,) of the slices in the dataset of all pictures.
        logits: (n, K).
        temperature: fitted on the validation slices; logits over it are calibrated.
    """

    row: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float


def read_predictions(file: Path) -> RunPredictions:
    """Read the predictions that `train_run` wrote."""
    with np.load(file) as content:
        return RunPredictions(content["row"], content["logits"], float(content["temperature"]))
