"""Heat of one scan by region and in MNI152 space, for one class that is the same in everybody and for its own class."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from stratacam.evidence.regions.atlas import Atlas
from stratacam.evidence.regions.region_values import RegionValue, region_values
from stratacam.evidence.regions.template_space import template_grid, to_template
from stratacam.evidence.rows import write_rows
from stratacam.evidence.scan import ScanSlices
from stratacam.files import whole_file
from stratacam.maps.heat import Heat, by_scale
from stratacam.maps.slice_maps import SliceMaps, explain_slices_by
from stratacam.scans.prepared import PreparedScan

OWN_CLASS = "own class"
"""What maps explain that are of the class that the network gives each scan; else the name of one class."""

SEEN = 0.5
"""Share of a voxel of the template that slices must reach for its heat to count."""

MapsOf = Mapping[str, Mapping[str, SliceMaps]]
"""By what they explain, and by method."""


def maps_for_groups(
    model: nn.Module,
    slices: ScanSlices,
    own: Mapping[str, SliceMaps],
    *,
    group_class: tuple[str, int],
    one_class: bool,
) -> MapsOf:
    """Maps of the class that is the same in everybody, and then those of the scan's own class.

    Args:
        model: in evaluation mode.
        slices: of the scan.
        own: by method, the maps that are measured.
        group_class: name and position of the class that is the same in everybody.
        one_class: whether the maps that are measured explain one class in everybody: then there is no own class.
    """
    name, position = group_class
    same = own
    if any(maps.target != position for maps in own.values()):
        by_layers: dict[tuple[str, ...], list[str]] = {}
        for method, maps in own.items():
            by_layers.setdefault(maps.layers, []).append(method)
        found = {
            method: maps
            for layers, methods in by_layers.items()
            for method, maps in explain_slices_by(
                model, slices.images, slices.brain, position, methods, layers=layers
            ).items()
        }
        same = {method: found[method] for method in own}
    return {name: same} if one_class else {name: same, OWN_CLASS: own}


def write_regions(path: Path, maps: MapsOf, slices: ScanSlices, atlas: Atlas) -> None:
    """Write heat of every region, a `RegionValue` a row, in units of `by_scale`; none where no region is known."""
    labels = slices.regions
    if labels is None:
        write_rows(path, [], RegionValue)
        return
    rows = [
        value
        for explained, by_method in maps.items()
        for method, found in by_method.items()
        for layer in found.layers
        for value in region_values(
            explained,
            method,
            layer,
            _heat(found, layer, slices),
            regions=labels,
            brain=slices.brain,
            atlas=atlas,
        )
    ]
    write_rows(path, rows, RegionValue)


def write_template(path: Path, maps: MapsOf, slices: ScanSlices, scan: PreparedScan, voxel_mm: float) -> None:
    """Write heat in MNI152 space, (X, Y, Z) float16 by `template_key`; NaN where slices reach less than `SEEN`."""
    grid = template_grid(voxel_mm)
    laid: dict[str, np.ndarray] = {}
    reached = None
    for explained, by_method in maps.items():
        for method, found in by_method.items():
            for layer in found.layers:
                if reached is None:
                    whole = np.ones((len(slices), *slices.shape), np.float32)
                    reached = to_template(slices.geometry.to_volume(whole), scan, grid)
                heat = to_template(slices.geometry.to_volume(_heat(found, layer, slices)), scan, grid)
                volume = np.divide(heat, reached, out=np.full_like(heat, np.nan), where=reached >= SEEN)
                laid[template_key(explained, method, layer)] = volume.astype(np.float16)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **laid)  # type: ignore[arg-type]  # the stub takes the names for options


def template_key(explained: str, method: str, layer: str) -> str:
    """The name of a volume in the file of a scan's heat in MNI152 space."""
    return f"{explained}/{method}/{layer}"


def _heat(maps: SliceMaps, layer: str, slices: ScanSlices) -> Heat:
    return by_scale(maps.heat(layer, slices.shape), slices.brain)
