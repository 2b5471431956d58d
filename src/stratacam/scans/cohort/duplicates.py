"""The same image twice in a cohort: under two subjects it would be learned from and tested on."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[str, str, str]
"""Subject, scan and sequence."""


def voxels_hash(values: NDArray[Any]) -> str:
    """The SHA-256 of the values of an image, whatever the order they are stored in.

    The values are sorted first, so that a copy that was compressed, given another header, turned or mirrored has
    the same hash. Noise makes it all but impossible for two scans to hold the same values.

    Example:
        >>> image = np.arange(24.0).reshape(2, 3, 4)
        >>> voxels_hash(image) == voxels_hash(image[::-1].transpose(2, 0, 1))
        True
    """
    ordered = np.sort(np.asarray(values, dtype="<f4"), axis=None)
    return hashlib.sha256((ordered + np.float32(0)).tobytes()).hexdigest()  # -0 is 0


def find_duplicates(hashes: Mapping[Place, str]) -> tuple[list[str], list[str]]:
    """Sentences about images that are there under two subjects, and about those twice under one, by their hashes."""
    places: dict[str, list[Place]] = {}
    for place, digest in sorted(hashes.items()):
        places.setdefault(digest, []).append(place)
    across, within = [], []
    for same in places.values():
        if len(same) == 1:
            continue
        listed = " and ".join(f"{scan} {sequence}" for _, scan, sequence in same)
        if len({subject for subject, _, _ in same}) > 1:
            across.append(
                f"{listed} are the same image under two subjects: a classifier would be tested on what it learned "
                "from; find out whose it is, and remove the other"
            )
        else:
            within.append(f"{listed} are the same image; find out which it is, and replace the other")
    return across, within
