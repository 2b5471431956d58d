"""Maps of one scan on disk: raw, signed, at every layer's own resolution, in one zarr group.

The group holds `slices` (n,), `logits` (n, K) and `layers/<name>` (n, rows, columns), in chunks of a layer,
so that a reader takes only the layers it shows. What cannot be recomputed from the arrays is in its attributes.
"""

import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.files import temporary_name
from stratacam.scans.pictures import Frame

METHOD = "gradcam"
SLICES_PER_CHUNK = 32


@dataclass(frozen=True)
class ScanMaps:
    """Maps of one scan for one class.

    Attributes:
        name: of the scan, such as "sub-01_ses-2".
        classes: names of the network's outputs.
        predicted: the class of the scan as a whole: highest mean probability over the slices.
        explained: the class that the maps are of.
        slices: (n,) indices of the explained slices in the prepared volume.
        logits: (n, K).
        layers: names of the layers, shallow to deep.
        blank: by layer, for each slice "" or why its map shows nothing.
        frame: where the pictures lie in the prepared volume.
        size: pixels along each side of the pictures.
        path: the store, from which `raw` reads.
    """

    name: str
    classes: tuple[str, ...]
    predicted: str
    explained: str
    slices: NDArray[np.intp]
    logits: NDArray[np.float32]
    layers: tuple[str, ...]
    blank: dict[str, list[str]]
    frame: Frame
    size: int
    path: Path

    def raw(self, layer: str) -> NDArray[np.float32]:
        """Raw maps of one layer, (n, rows, columns)."""
        return np.asarray(_open(self.path)[f"layers/{layer}"])

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, (n, K)."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def write_maps(path: Path, maps: ScanMaps, raw: dict[str, NDArray[np.float32]]) -> None:
    """Write `maps` with their `raw` arrays by layer to `path`, whole or not at all."""
    temporary = temporary_name(path)
    shutil.rmtree(temporary, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        group = zarr.open_group(temporary, mode="w")
        group.attrs.update(
            {
                "name": maps.name,
                "method": METHOD,
                "view": "raw: signed, in logits, at each layer's own resolution",
                "classes": list(maps.classes),
                "predicted": maps.predicted,
                "explained": maps.explained,
                "layers": list(maps.layers),
                "blank": maps.blank,
                "frame": asdict(maps.frame),
                "size": maps.size,
            }
        )
        group.create_array("slices", data=np.asarray(maps.slices, dtype=np.int64))
        group.create_array("logits", data=np.asarray(maps.logits, dtype=np.float32))
        for layer in maps.layers:
            values = np.asarray(raw[layer], dtype=np.float32)
            chunks = (min(len(values), SLICES_PER_CHUNK), *values.shape[1:])
            group.create_array(f"layers/{layer}", data=values, chunks=chunks)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_maps(path: Path) -> ScanMaps:
    """Read what `write_maps` wrote; raw maps are read layer by layer when asked for.

    Raises:
        InputError: if `path` holds no maps.
    """
    group = _open(path)
    attributes: dict[str, Any] = dict(group.attrs)
    try:
        frame = {key: tuple(value) for key, value in attributes["frame"].items()}
        return ScanMaps(
            name=attributes["name"],
            classes=tuple(attributes["classes"]),
            predicted=attributes["predicted"],
            explained=attributes["explained"],
            slices=np.asarray(group["slices"]).astype(np.intp),
            logits=np.asarray(group["logits"]),
            layers=tuple(attributes["layers"]),
            blank=attributes["blank"],
            frame=Frame(**frame),
            size=attributes["size"],
            path=path,
        )
    except KeyError as fault:
        raise InputError(f"{path}: lacks {fault}; explain the scan again.") from fault


def find_maps(folder: Path) -> list[ScanMaps]:
    """All maps below `folder`, sorted by the scan's name."""
    return sorted(
        (read_maps(path) for path in folder.glob("sub-*/**/[!.]*.zarr")), key=lambda maps: maps.name
    )


def remove_other_maps(folder: Path, names: Collection[str]) -> None:
    """Remove all that is below `folder` of scans not among `names`.

    Maps that an earlier model left would be taken for those of the present one.
    """
    for path in list(folder.glob("sub-*/**/anat/sub-*")):
        scan = "_".join(part for part in path.name.split("_") if part.startswith(("sub-", "ses-")))
        if scan in names:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _open(path: Path) -> Any:  # noqa: ANN401 - zarr's groups hold arrays and groups alike
    try:
        return zarr.open_group(path, mode="r")
    except FileNotFoundError as fault:
        raise InputError(f"{path}: holds no maps; make them with `stratacam explain`.") from fault
