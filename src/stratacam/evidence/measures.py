"""What a measure is: its name and words, how it is computed, where it is shown, and its criterion in the rule."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import Value, mean_of
from stratacam.maps.heat import Heat
from stratacam.maps.slice_maps import SliceMaps

Compare = Literal["at most", "at least", "below", "above"]

SHARE, SIGNED = (0.0, 1.0), (-1.0, 1.0)
"""Limits of shares, and of correlations and differences of shares."""

NO_BOUNDS = "no bounds, as most subjects have the same value"

COMPARE: dict[Compare, Callable[[float, float], bool]] = {
    "at most": operator.le,
    "at least": operator.ge,
    "below": operator.lt,
    "above": operator.gt,
}


class Need(StrEnum):
    """What a measure needs; all need the maps of a scan."""

    MAPS = "maps"
    TRUTH = "masks of the truth"
    NETWORK = "runs of the network"
    MODELS = "runs of the network, other models"
    REGIONS = "regions, several subjects"


@dataclass(frozen=True)
class Panel:
    """A chart of a measure.

    Attributes:
        against: what the rows are against. One gives a line for each method; several a line each, of the first method.
        limits: of the vertical axis; None: those of the data.
        level: where a dotted line is drawn.
        note: a sentence for the caption.
    """

    against: tuple[str, ...] = ("",)
    limits: tuple[float, float] | None = None
    level: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the report's table of layers."""

    against: str = ""
    interval: bool = False


class Finding(NamedTuple):
    """What one criterion says of one layer's maps.

    Attributes:
        outcome: "met"; "failed": the whole interval is on the wrong side of the threshold; "not shown": the interval
            includes it; "not measured": there are too few subjects, or none.
        words: for all but "met", what was found, after "the layer" or in brackets after "cannot say".
    """

    outcome: Literal["met", "failed", "not shown", "not measured"]
    words: str = ""


@dataclass(frozen=True)
class Criterion:
    """A criterion of the recommendation.

    Attributes:
        must: how the number compares with the threshold where the criterion is met.
        threshold: that number.
        number: which number: the mean over subjects, or a bound that holds for all layers and methods together. The
            bound has to be on the right side, so that the burden of proof lies with the layer.
        rule: the criterion in words, after "A layer is recommended if all of these hold:"; `asked` follows.
        fault: said of a layer that fails; may name {against}.
        unmeasured: what is missing where there are no values, before "not measured"; may name {against}.
        unshown: said of a layer whose interval includes the threshold; may name {against}.
        against: what the rows are against; each must meet the criterion.
        alternatives: further ones, of which at least one must be measured; each that was measured must meet it.
        above: a reference whose value is subtracted, subject by subject.
        where_truth: required only where the study states a truth.
        decimals: of the number in words.
        quantity: whose mean or bound it is, in words.
    """

    must: Compare
    threshold: float
    number: Literal["mean", "lower bound", "upper bound"]
    rule: str
    fault: str
    unmeasured: str
    unshown: str
    against: tuple[str, ...] = ("",)
    alternatives: tuple[str, ...] = ()
    above: str = ""
    where_truth: bool = False
    decimals: int = 2
    quantity: str = ""

    @property
    def asked(self) -> str:
        """The number and its threshold, in words."""
        of = f" of the {self.quantity}" if self.quantity else ""
        return f"{self.number}{of} {self.must} {self.threshold:g}"

    def holds(self, number: float) -> bool:
        """Whether a number is on the right side of the threshold."""
        return COMPARE[self.must](number, self.threshold)

    def finding(self, mean: float, low: float, high: float, subjects: int, against: str = "") -> Finding:
        """What the criterion says of one layer, from its mean over subjects and bounds of that."""
        if not subjects:
            return Finding("not measured", f"{self.unmeasured.format(against=against)} not measured")
        if subjects < MINIMUM_SUBJECTS:
            found = f"{self.unmeasured.format(against=against)}: {subjects} subjects, {MINIMUM_SUBJECTS} are needed"
            return Finding("not measured", found)
        asked = {"mean": mean, "lower bound": low, "upper bound": high}[self.number]
        if self.holds(asked):
            return Finding("met")
        not_refuted = self.holds(low) or self.holds(high)
        words = (self.unshown if not_refuted else self.fault).format(against=against)
        decimals = f".{self.decimals}f"
        bounds = f"{low:{decimals}} to {high:{decimals}}" if math.isfinite(low) else NO_BOUNDS
        needed = f"; {self.must} {self.threshold:g} is required" if self.number == "mean" else ""
        return Finding(
            "not shown" if not_refuted else "failed", f"{words} ({mean:{decimals}}; {bounds}{needed})"
        )


