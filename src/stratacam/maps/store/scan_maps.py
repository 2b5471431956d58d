"""Maps of one scan as they are stored: raw, signed, at every layer's own resolution, read by layer and by slice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from stratacam.cam import view
from stratacam.errors import InputError
from stratacam.maps.store.arrays import read_array
from stratacam.maps.store.places import ROOT, Place, place_of
from stratacam.maps.store.root import MADE_AGAIN, damage_named, read_root
from stratacam.scans.geometry import Geometry

if TYPE_CHECKING:
    import xarray

LAYERS, MEMBERS = "layers", "members"
"""Groups of a store: maps, and where a consensus keeps them those of its members."""

STATISTICS = ("mean", "spread", "agreement")
"""Of several networks, in the order of the first dimension of their maps."""

EVERY = slice(None)


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
        place: of the store, a path or a URL, from which `raw` reads.
        arrays: metadata of every array, by its name, such as "layers/conv1".
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
    place: Place
    arrays: Mapping[str, Mapping[str, Any]] = field(repr=False)
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
                f"{self.place}: holds maps of {', '.join(self.every_explained)}, none of {explained}; explain it again."
            )
        return replace(self, explained=explained)

    @property
    def path(self) -> Path:
        """The folder of the store.

        Raises:
            InputError: it lies at a URL.
        """
        if isinstance(self.place, Path):
            return self.place
        raise InputError(
            f"{self.place}: lies at a URL; expected a folder of this machine: copy it with `stratacam store copy`."
        )

    def raw(self, layer: str, slices: slice = EVERY) -> NDArray[np.float32]:
        """Raw maps of one layer, (n, rows, columns); of several networks their mean, see `LayerConsensus`.

        Args:
            layer: its name.
            slices: which of the explained slices, such as `slice(4, 5)` for the fifth; no others are read.

        Raises:
            InputError: there are none of that layer, or they are damaged.
        """
        return self._read(layer, STATISTICS[0], slices)

    def size(self, layer: str) -> tuple[int, int]:
        """Rows and columns of the maps of one layer, without reading them."""
        self._check(layer)
        rows, columns = self.arrays[f"{LAYERS}/{layer}"]["shape"][-2:]
        return rows, columns

    def spread(self, layer: str, slices: slice = EVERY) -> NDArray[np.float32] | None:
        """Standard deviation of the maps of several networks, as `raw`; None where there is one."""
        return self._read(layer, STATISTICS[1], slices) if self.members else None

    def agreement(self, layer: str, slices: slice = EVERY) -> NDArray[np.float32] | None:
        """Share of several networks that agree, as `raw`; None where there is one."""
        return self._read(layer, STATISTICS[2], slices) if self.members else None

    def of_members(self, layer: str, slices: slice = EVERY) -> NDArray[np.float32] | None:
        """Raw maps of each of several networks, (M, n, rows, columns), in units of the method.

        None where there is one network, where the store does not keep them, see `ExplainSettings.keep_members`, and of
        a mean over layers.
        """
        self._check(layer)
        if f"{MEMBERS}/{layer}" not in self.arrays:
            return None
        return self._whole(MEMBERS, layer, (EVERY, self._column, slices))

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

    def to_xarray(self, layer: str) -> "xarray.DataArray":
        """Raw maps of one layer with named dimensions (slice, row, column); slices by their index in the prepared scan.

        Rows and columns are in mm from the first edge of the picture, at the middle of each cell.

        Raises:
            InputError: xarray is not installed, or there are no maps of that layer.
        """
        try:
            import xarray  # noqa: PLC0415 - only where it is asked for
        except ImportError as fault:
            raise InputError(
                "xarray is not installed; expected it for arrays with named dimensions: pip install "
                "'stratacam[notebook]', or pip install xarray."
            ) from fault
        raw = self.raw(layer)
        places = {
            name: (np.arange(cells) + 0.5) * edge / cells
            for name, cells, edge in zip(("row", "column"), raw.shape[1:], self.geometry.size_mm, strict=True)
        }
        about = {"scan": self.name, "method": self.method, "explained": self.explained, "layer": layer}
        return xarray.DataArray(
            raw,
            dims=("slice", "row", "column"),
            coords={"slice": self.slices, **places},
            name=layer,
            attrs=about,
        )

    @property
    def predicted(self) -> str:
        """The class that the network gives the scan as a whole."""
        return highest(self.scan_probabilities)

    @property
    def blank(self) -> dict[str, list[str]]:
        """By layer, for each slice "" or why its map shows nothing."""
        return {layer: list(causes[self._column]) for layer, causes in self.blank_of.items()}

    def _read(self, layer: str, statistic: str, slices: slice) -> NDArray[np.float32]:
        self._check(layer)
        first = (STATISTICS.index(statistic),) if self.members else ()
        return self._whole(LAYERS, layer, (*first, self._column, slices))

    def _whole(self, part: str, layer: str, chosen: tuple[int | slice, ...]) -> NDArray[np.float32]:
        """Part of an array.

        Raises:
            InputError: it is damaged, or some of it has gone, see `write_array`.
        """
        name = f"{part}/{layer}"
        with damage_named(self.place, name):
            found = read_array(self.place, name, self.arrays[name], chosen)
        if np.isneginf(found).all(axis=(-2, -1)).any():
            raise InputError(f"{self.place}: maps of {layer} are missing; {MADE_AGAIN}")
        return found

    def _check(self, layer: str) -> None:
        if layer not in self.layers:
            raise InputError(
                f"{self.place}: holds no maps of {layer!r}; expected one of {', '.join(self.layers)}: choose one, or "
                "explain the scan again with that layer (explain.layers of a study, --layer)."
            )

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
        path: the store: a folder, or a URL that fsspec knows, such as "s3://bucket/sub-01_gradcam.zarr".
        explained: the class whose maps are wanted; if absent the predicted one where it was explained, or the
            first that was.

    Raises:
        InputError: if `path` holds no maps, damaged ones, or none of that class.
    """
    place = place_of(path)
    root = read_root(place)
    with damage_named(place, "logits"):
        logits = read_array(place, "logits", root.arrays["logits"])
    if np.isneginf(logits).all():
        raise InputError(f"{place}: logits are missing; {MADE_AGAIN}")
    with damage_named(place, ROOT):
        known = root.attributes
        available, predicted = tuple(known["explained"]), known["predicted"]
        layers, n = tuple(known["layers"]), len(logits)
        maps = ScanMaps(
            name=known["name"],
            method=known["method"],
            classes=tuple(known["classes"]),
            scan_probabilities={name: _number(value) for name, value in known["scan_probabilities"].items()},
            every_explained=available,
            explained=predicted if predicted in available else available[0],
            logits=logits,
            layers=layers,
            blank_of={layer: [_every_cause(one, n) for one in known["blank"][layer]] for layer in layers},
            geometry=Geometry.from_json(known["geometry"]),
            model=known["model"],
            in_training=known["in_training"],
            place=place,
            arrays=root.arrays,
            members=tuple(known.get("members", ())),
            scales={
                layer: [[_number(value) for value in one] for one in every]
                for layer, every in known.get("scales", {}).items()
            },
            reliability_of=known.get("reliability", {}),
        )
    return maps.of(explained) if explained else maps


def _every_cause(causes: Mapping[str, str], slices: int) -> list[str]:
    """For each slice "" or why its map shows nothing, of the causes by slice."""
    return [causes.get(str(place), "") for place in range(slices)]


def _number(value: float | None) -> float:
    """JSON has no NaN."""
    return math.nan if value is None else value


def highest(probabilities: Mapping[str, float]) -> str:
    """The class of the highest probability."""
    return max(probabilities, key=probabilities.__getitem__)
