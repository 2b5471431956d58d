"""What a network makes of the air around the brain: it is replaced, and the logits are compared.

Heat inside the brain does not show that nothing outside is used: a network that was guided may only have learnt to hide
it. Other air is a test that no map takes part in.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.learning.dataset import SliceDataset
from stratacam.learning.epoch import slice_weights
from stratacam.learning.forward import compute_logits
from stratacam.learning.randomness import torch_generator
from stratacam.networks import inputs_of


@dataclass(frozen=True)
class AirChange:
    """What other air does to a network; means have equal weight for groups and for the subjects of a group.

    Attributes:
        change: mean change, up or down, of the margin: the true class's logit less the mean of the others.
        spread: standard deviation of the margin over slices before.
        flipped: share of slices that get another class.
        accuracy: of slices, before.
        accuracy_after: with other air.
    """

    change: float
    spread: float
    flipped: float
    accuracy: float
    accuracy_after: float

    def as_json(self) -> dict[str, float]:
        """Return plain values for a JSON file."""
        return asdict(self)


def replace_air(pictures: torch.Tensor, brain: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Replace what lies outside the brain by noise of tissue's intensity: values of the brain, drawn with replacement.

    Args:
        pictures: (B, C, H, W), left as they are.
        brain: (B, 1, H, W), 1 inside and 0 outside; pictures without brain stay as they are.
        generator: the source of the numbers.

    Returns:
        (B, C, H, W): the channels of a pixel are those of one pixel of the brain.
    """
    changed = pictures.clone()
    for picture, mask in zip(changed, brain[:, 0] > 0, strict=True):
        tissue, air = picture[:, mask], int((~mask).sum())
        if tissue.numel() and air:
            picture[:, ~mask] = tissue[:, torch.randint(tissue.shape[1], (air,), generator=generator)]
    return changed


def change_by_air(
    network: nn.Module, dataset: SliceDataset, *, draws: int = 3, seed: int = 0, device: str = "cpu"
) -> AirChange:
    """Replace the air of every slice, see `replace_air`, and compare what a network makes of it.

    Args:
        network: from pictures, and the brain in them if it takes it, to logits (B, K); on `device`.
        dataset: slices, held out.
        draws: of other air, over which is averaged.
        seed: of these.
        device: where the network is.
    """
    weights, places = slice_weights(dataset), np.arange(len(dataset))

    def logits_with(generator: torch.Generator | None) -> npt.NDArray[np.float64]:
        def read(rows: npt.NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
            pictures, brain = dataset.read(rows), dataset.read_brain(rows)
            given = pictures if generator is None else replace_air(pictures, brain, generator)
            return inputs_of(network, given, brain)

        return compute_logits(network, read, len(dataset), device=device)

    def margin(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        own = logits[places, dataset.label]
        return np.asarray(own - (logits.sum(axis=1) - own) / (logits.shape[1] - 1))

    before = logits_with(None)
    after = [logits_with(torch_generator(seed, draw)) for draw in range(draws)]

    def mean(values: npt.NDArray[Any]) -> float:
        return float(np.mean(weights * values))

    margins = margin(before)
    return AirChange(
        change=float(np.mean([mean(np.abs(margin(logits) - margins)) for logits in after])),
        spread=float(margins.std()),
        flipped=float(np.mean([mean(logits.argmax(1) != before.argmax(1)) for logits in after])),
        accuracy=mean(before.argmax(1) == dataset.label),
        accuracy_after=float(np.mean([mean(logits.argmax(1) == dataset.label) for logits in after])),
    )
