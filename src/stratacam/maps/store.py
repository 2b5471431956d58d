"""Maps of one scan on disk: raw, signed, at every layer's own resolution, in one zarr group.

The group holds `logits` (n, K) and `layers/<name>` (classes explained, n, rows, columns), in chunks of a class and a
few slices of a layer, so that a reader takes only what it shows. What cannot be computed again from the arrays is in
its attributes; `geometry` among them leads every map back to the scan, as prepared and as delivered. Of several
networks, see `stratacam.maps.consensus_store`.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from stratacam.cam import view
from stratacam.errors import InputError
from stratacam.scans.geometry import Geometry

MADE_AGAIN = "expected it as it was written: remove the store and make it again."
"""What to do with a damaged store."""


@dataclass(frozen=True)
class ScanMaps:
    """Maps of one scan for one class.

    Attributes:
        name: of the scan, such as "sub-01_ses-2".
        method: that made the maps.
        classes: names of the network's outputs.
        scan_probabilities: class to its probability for the scan as a whole, see `classify_scan`.
        every_explained: the classes that there are maps of.
        explained: the class that these maps are of.
        logits: (n, K).
        layers: names of the layers, shallow to deep.
        blank_of: by layer and class explained, for each slice "" or why its map shows nothing.
        geometry: of the pictures that the network saw.
        model: which made them: architecture, run, cohort, seed, fold, as far as its card tells.
        in_training: the part in which the scan was when the model was trained: "test" is held out, "none" new to it.
        path: the store, from which `raw` reads.
        members: the networks that the maps are the consensus of, as `model`; none where there is one network.
        scales: by layer and class explained, the scale of each member, by which its map was divided.
        reliability_of: by layer and class explained, the reliability of the consensus, see
            `stratacam.maps.reliability`; None where it is not known.
    """

    name: str
    method: str
    classes: tuple[str, ...]
    scan_probabilities: Mapping[str, float]
    every_explained: tuple[str, ...]
    explained: str
    logits: NDArray[np.float32]
    layers: tuple[str, ...]
    blank_of: Mapping[str, Sequence[Sequence[str]]]
    geometry: Geometry
    model: Mapping[str, Any]
    in_training: str
    path: Path
    members: tuple[Mapping[str, Any], ...] = ()
    scales: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    reliability_of: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    def of(self, explained: str) -> Self:
        """The maps of another class.

        Raises:
            InputError: that class was not explained.
        """
        if explained not in self.every_explained:
            raise InputError(
                f"{self.path}: holds maps of {', '.join(self.every_explained)}, none of {explained}; explain it again."
            )
        return replace(self, explained=explained)

    def raw(self, layer: str) -> NDArray[np.float32]:
        """Raw maps of one layer, (n, rows, columns); of several networks their mean, see `LayerConsensus`.

        Raises:
            InputError: there are none of that layer, or they are damaged.
        """
        return self._read("layers", layer)

    def size(self, layer: str) -> tuple[int, int]:
        """Rows and columns of the maps of one layer, without reading them."""
        group = _open(self.path)
        with _damage_named(self.path, layer):
            rows, columns = group[f"layers/{layer}"].shape[-2:]
        return int(rows), int(columns)

    def spread(self, layer: str) -> NDArray[np.float32] | None:
        """Standard deviation of the maps of several networks, as `raw`; None where there is one."""
        return self._read("spread", layer) if self.members else None

    def agreement(self, layer: str) -> NDArray[np.float32] | None:
        """Share of several networks that agree, as `raw`; None where there is one."""
        return self._read("agreement", layer) if self.members else None

    def heat(self, layer: str, size: tuple[int, int] | None = None) -> NDArray[np.float32]:
        """Heat of one layer, (n, rows, columns) from 0 to 1, at the layer's resolution or upsampled to a size.

        ReLU, linear upsampling, divided by the maximum over all explained slices of the scan.
        """
        raw = torch.from_numpy(self.raw(layer))[:, None]
        return view(raw, size=size, normalise="volume")[:, 0].numpy()

    def volume(self, layer: str, sequence: str | None = None) -> NDArray[np.float32]:
        """Raw map of one layer as a volume: on the prepared grid, or over a sequence's scan as delivered.

        Raises:
            KeyError: the grid of that sequence is not known.
        """
        raw = self.raw(layer)
        return self.geometry.to_delivered(raw, sequence) if sequence else self.geometry.to_volume(raw)

    @property
    def predicted(self) -> str:
        """The class that the network gives the scan as a whole."""
        return highest(self.scan_probabilities)

    @property
    def blank(self) -> dict[str, list[str]]:
        """By layer, for each slice "" or why its map shows nothing."""
        return {layer: list(causes[self._column]) for layer, causes in self.blank_of.items()}

    def _read(self, part: str, layer: str) -> NDArray[np.float32]:
        if layer not in self.layers:
            raise InputError(
                f"{self.path}: holds no maps of {layer!r}; expected one of {', '.join(self.layers)}: choose one, or "
                "explain the scan again with that layer (explain.layers of a study, --layer)."
            )
        group = _open(self.path)
        with _damage_named(self.path, layer):
            found = np.asarray(group[f"{part}/{layer}"][self._column])
        # zarr reads a chunk whose file is missing as zeros: a map of zeros that is not called blank has gone
        lost = [not cause and not one.any() for cause, one in zip(self.blank[layer], found, strict=True)]
        if part == "layers" and any(lost):
            raise InputError(f"{self.path}: maps of {layer} are missing; {MADE_AGAIN}")
        return found

    def reliability(self, layer: str) -> float | None:
        """Reliability of the consensus; None where there is one network, or it is not known."""
        return self.reliability_of[layer][self._column] if self.members else None

    @property
    def _column(self) -> int:
        return self.every_explained.index(self.explained)

    @property
    def slices(self) -> NDArray[np.intp]:
        """Indices of the explained slices in the prepared volume, (n,)."""
        return np.array(self.geometry.slices, dtype=np.intp)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, (n, K)."""
        return torch.from_numpy(self.logits).softmax(dim=1).numpy()


