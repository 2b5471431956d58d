"""All measures of one scan: every layer and method, with the seconds that each kind of measure took."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.evidence.faithfulness import faithfulness
from stratacam.evidence.focus import focus
from stratacam.evidence.heat import SliceMaps, explain_slices
from stratacam.evidence.localisation import localisation
from stratacam.evidence.redundancy import redundancy
from stratacam.evidence.references import reference_values
from stratacam.evidence.repeatability import compare, neighbours, perturbed
from stratacam.evidence.sanity import sanity
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import Value


@dataclass
class Measured:
    """What was measured of one scan.

    Attributes:
        values: the rows.
        maps: by method, of all slices that were measured.
        seconds: by kind of measure.
    """

    values: list[Value] = field(default_factory=list)
    maps: dict[str, SliceMaps] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Add to the seconds of a kind of measure."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - start


def measure_scan(
    model: nn.Module,
    scan: ScanSlices,
    settings: EvidenceSettings,
    *,
    target: int,
    true_class: int | None = None,
    references: Mapping[str, NDArray[np.float32]] | None = None,
    others: Mapping[str, list[nn.Module]] | None = None,
    seed: int = 0,
) -> Measured:
    """Measure the maps of one scan for one class.

    Args:
        model: trained, in evaluation mode, on its device.
        scan: all slices to measure.
        settings: what is measured, and on how much.
        target: position of the class explained.
        true_class: position of the scan's own class; localisation is measured where the model finds it, and maps are
            of it.
        references: what maps are held against where the truth is known, see `reference_maps`.
        others: models to compare the maps with, by how they differ: "seed", "fold" or "network".
        seed: of everything random.
    """
    measured = Measured()
    few = scan.some(settings.slices)
    fewest = few.some(settings.sanity_slices) if settings.sanity_slices else None

    def explained(network: nn.Module, slices: ScanSlices, method: str) -> SliceMaps:
        return explain_slices(network, slices.images, target, method, layers=settings.layers)

    for method in settings.methods:
        with measured.timed("maps"):
            maps = measured.maps[method] = explained(model, scan, method)
            maps_of_few = explained(model, few, method)
        with measured.timed("focus"):
            measured.values += focus(maps, scan)
        with measured.timed("localisation"):
            measured.values += localisation(maps, scan, right_class=true_class)
            if references is not None:
                measured.values += reference_values(scan, maps, references, right_class=true_class)
        with measured.timed("redundancy"):
            measured.values += redundancy(maps, scan)
        with measured.timed("repeatability"):
            measured.values += neighbours(maps, scan)
            measured.values += perturbed(model, few, maps_of_few, seed=seed)
            for change, networks in (others or {}).items():
                measured.values += _compared(
                    [_explained_again(network, few, maps_of_few) for network in networks],
                    maps_of_few,
                    few,
                    change,
                )
        if settings.fractions:
            with measured.timed("faithfulness"):
                measured.values += faithfulness(
                    model,
                    few,
                    maps_of_few,
                    fractions=settings.fractions,
                    batch_size=settings.batch_size,
                    seed=seed,
                )
        if fewest is not None:
            with measured.timed("sanity"):
                measured.values += sanity(
                    model,
                    fewest,
                    explained(model, fewest, method),
                    cascade=settings.cascade,
                    independent=settings.independent,
                    seed=seed,
                )
    measured.values = list(dict.fromkeys(measured.values))  # references are the same for every method
    return measured


def _explained_again(network: nn.Module, scan: ScanSlices, maps: SliceMaps) -> SliceMaps:
    """Maps of another network for the same class, of the layers that it has too."""
    its = set(cam.match_layers(network))
    shared = tuple(layer for layer in maps.layers if layer in its)
    if not shared:
        return replace(maps, raw={}, blank={})
    return explain_slices(network, scan.images, maps.target, maps.method, layers=shared)


def _compared(others: list[SliceMaps], maps: SliceMaps, scan: ScanSlices, change: str) -> list[Value]:
    """How alike maps are to those of several other models: the mean over these."""
    rows: dict[tuple[str, str, str, str], list[Value]] = {}
    for other in others:
        for value in compare(maps, other, scan, change):
            rows.setdefault(value.key, []).append(value)
    return [
        Value(*key, float(np.mean([one.value for one in found])), sum(one.slices for one in found))
        for key, found in rows.items()
    ]
