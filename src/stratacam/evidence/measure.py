"""All measures of one scan, every layer and method, and those that compare subjects."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.cam.layers import split_call
from stratacam.evidence import registry
from stratacam.evidence.measures import ExplainedScan
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger
from stratacam.evidence.values import SubjectTable, Value
from stratacam.maps.fused import fusions_of, wanted
from stratacam.maps.heat import Heat
from stratacam.maps.slice_maps import SliceMaps, explain_slices_by
from stratacam.networks import branches_of


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
    references: Mapping[str, Heat] | None = None,
    others: Mapping[str, list[nn.Module]] | None = None,
    strangers: Sequence[Stranger] = (),
    seed: int = 0,
) -> Measured:
    """Take every registered measure of the maps of one scan for one class.

    Args:
        model: trained, in evaluation mode, on its device.
        scan: all slices to measure.
        settings: what is measured, and on how much.
        target: position of the class explained.
        true_class: position of the scan's true class; localisation is measured where the model finds it, and maps are
            of it.
        references: what maps are held against where the truth is known, see `reference_maps`.
        others: models to compare the maps with, by how they differ: "seed", "fold" or "network".
        strangers: pictures of other subjects at the levels of the slices that the network is run on again, see
            `read_at_levels_of`.
        seed: of everything random.

    Raises:
        ValueError: a kind gives rows of a measure that is not registered.
    """
    measured = Measured()
    sampled = scan.some(settings.slices)
    layers = measured_layers(model, settings)
    with measured.timed("maps"):
        measured.maps, *maps_of_strangers = (
            explain_slices_by(model, *pictures, target, settings.methods, layers=layers)
            for pictures in ((scan.images, scan.brain), *strangers)
        )
    explained = [
        ExplainedScan(
            model=model,
            scan=scan,
            maps=maps,
            sampled=sampled,
            sampled_maps=maps.some([scan.geometry.slices.index(one) for one in sampled.geometry.slices]),
            settings=settings,
            true_class=true_class,
            references=references,
            others=others or {},
            strangers=tuple(one[method] for one in maps_of_strangers),
            seed=seed,
        )
        for method, maps in measured.maps.items()
    ]
    for kind in registry.KINDS:
        with measured.timed(kind.name):
            values = kind.rows(explained)
        if unknown := {value.measure for value in values} - {one.name for one in kind.measures}:
            raise ValueError(
                f"{kind.name}: gave rows of {', '.join(sorted(unknown))}; expected rows of its measures; name them in "
                "its Kind."
            )
        measured.values += values
    measured.values = list(dict.fromkeys(measured.values))  # references are the same for every method
    return measured


def measured_fusions(model: nn.Module, settings: EvidenceSettings) -> tuple[str, ...]:
    """Names of the fused maps that are measured.

    Raises:
        ValueError: a name or pattern matches no layer.
    """
    if settings.fused is None:
        return fusions_of(model, settings.layers)
    return wanted(model, settings.fused).fused


def plain_layers(model: nn.Module, settings: EvidenceSettings) -> tuple[str, ...]:
    """Names or patterns of the layers whose maps are measured, those of which fused maps are made too, shallow to deep.

    Layers of a network with branches are named, branch by branch.

    Raises:
        ValueError: a name or pattern matches no layer.
    """
    named = cam.match_layers(model, settings.layers)
    parts = wanted(model, measured_fusions(model, settings)).explained
    if "all" in settings.layers or ({*parts} <= {*named} and not branches_of(model)):
        return settings.layers
    order = [name for name, _ in model.named_modules()]
    return tuple(sorted({*named, *parts}, key=lambda layer: order.index(split_call(layer)[0])))


def measured_layers(model: nn.Module, settings: EvidenceSettings) -> tuple[str, ...]:
    """Names of the layers whose maps are measured, parts of fused maps too, shallow to deep; then of the fused maps.

    Raises:
        ValueError: a name or pattern matches no layer.
    """
    return (*plain_layers(model, settings), *measured_fusions(model, settings))


def with_measures_of_subjects(
    table: SubjectTable,
    region_means: Callable[[str, str], NDArray[np.float64]],
    groups: Sequence[str],
    methods: Sequence[str],
    layers: Sequence[str],
) -> SubjectTable:
    """The table with the registered measures that compare subjects, its columns in the order of the registry.

    Args:
        table: of all subjects.
        region_means: mean heat (subjects, regions) of a method and layer; NaN where slices did not reach a region.
        groups: of the subjects.
        methods: that made maps.
        layers: shallow to deep.
    """
    columns = dict(zip(table.keys, table.values.T, strict=True))
    for kind in registry.KINDS:
        for method, layer in ((method, layer) for method in methods for layer in layers):
            found = kind.of_subjects(region_means(method, layer), groups) if kind.of_subjects else {}
            for measure, values in found.items():
                if not np.isnan(values).all():
                    columns[method, layer, measure.name, ""] = values
    order = [measure.name for measure in registry.measures()]
    keys = sorted(columns, key=lambda key: order.index(key[2]))
    return SubjectTable(tuple(keys), table.subjects, np.column_stack([columns[key] for key in keys]))
