"""How sequences and slices become the channels that a network sees."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.geometry import Geometry
from stratacam.scans.planes import AXES

Channels = Literal["sequences", "each", "neighbours"]

Item = TypeVar("Item")

MINIMUM = 3
"""Channels of a picture at least: those of the photographs that pretrained networks come from."""

MAXIMUM = 6
"""Channels of a picture at most."""


def count_channels(sequences: Sequence[str], channels: Channels) -> int:
    """How many channels a picture has: one for each sequence, but at least three.

    Example:
        >>> [count_channels(names, "sequences") for names in (("T1w", "FLAIR"), ("T1w", "T2w", "PDw", "FLAIR"))]
        [3, 4]
    """
    return max(MINIMUM, len(sequences)) if channels == "sequences" else MINIMUM


def in_turn(sequences: Sequence[Item]) -> tuple[Item, ...]:
    """What each channel of a picture shows, of sequences that are its channels: fewer than three fill three in turn.

    Example:
        >>> in_turn(("T1w", "FLAIR"))
        ('T1w', 'FLAIR', 'T1w')
    """
    return tuple(sequences[channel % len(sequences)] for channel in range(max(MINIMUM, len(sequences))))


def fill_channels(images: NDArray[Any]) -> NDArray[Any]:
    """Pictures (m, C, rows, columns) as a network takes them: a single channel is given three times."""
    return images if images.shape[1] > 1 else np.repeat(images, MINIMUM, axis=1)


def choose_sequences(
    prepared: Sequence[str], wanted: Sequence[str] | None, channels: Channels
) -> tuple[str, ...]:
    """The sequences that the network sees, in order.

    Args:
        prepared: those there are.
        wanted: the sequences to use, in order; None for all.
        channels: what becomes of them.

    Raises:
        InputError: one was not prepared, or there are more than the channels hold.

    Example:
        >>> choose_sequences(("T1w", "T2w", "FLAIR"), ("FLAIR", "T1w"), "sequences")
        ('FLAIR', 'T1w')
    """
    chosen = tuple(prepared if wanted is None else wanted)
    unknown = [name for name in chosen if name not in prepared]
    if unknown:
        raise InputError(
            f"pictures.sequences: found {', '.join(unknown)}; expected some of those prepared: "
            f"{', '.join(prepared)}: choose among these, or add it to cohort.sequences."
        )
    if channels == "sequences" and len(chosen) > MAXIMUM:
        raise InputError(
            f"pictures.sequences: found {len(chosen)} ({', '.join(chosen)}); expected at most {MAXIMUM}, one for "
            f"each channel: name {MAXIMUM} of them in pictures.sequences, or make every sequence a picture of "
            'its own: pictures.channels = "each" or "neighbours".'
        )
    return chosen


def cut_channels(
    images: Mapping[str, NDArray[Any]], geometry: Geometry, channels: Channels
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Cut pictures from the volumes (X, Y, Z) of sequences and arrange them as channels.

    - "sequences": a picture of each slice. The sequences are its channels, in order; fewer than three fill three
      in turn: T1w, FLAIR, T1w.
    - "each": a picture of each slice and sequence, given to the network three times; here it has one channel.
    - "neighbours": a picture of each slice and sequence. Its channels are the slice before, the slice and the
      slice after in the volume (below and above, of axial slices); at the volume's end the end slice again.

    Args:
        images: by sequence, in order.
        geometry: of one picture for each slice.
        channels: one of the above.

    Returns:
        Pictures (m, channels, rows, columns): slice by slice, and of one slice sequence by sequence. And, for
        each, the sequence it shows, "T1w+FLAIR" where there are several.
    """
    if channels == "neighbours":
        cut = [_with_neighbours(image, geometry) for image in images.values()]
    else:
        cut = [geometry.cut(image)[:, None] for image in images.values()]
    if channels == "sequences":
        filled = np.concatenate(in_turn(cut), axis=1)
        return filled, ("+".join(images),) * len(filled)
    pictures = np.stack(cut, axis=1)  # (slices, sequences, channels, rows, columns)
    return pictures.reshape(-1, *pictures.shape[2:]), tuple(images) * len(pictures)


def _with_neighbours(image: NDArray[Any], geometry: Geometry) -> NDArray[np.float32]:
    """Each slice between the one before and the one after, (n, 3, rows, columns)."""
    slices = np.array(geometry.slices)
    end = image.shape[AXES[geometry.plane][0]] - 1
    wanted = (slices[:, None] + [-1, 0, 1]).clip(0, end)
    run = range(wanted.min(), wanted.max() + 1)
    return np.asarray(replace(geometry, slices=tuple(run)).cut(image)[wanted - run.start])
