"""Which layers are worth reading, by a rule that can be printed beside the answer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stratacam.evidence.redundancy import clusters, correlation_matrix
from stratacam.evidence.sanity import INSENSITIVE
from stratacam.evidence.values import SubjectTable, Summary, summarise

MOST_BLANK = 0.1
LEAST_INSIDE = 0.8
LEAST_REPEATED = 0.5
REPEATED = ("shift", "noise", "seed")

RULE = (
    f"A layer is worth reading if at most {MOST_BLANK:.0%} of its maps are blank; at least {LEAST_INSIDE:.0%} of its "
    "heat lies in the brain; its maps change when what stands above it is randomised (lower bound of the rank "
    f"correlation below {INSENSITIVE}); they are more faithful to the network than random maps of the same blur and "
    "area (lower bound of ROAD above control over 0); they repeat under small shifts, noise and other seeds (mean rank "
    f"correlation at least {LEAST_REPEATED} for each); and, where the truth is known, they find it better than an edge "
    "filter (lower bound of the difference in average precision over 0). What was not measured is not asked. Of layers "
    "that say the same, the most faithful one is read."
)


@dataclass(frozen=True)
class LayerJudgement:
    """What speaks against the maps of one layer, and whether it is to be read.

    Attributes:
        layer: its name.
        faults: why it is not worth reading, in words; empty where it is.
        alike: the layers that say the same, itself among them.
        read: whether it is the one to read of these.
    """

    layer: str
    faults: tuple[str, ...]
    alike: tuple[str, ...]
    read: bool


@dataclass(frozen=True)
class Recommendation:
    """The layers worth reading of one method's maps."""

    method: str
    layers: tuple[LayerJudgement, ...]

    @property
    def read(self) -> tuple[str, ...]:
        """Names of the layers to read, shallow to deep; there may be none."""
        return tuple(judged.layer for judged in self.layers if judged.read)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {
            "method": self.method,
            "rule": RULE,
            "read": self.read,
            "layers": [asdict(one) for one in self.layers],
        }


def recommend(table: SubjectTable, method: str, layers: Sequence[str], *, seed: int = 0) -> Recommendation:
    """Judge every layer of one method by `RULE`.

    Args:
        table: of all subjects.
        method: of the maps.
        layers: shallow to deep.
        seed: of the bootstrap.
    """
    found = {summary.key: summary for summary in summarise(_with_edges(table, method, layers), seed=seed)}

    def of(layer: str, measure: str, against: str = "") -> Summary | None:
        return found.get((method, layer, measure, against))

    faults = {layer: _faults(layer, of) for layer in layers}
    alike = clusters(correlation_matrix(list(found.values()), layers, method), layers)
    to_read = set()
    for cluster in alike:
        sound = [layer for layer in cluster if not faults[layer]]
        if sound:
            to_read.add(
                max(
                    sound,
                    key=lambda layer: _order(
                        of(layer, "road", "above control"), of(layer, "average_precision")
                    ),
                )
            )
    cluster_of = {layer: cluster for cluster in alike for layer in cluster}
    return Recommendation(
        method,
        tuple(LayerJudgement(layer, faults[layer], cluster_of[layer], layer in to_read) for layer in layers),
    )


def _faults(layer: str, of: Callable[..., Summary | None]) -> tuple[str, ...]:
    """What speaks against a layer, of what was measured."""
    blank, inside = of(layer, "blank"), of(layer, "inside_brain")
    above, road = of(layer, "above_rank"), of(layer, "road", "above control")
    gain = of(layer, "average_precision", "above edges")
    faults = []
    if blank and blank.value > MOST_BLANK:
        faults.append(f"{blank.value:.0%} of its maps are blank")
    if inside and inside.value < LEAST_INSIDE:
        faults.append(f"{1 - inside.value:.0%} of its heat lies outside the brain")
    if above and _low(above) >= INSENSITIVE:
        faults.append(f"unchanged ({above.value:.2f}) when what stands above it is randomised")
    if road and _low(road) <= 0:
        faults.append(f"not more faithful than a random map (ROAD {road.value:+.3f}, from {_low(road):+.3f})")
    repeated = {change: of(layer, "repeat_rank", change) for change in REPEATED}
    faults += [
        f"does not repeat under {change} ({found.value:.2f})"
        for change, found in repeated.items()
        if found and found.value < LEAST_REPEATED
    ]
    if gain and _low(gain) <= 0:
        faults.append(
            f"finds the truth no better than an edge filter ({gain.value:+.3f}, from {_low(gain):+.3f})"
        )
    return tuple(faults)


def _low(summary: Summary) -> float:
    """The lower bound; of one subject, who has no interval, the value."""
    return summary.value if math.isnan(summary.low) else summary.low


def _order(road: Summary | None, precision: Summary | None) -> tuple[float, float]:
    return (road.value if road else 0.0, precision.value if precision else 0.0)


def _with_edges(table: SubjectTable, method: str, layers: Sequence[str]) -> SubjectTable:
    """The table with, for every layer, how much better than an edge filter it finds the truth."""
    edges = table.column(("edges", "", "average_precision", ""))
    keys = tuple((method, layer, "average_precision", "above edges") for layer in layers)
    gains = [table.column((method, layer, "average_precision", "")) - edges for layer in layers]
    measured = [column for column, gain in enumerate(gains) if not np.isnan(gain).all()]
    return SubjectTable(
        (*table.keys, *(keys[column] for column in measured)),
        table.subjects,
        np.column_stack([table.values, *(gains[column] for column in measured)]),
    )
