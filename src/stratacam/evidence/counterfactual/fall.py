"""How far the network's answer for a class falls when regions of a slice are filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.counterfactual.filling import fill
from stratacam.evidence.counterfactual.plain_tissue import plain_tissue
from stratacam.evidence.draws import generator
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import Filling
from stratacam.learning.forward import Batch, compute_logits
from stratacam.maps.heat import Heat
from stratacam.maps.volumes import logits_of
from stratacam.networks import inputs_of

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SliceToFill:
    """One slice of a scan.

    Attributes:
        scan: its slices.
        index: of the slice among them.
        filling: see `fill`.
        seed: of the study.
    """

    scan: ScanSlices
    index: int
    filling: Filling
    seed: int

    @property
    def image(self) -> Heat:
        """(channels, rows, columns)."""
        return np.asarray(self.scan.images[self.index])

    @property
    def brain(self) -> Mask:
        """(rows, columns)."""
        return np.asarray(self.scan.brain[self.index])

    @cached_property
    def plain(self) -> Mask:
        """(rows, columns), see `plain_tissue`."""
        return plain_tissue(self.image, self.brain)

    def random(self, purpose: str, *names: str | int) -> np.random.Generator:
        """A stream of this scan, this slice and this purpose."""
        return generator(self.seed, purpose, self.scan.name, self.scan.geometry.slices[self.index], *names)

    def filled(self, region: Mask) -> Heat:
        """The slice with a region filled."""
        return fill(self.image, region, self.plain, filling=self.filling)

    def falls(self, model: nn.Module, target: int, regions: Sequence[Mask], batch_size: int) -> Floats:
        """How far the margin of a class falls when each region is filled, (regions,); negative where it rises."""
        pictures = [self.image, *map(self.filled, regions)]

        brain = torch.from_numpy(self.brain)

        def read(rows: NDArray[np.int64]) -> Batch:
            batch = torch.from_numpy(np.stack([pictures[row] for row in rows]))
            return inputs_of(model, batch, brain.expand(len(rows), -1, -1))

        device = str(next(model.parameters()).device)
        logits = compute_logits(model, read, len(pictures), batch_size=batch_size, device=device)
        found = margin(logits, target)
        return np.asarray(found[0] - found[1:])


@dataclass(frozen=True, eq=False)
class VolumeToFill:
    """All slices of a scan that the network sees together.

    Attributes:
        scan: its slices.
        filling: see `fill`.
        seed: of the study.
    """

    scan: ScanSlices
    filling: Filling
    seed: int

    @cached_property
    def slices(self) -> tuple[SliceToFill, ...]:
        """Each slice by itself."""
        return tuple(
            SliceToFill(self.scan, index, self.filling, self.seed) for index in range(len(self.scan))
        )

    def falls(self, model: nn.Module, target: int, regions: Sequence[Mapping[int, Mask]]) -> Floats:
        """How far the margin of a class falls when each region is filled in all of its slices, (regions,).

        Args:
            model: that sees all slices together, on its device.
            target: position of the class.
            regions: of each, its part (rows, columns) in the slices that it is in, by their positions.
        """
        found = []
        for region in ({}, *regions):
            images = self.scan.images.copy()
            for index, part in region.items():
                if part.any():
                    images[index] = self.slices[index].filled(part)
            logits = logits_of(model, images, self.scan.brain, len(images))[:1]
            found.append(margin(logits.double().numpy(), target)[0])
        return np.asarray(found[0] - np.array(found[1:]))


def margin(logits: Floats, target: int) -> Floats:
    """The logit of a class less the mean of the others; the logit itself where there are no others.

    Probabilities depend on differences between logits alone: what raises all of them by the same is no evidence for a
    class.

    Args:
        logits: (n, classes).
        target: position of the class.
    """
    others = np.delete(logits, target, axis=1)
    return np.asarray(logits[:, target] - (others.mean(axis=1) if others.size else 0))