@dataclass(frozen=True)
class Measure:
    """One measure of a layer's maps.

    Attributes:
        name: in tables.
        title: a few words.
        definition: what it is, for the documentation and the report.
        better: which values speak for a map; "" where neither does.
        unit: "" for shares, indices and correlations.
        held_against: what it is compared with.
        limits: the lowest and highest value that it can have, with which intervals end; None where there are none.
        panel: its chart in the report, if any.
        column: its column in the report's table of layers, if any.
        criteria: of the recommendation, if any.
    """

    name: str
    title: str
    definition: str
    better: Literal["higher", "lower", ""] = ""
    unit: str = ""
    held_against: str = ""
    limits: tuple[float, float] | None = None
    panel: Panel | None = None
    column: Column | None = None
    criteria: tuple[Criterion, ...] = ()

    def rows(self, method: str, layer: str, numbers: Iterable[float], against: str = "") -> list[Value]:
        """The mean of numbers by slice, as one row; no row where none is a number."""
        return mean_of(method, layer, self.name, numbers, against)

    def heading(self, against: str = "") -> str:
        """The title with what the rows are against, capitalised."""
        words = " ".join(filter(None, (self.title, against)))
        return words[0].upper() + words[1:]


@dataclass(frozen=True, eq=False)
class ExplainedScan:
    """One method's maps of one scan, and all that a measure may use.

    Attributes:
        model: whose maps they are, in evaluation mode.
        scan: all slices that are measured.
        maps: of these.
        sampled: the slices on which the network is run again.
        sampled_maps: of these.
        settings: of the evidence.
        true_class: position of the scan's class; None where it is not known.
        references: maps that need no network, see `stratacam.evidence.references`; None without truth.
        others: models whose maps are compared, by how they differ: "seed", "fold" or "network".
        strangers: maps of other subjects by the same model, of the same class, layers and relative levels as
            `sampled_maps`; see `stratacam.evidence.strangers`.
        seed: of everything random.
    """

    model: nn.Module
    scan: ScanSlices
    maps: SliceMaps
    sampled: ScanSlices
    sampled_maps: SliceMaps
    settings: EvidenceSettings
    true_class: int | None
    references: Mapping[str, Heat] | None
    others: Mapping[str, Sequence[nn.Module]]
    strangers: tuple[SliceMaps, ...]
    seed: int


def of_same_layers(explained: Sequence[ExplainedScan]) -> list[list[ExplainedScan]]:
    """One scan by several methods: those together whose maps are of the same layers, as one may lack some."""
    found: dict[tuple[str, ...], list[ExplainedScan]] = {}
    for one in explained:
        found.setdefault(one.maps.layers, []).append(one)
    return list(found.values())


@dataclass(frozen=True)
class Kind:
    """Measures that are computed together.

    Those that are not of maps have none of the last three; they have a table of their own.

    Attributes:
        name: of the seconds that they take.
        question: what they answer; said in the report where they were not measured.
        needs: what they need beside maps.
        measures: in the order of the tables.
        of_scan: their rows for one scan and method.
        of_methods: instead, their rows for one scan by several methods with maps of the same layers: where the network
            is run again, it is run for all of them at once.
        of_subjects: instead, a value for each subject, by measure, from mean heat (subjects, regions) of one layer and
            the subjects' groups; NaN where there is none.
    """

    name: str
    question: str
    needs: Need
    measures: tuple[Measure, ...]
    of_scan: Callable[[ExplainedScan], list[Value]] | None = None
    of_methods: Callable[[Sequence[ExplainedScan]], list[Value]] | None = None
    of_subjects: (
        Callable[[NDArray[np.float64], Sequence[str]], Mapping[Measure, NDArray[np.float64]]] | None
    ) = None

    def rows(self, explained: Sequence[ExplainedScan]) -> list[Value]:
        """Their rows for one scan, and each method that made maps of it; none where they compare subjects."""
        if self.of_methods:
            return [row for some in of_same_layers(explained) for row in self.of_methods(some)]
        return [row for one in explained for row in self.of_scan(one)] if self.of_scan else []
