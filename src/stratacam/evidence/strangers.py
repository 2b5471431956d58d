"""Strangers: scans of other subjects, whose maps are laid on the slices of a scan.

A map that does as well on the slices of others shows the class, not the image.
"""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.scan import ScanSlices
from stratacam.maps import explained_pictures, network_images
from stratacam.networks import ModelCard
from stratacam.scans.prepared import PreparedScan

Number = TypeVar("Number", bound=np.generic)


class Stranger(NamedTuple):
    """Pictures of another subject.

    Attributes:
        images: (n, channels, rows, columns).
        brain: (n, rows, columns), where that subject's brain is.
    """

    images: NDArray[np.float32]
    brain: NDArray[np.bool_]


def read_at_levels_of(
    sampled: ScanSlices,
    scan: ScanSlices,
    card: ModelCard,
    stranger: PreparedScan,
    *,
    every: int = 1,
    sequence: str | None = None,
) -> Stranger:
    """The pictures of another subject at the levels of some slices.

    A level is a share of the way from the first to the last slice. Pictures are centred on the brain; one of another
    size is cut or padded about its centre.

    Args:
        sampled: the slices whose levels are wanted.
        scan: all slices, which they are of.
        card: of the model.
        stranger: prepared with the model's sequences.
        every: take every n-th slice, as `scan` was read.
        sequence: where each sequence is a picture of its own, the one to take.

    Raises:
        InputError: the stranger does not suit the model, or a file of it is missing or damaged.
    """
    pictures = explained_pictures(card, stranger, every=every, sequence=sequence)
    first, last = scan.geometry.slices[0], scan.geometry.slices[-1]
    levels = (np.array(sampled.geometry.slices) - first) / max(last - first, 1)
    chosen = np.rint(levels * (len(pictures.slices) - 1)).astype(int)
    return Stranger(
        centred(network_images(pictures)[chosen], sampled.shape),
        centred(pictures.brain[chosen], sampled.shape),
    )


def centred(images: NDArray[Number], shape: tuple[int, int]) -> NDArray[Number]:
    """Pictures (..., rows, columns) cut, or padded with zeros, about their centre to another size."""
    found = np.zeros((*images.shape[:-2], *shape), images.dtype)
    to, taken = [], []
    for wanted, there in zip(shape, images.shape[-2:], strict=True):
        common = min(wanted, there)
        to.append(slice((wanted - common) // 2, (wanted - common) // 2 + common))
        taken.append(slice((there - common) // 2, (there - common) // 2 + common))
    found[..., to[0], to[1]] = images[..., taken[0], taken[1]]
    return found
