"""One scan as evidence is measured on it: its pictures, the brain in them, and the truth where it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stratacam.maps import explained_pictures, network_images
from stratacam.networks import ModelCard
from stratacam.scans.geometry import Geometry
from stratacam.scans.prepared import PreparedScan


@dataclass(frozen=True, eq=False)
class ScanSlices:
    """Slices of one scan, as the network sees them.

    Attributes:
        name: of the scan, such as "sub-01_ses-2".
        subject: such as "sub-01".
        group: the class that the scan truly has; "" where it is not known.
        images: (n, channels, rows, columns) in [0, 1].
        brain: (n, rows, columns), where the brain is.
        truth: (n, rows, columns), where what tells the scan's class from the others is, such as lesions; None where it
            is not known, or the class has nothing to show.
        geometry: of the n pictures, evenly spaced.
        regions: (n, rows, columns), the label of the atlas's region, 0 for none; None without an atlas.
        structures: by name, (n, rows, columns) of every structure that there is a mask of, true or not.
        true_structures: names of those whose union is the truth.
        together: whether the network sees all slices together, so that none can be left out.
    """

    name: str
    subject: str
    group: str
    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    truth: NDArray[np.bool_] | None
    geometry: Geometry
    regions: NDArray[np.integer] | None = None
    structures: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    true_structures: tuple[str, ...] = ()
    together: bool = False

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        return self.brain.shape[1], self.brain.shape[2]

    @property
    def pixel_mm(self) -> float:
        """Edge of a pixel."""
        return self.geometry.size_mm[0] / self.shape[0]

    def some(self, count: int) -> Self:
        """At most `count` of the slices, evenly spaced, the same for the same number of slices; all if `together`.

        Example: of 10 slices 3 are 1, 4 and 7, counted from 0.
        """
        return self if self.together else self.chosen(count)

    def chosen(self, count: int) -> Self:
        """As `some`, whatever the network sees."""
        step = max(len(self) // count, 1)
        first = (len(self) - 1 - step * (min(count, len(self)) - 1)) // 2
        chosen = list(range(len(self)))[first::step][:count]
        return replace(
            self,
            images=self.images[chosen],
            brain=self.brain[chosen],
            truth=None if self.truth is None else self.truth[chosen],
            regions=None if self.regions is None else self.regions[chosen],
            structures={name: mask[chosen] for name, mask in self.structures.items()},
            geometry=replace(self.geometry, slices=tuple(self.geometry.slices[index] for index in chosen)),
        )


def read_slices(
    card: ModelCard,
    scan: PreparedScan,
    *,
    group: str = "",
    structures: Mapping[str, NDArray[np.bool_]] | None = None,
    truth: Sequence[str] = (),
    regions: NDArray[np.integer] | None = None,
    every: int = 1,
    sequence: str | None = None,
) -> ScanSlices:
    """Cut the slices of a prepared scan that a model is for.

    Args:
        card: of the model.
        scan: prepared with the model's sequences.
        group: the class that the scan truly has.
        structures: by name, (X, Y, Z) on the prepared grid, such as from `stratacam.scans.labels.read_mask`.
        truth: names of those that tell the group from the others.
        regions: (X, Y, Z) on the prepared grid, labels of an atlas.
        every: take every n-th slice.
        sequence: where each sequence is a picture of its own, the one to take.

    Raises:
        InputError: the scan does not suit the model, or a file of it is missing or damaged.
    """
    pictures = explained_pictures(card, scan, every=every, sequence=sequence)
    cut = pictures.geometry.cut

    def inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(cut(mask.astype(np.float32)) >= 0.5)

    cut_structures = {name: inside(mask) for name, mask in (structures or {}).items()}
    return ScanSlices(
        name=scan.name,
        subject=f"sub-{scan.subject}",
        group=group,
        images=network_images(pictures),
        brain=pictures.brain,
        truth=np.logical_or.reduce([cut_structures[name] for name in truth]) if truth else None,
        geometry=pictures.geometry,
        regions=None if regions is None else cut(regions, labels=True),
        structures=cut_structures,
        true_structures=tuple(truth),
        together=card.dimensions == 3,
    )