def read_maps(path: Path | str, explained: str | None = None) -> ScanMaps:
    """Read what `write_maps` wrote; raw maps are read layer by layer when asked for.

    Args:
        path: the store.
        explained: the class whose maps are wanted; if absent the predicted one where it was explained, or the
            first that was.

    Raises:
        InputError: if `path` holds no maps, damaged ones, or none of that class.
    """
    path = Path(path)
    group = _open(path)
    attributes: dict[str, Any] = dict(group.attrs)
    with _damage_named(path, "logits"):
        logits = np.asarray(group["logits"])
    try:
        available, predicted = tuple(attributes["explained"]), attributes["predicted"]
        classes = tuple(attributes["classes"])
        of_slices = torch.from_numpy(logits).softmax(dim=1).mean(dim=0).tolist()
        maps = ScanMaps(
            name=attributes["name"],
            method=attributes["method"],
            classes=classes,
            # version 0.1 predicted from the explained slices
            scan_probabilities=attributes.get("scan_probabilities")
            or dict(zip(classes, of_slices, strict=True)),
            every_explained=available,
            explained=predicted if predicted in available else available[0],
            logits=logits,
            layers=tuple(attributes["layers"]),
            blank_of=attributes["blank"],
            geometry=Geometry.from_json(attributes["geometry"]),
            model=attributes.get("model", {}),
            in_training=attributes.get("in_training", "unknown"),
            path=path,
            members=tuple(attributes.get("members", ())),
            scales=attributes.get("scales", {}),
            reliability_of=attributes.get("reliability", {}),
        )
    except KeyError as fault:
        raise InputError(f"{path}: lacks {fault}; explain the scan again.") from fault
    return maps.of(explained) if explained else maps


def find_maps(folder: Path | str) -> list[ScanMaps]:
    """All maps below `folder`, sorted by the scan's name.

    Raises:
        InputError: there is no such folder, or it holds no maps.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected one of maps, such as maps/ of a study: correct the path."
        )
    if not (found := maps_in(folder)):
        inside = next((place for place in sorted(folder.iterdir()) if maps_in(place)), None)
        remedy = f"name {inside}" if inside else "make them with `stratacam explain`"
        raise InputError(f"{folder}: holds no maps; expected sub-*/**/*.zarr in it: {remedy}.")
    return found


def maps_in(folder: Path) -> list[ScanMaps]:
    """As `find_maps`; none where there are none."""
    return sorted(map(read_maps, find_stores(folder)), key=lambda maps: maps.name)


def find_stores(folder: Path) -> list[Path]:
    """Where the maps below `folder` are, sorted."""
    return sorted(folder.glob("sub-*/**/[!.]*.zarr"))


def remove_other_maps(folder: Path, names: Collection[str]) -> None:
    """Remove all that is below `folder` of scans not among `names`.

    Maps that an earlier model left would be taken for those of the present one.
    """
    for path in list(folder.glob("sub-*/**/anat/sub-*")):
        scan = "_".join(part for part in path.name.split("_") if part.startswith(("sub-", "ses-")))
        if scan not in names:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def highest(probabilities: Mapping[str, float]) -> str:
    """The class of the highest probability."""
    return max(probabilities, key=probabilities.__getitem__)


def _open(path: Path) -> Any:  # noqa: ANN401 - zarr's groups hold arrays and groups alike
    try:
        with _damage_named(path, "the group"):
            return zarr.open_group(path, mode="r")
    except FileNotFoundError as fault:
        raise InputError(f"{path}: holds no maps; make them with `stratacam explain`.") from fault


@contextmanager
def _damage_named(path: Path, part: str) -> Iterator[None]:
    """Say which part of a store is damaged, whatever zarr or a codec says of it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (KeyError, ValueError, RuntimeError) as fault:
        raise InputError(
            f"{path}: {part} is damaged ({type(fault).__name__}: {fault}); {MADE_AGAIN}"
        ) from fault
