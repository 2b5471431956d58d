"""What stores hold, and what it takes on disk."""

import math
from dataclasses import dataclass

import numpy as np

from stratacam.maps.store.places import Place
from stratacam.maps.store.root import read_root
from stratacam.maps.store.scan_maps import LAYERS, MEMBERS


@dataclass(frozen=True)
class StoredArray:
    """An array of a store.

    Attributes:
        name: such as "layers/conv1".
        shape: of it.
        dtype: of the values, as stored.
        bytes: on disk, its metadata included.
        raw_bytes: of its values as float32.
        error: of the stored values, as a share of a map's maximum, see `pack`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    raw_bytes: int
    error: float


@dataclass(frozen=True)
class StoredMaps:
    """What a store holds.

    Attributes:
        place: of the store.
        name: of the scan.
        method: that made the maps.
        networks: how many.
        classes: explained.
        files: how many.
        bytes: on disk.
        arrays: shallow to deep.
    """

    place: Place
    name: str
    method: str
    networks: int
    classes: tuple[str, ...]
    files: int
    bytes: int
    arrays: tuple[StoredArray, ...]

    @property
    def layers(self) -> list[StoredArray]:
        """The arrays of maps, but for those of the members of a consensus."""
        return [one for one in self.arrays if one.name.startswith(f"{LAYERS}/")]

    @property
    def raw_bytes(self) -> int:
        """Of all values as float32."""
        return sum(one.raw_bytes for one in self.arrays)


def list_store(place: Place) -> StoredMaps:
    """What a store holds, by its root file alone.

    Raises:
        InputError: there is none, or it is damaged.
    """
    root = read_root(place)
    order = [f"{part}/{layer}" for part in (LAYERS, MEMBERS) for layer in root.attributes["layers"]]
    arrays = []
    for name in (*(one for one in order if one in root.arrays), "logits"):
        metadata = root.arrays[name]
        shape = tuple(metadata["shape"])
        arrays.append(
            StoredArray(
                name,
                shape,
                str(metadata["data_type"]),
                sum(size for file, (size, _) in root.files.items() if file.startswith(f"{name}/")),
                math.prod(shape) * np.dtype(np.float32).itemsize,
                float(metadata["attributes"].get("error", 0)),
            )
        )
    return StoredMaps(
        place,
        root.attributes["name"],
        root.attributes["method"],
        len(root.attributes.get("members", ())) or 1,
        tuple(root.attributes["explained"]),
        len(root.files) + 1,
        root.bytes,
        tuple(arrays),
    )
