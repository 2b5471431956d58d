"""Maps on their way to a store: slices of every layer, appended to a file batch by batch and read layer by layer."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """A folder of files of float32, one for each layer.

    Files are written and read as a whole, not memory mapped: a full disk is then an error and not the end of the
    process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names, in the order of their first slices."""
        return tuple(self._shapes)

    def append(self, layer: str, raw: NDArray[Any]) -> None:
        """Add maps (..., B, rows, columns) of the next B slices."""
        slices_first = np.ascontiguousarray(np.moveaxis(raw, -3, 0), dtype=np.float32)
        self._shapes.setdefault(layer, slices_first.shape[1:])
        with self._path(layer).open("ab") as file:
            file.write(slices_first.data)

    def read(self, layer: str) -> NDArray[np.float32]:
        """Maps (..., n, rows, columns) of all slices."""
        values = np.fromfile(self._path(layer), dtype=np.float32)
        return np.moveaxis(values.reshape(-1, *self._shapes[layer]), 0, -3)

    def _path(self, layer: str) -> Path:
        return self._folder / str([*self._shapes].index(layer))
