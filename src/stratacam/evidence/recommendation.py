"""Which layers are recommended, by a rule that is printed with the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stratacam.evidence import registry
from stratacam.evidence.faithfulness.curves import ABOVE, ROAD
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.measures import Criterion, Measure
from stratacam.evidence.redundancy import clusters, correlation_matrix
from stratacam.evidence.values import SubjectTable, Summary, summarise

Summaries = Mapping[tuple[str, str, str, str], Summary]


def criteria() -> list[tuple[Measure, Criterion]]:
    """The criteria of a layer, in the order of the registry."""
    return [(measure, measure.criterion) for measure in registry.measures() if measure.criterion]


def rule() -> str:
    """The rule as a sentence."""
    clauses = "; ".join(criterion.rule for _, criterion in criteria())
    return (
        f"A layer is recommended if {clauses}. Unmeasured criteria are skipped. Of layers that say the same, the most "
        "faithful one is recommended."
    )


@dataclass(frozen=True)
class LayerVerdict:
    """The faults of one layer's maps, and whether it is recommended.

    Attributes:
        layer: its name.
        faults: the criteria that it fails, in words.
        alike: the layers that say the same, itself among them.
        recommended: whether it is the one of these to read.
    """

    layer: str
    faults: tuple[str, ...]
    alike: tuple[str, ...]
    recommended: bool


@dataclass(frozen=True)
class Recommendation:
    """The recommended layers of one method's maps."""

    method: str
    layers: tuple[LayerVerdict, ...]

    @property
    def recommended(self) -> tuple[str, ...]:
        """Names of the recommended layers, shallow to deep; there may be none."""
        return tuple(verdict.layer for verdict in self.layers if verdict.recommended)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        layers = [asdict(one) for one in self.layers]
        return {"method": self.method, "rule": rule(), "recommended": self.recommended, "layers": layers}


def recommend(table: SubjectTable, method: str, layers: Sequence[str], *, seed: int = 0) -> Recommendation:
    """Apply the rule to every layer of one method.

    Args:
        table: of all subjects.
        method: of the maps.
        layers: shallow to deep.
        seed: of the bootstrap.
    """
    summaries = {one.key: one for one in summarise(_with_differences(table, method, layers), seed=seed)}

    def faithfulness(layer: str) -> tuple[float, float]:
        keys = (method, layer, ROAD.name, ABOVE), (method, layer, AVERAGE_PRECISION.name, "")
        road, precision = (summaries[key].value if key in summaries else 0.0 for key in keys)
        return road, precision

    faults = {layer: _faults(summaries, method, layer) for layer in layers}
    verdicts: dict[str, LayerVerdict] = {}
    for cluster in clusters(correlation_matrix(list(summaries.values()), layers, method), layers):
        sound = [layer for layer in cluster if not faults[layer]]
        best = max(sound, key=faithfulness) if sound else None
        verdicts |= {layer: LayerVerdict(layer, faults[layer], cluster, layer == best) for layer in cluster}
    return Recommendation(method, tuple(verdicts[layer] for layer in layers))


def _faults(summaries: Summaries, method: str, layer: str) -> tuple[str, ...]:
    """The criteria that a layer fails, of those that were measured."""
    faults = []
    for measure, criterion in criteria():
        for against in (f"above {criterion.above}",) if criterion.above else criterion.against:
            summary = summaries.get((method, layer, measure.name, against))
            if summary and (fault := criterion.fault_of(summary)):
                faults.append(fault)
    return tuple(faults)


def _with_differences(table: SubjectTable, method: str, layers: Sequence[str]) -> SubjectTable:
    """The table with, for every layer, how far it is above a reference where a criterion asks for it."""
    keys, columns = list(table.keys), [table.values]
    for measure, criterion in criteria():
        reference = table.column((criterion.above, "", measure.name, ""))
        for layer in layers if criterion.above else ():
            difference = table.column((method, layer, measure.name, "")) - reference
            if not np.isnan(difference).all():
                keys.append((method, layer, measure.name, f"above {criterion.above}"))
                columns.append(difference[:, None])
    return SubjectTable(tuple(keys), table.subjects, np.hstack(columns))
