"""What a measure is: its name and words, how it is computed, where it is shown, and its criterion in the rule."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.heat import Heat, SliceMaps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import Summary, Value, mean_of

Compare = Literal["at most", "at least", "below", "above"]

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


@dataclass(frozen=True)
class Criterion:
    """A criterion of the recommendation.

    Attributes:
        must: how the number compares with the threshold where the criterion is met.
        threshold: that number.
        rule: the criterion in words, after "A layer is recommended if".
        fault: what is said of a layer that fails; may name {value}, {low}, {rest} (1 - value) and {against}.
        against: what the rows are against; each must meet the criterion.
        lower_bound: compare the lower bound of the interval, not the mean.
        above: a reference whose value is subtracted, subject by subject.
    """

    must: Compare
    threshold: float
    rule: str
    fault: str
    against: tuple[str, ...] = ("",)
    lower_bound: bool = False
    above: str = ""

    def fault_of(self, summary: Summary) -> str:
        """The fault of a layer as a sentence; "" where the criterion is met.

        One subject has no interval: the value itself is compared.
        """
        low = summary.value if math.isnan(summary.low) else summary.low
        if COMPARE[self.must](low if self.lower_bound else summary.value, self.threshold):
            return ""
        return self.fault.format(
            value=summary.value, low=low, rest=1 - summary.value, against=summary.against
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
        panel: its chart in the report, if any.
        column: its column in the report's table of layers, if any.
        criterion: of the recommendation, if any.
    """

    name: str
    title: str
    definition: str
    better: Literal["higher", "lower", ""] = ""
    unit: str = ""
    held_against: str = ""
    panel: Panel | None = None
    column: Column | None = None
    criterion: Criterion | None = None

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


@dataclass(frozen=True)
class Kind:
    """Measures that are computed together.

    Attributes:
        name: of the seconds that they take.
        question: what they answer; said in the report where they were not measured.
        needs: what they need beside maps.
        measures: in the order of the tables.
        of_scan: their rows for one scan and method.
        of_subjects: instead, a value for each subject, by measure, from mean heat (subjects, regions) of one layer and
            the subjects' groups; NaN where there is none.
    """

    name: str
    question: str
    needs: Need
    measures: tuple[Measure, ...]
    of_scan: Callable[[ExplainedScan], list[Value]] | None = None
    of_subjects: (
        Callable[[NDArray[np.float64], Sequence[str]], Mapping[Measure, NDArray[np.float64]]] | None
    ) = None
