"""Pictures with pixels removed, and a network's scores for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.faithfulness.imputation import impute
from stratacam.learning.forward import Batch, forward
from stratacam.maps.heat import Heat
from stratacam.networks import inputs_of
from stratacam.networks.on_cpu import parts_that_fit, rounded

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Removal:
    removed: Mask
    imputed: bool


class RemovedPixels:
    """Pictures from which pixels were removed, each listed once, however many maps ask for it.

    The brain (rows, columns) stays what it was, whatever is removed.
    """

    def __init__(self, image: Heat, brain: Mask, noise: float, random: np.random.Generator) -> None:
        self.image = image
        self.brain = torch.from_numpy(np.ascontiguousarray(brain))
        self.noise = random.normal(scale=noise, size=image.shape).astype(np.float32)
        self.places: dict[tuple[bool, bytes], int] = {}
        self.removals: list[_Removal] = []

    def black(self, removed: Mask) -> int:
        """The place of the picture with these pixels set to 0."""
        return self._place(_Removal(removed, imputed=False))

    def imputed(self, removed: Mask) -> int:
        """The place of the picture with these pixels filled in."""
        return self._place(_Removal(removed, imputed=True))

    def probabilities(self, model: nn.Module, target: int, batch_size: int) -> NDArray[np.float64]:
        """(pictures,), of the class."""
        device = next(model.parameters()).device
        found = []
        with torch.inference_mode(), rounded():
            for start in range(0, len(self.removals), batch_size):
                batch = np.stack(list(self._made(self.removals[start : start + batch_size])))
                given = inputs_of(model, torch.from_numpy(batch), self.brain.expand(len(batch), -1, -1))
                for part in parts_that_fit(given, device):
                    logits = _run(model, part, device)
                    found.append(logits.softmax(dim=1)[:, target].double().cpu().numpy())
        return np.concatenate(found)

    def _place(self, removal: _Removal) -> int:
        key = (removal.imputed, np.packbits(removal.removed).tobytes())
        if key not in self.places:
            self.places[key] = len(self.removals)
            self.removals.append(removal)
        return self.places[key]

    def _made(self, removals: Sequence[_Removal]) -> Iterator[Heat]:
        for removal in removals:
            if removal.imputed:
                yield np.where(removal.removed, impute(self.image, removal.removed) + self.noise, self.image)
            else:
                yield np.where(removal.removed, np.float32(0), self.image)


def _run(model: nn.Module, given: Batch, device: torch.device) -> torch.Tensor:
    """Logits; on a CPU in the precision in effect."""
    if device.type != "cpu":
        return forward(model, given, str(device))
    logits: torch.Tensor = model(*(values.contiguous(memory_format=torch.channels_last) for values in given))
    return logits.float()
