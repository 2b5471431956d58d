"""Pictures with pixels removed, and a network's scores for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.heat import Heat

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Removal:
    removed: Mask
    imputed: bool


class RemovedPixels:
    """Pictures from which pixels were removed, each listed once, however many maps ask for it."""

    def __init__(self, image: Heat, noise: float, random: np.random.Generator) -> None:
        self.image = image
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
        with torch.inference_mode():
            for start in range(0, len(self.removals), batch_size):
                batch = np.stack(list(self._made(self.removals[start : start + batch_size])))
                given = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                    logits = model(given)
                found.append(logits.float().softmax(dim=1)[:, target].double().cpu().numpy())
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
