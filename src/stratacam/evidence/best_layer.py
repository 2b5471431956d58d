"""The claim that the last convolution is the best compromise: the set of layers that may be best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.claim_test import ClaimTest, Verdict, too_little
from stratacam.evidence.faithfulness.curves import ABOVE_OTHERS, ROAD
from stratacam.evidence.group_likeness import GROUP_CONTRAST
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.best import may_be_best
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.values import SubjectTable

Floats = NDArray[np.float64]

PARTS = ((ROAD, ABOVE_OTHERS), (AVERAGE_PRECISION, ABOVE_OTHERS), (GROUP_CONTRAST, ""))
"""What a layer is scored by. Each is 0 on average for maps that say nothing of the subject."""

ROUNDING = 1e-9
"""A part whose values are no larger is 0: what is left of one map for everybody less itself."""


def layer_scores(table: SubjectTable, method: str, layers: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    """What layers are scored by, in words, and the score of every layer in every subject, (subjects, layers).

    A part is divided by its root mean square over subjects and layers, not ranked: ranks of skewed differences have
    different means in fine and coarse layers where the differences themselves have none. A layer without a value, such
    as one whose maps are blank, scores 0 in a part that other layers of the subject have.

    Args:
        table: of all subjects.
        method: of the maps.
        layers: shallow to deep.
    """
    names, parts = [], []
    for measure, against in PARTS:
        values = np.stack([table.column((method, layer, measure.name, against)) for layer in layers], axis=1)
        spread = np.sqrt(np.nanmean(values**2)) if not np.isnan(values).all() else 0
        if spread > ROUNDING:
            measured = ~np.isnan(values).all(axis=1, keepdims=True)
            parts.append(np.where(measured, np.nan_to_num(values) / spread, np.nan))
            names.append(" ".join(filter(None, (measure.title, against))))
    if not parts:
        return (), np.full((len(table.subjects), len(layers)), np.nan)
    return tuple(names), mean_known(np.stack(parts))


def best_layer_test(
    table: SubjectTable, method: str, layers: Sequence[str], last: str, *, level: float, gate: str, seed: int
) -> tuple[ClaimTest, tuple[str, ...]]:
    """The test, and the layers that may be best; none where nothing was measured.

    Args:
        table: of all subjects.
        method: of the maps.
        layers: shallow to deep.
        last: the last convolution.
        level: error rate.
        gate: why nothing is said of this network; "" where it was shown to have learned.
        seed: of random signs.
    """
    names, scores = layer_scores(table, method, layers)
    usable = scores[~np.isnan(scores).all(axis=1)]
    name = f"score of {last} less the mean of the others' (by {', '.join(names) or 'nothing measured'})"
    if not len(usable) or len(layers) < 2:
        return ClaimTest(name, np.nan, np.nan, np.nan, 1, 0, {}, "cannot say", "not measured"), ()
    chosen = may_be_best(usable, level=level, seed=seed)
    best = tuple(layer for layer, may in zip(layers, chosen, strict=True) if may)
    place = layers.index(last)
    lead = usable[:, place] - np.delete(usable, place, axis=1).mean(axis=1)
    verdict, reason = _verdict(best, last)
    if little := too_little(len(usable), gate):
        verdict, reason = "cannot say", little
    return ClaimTest(
        name, float(lead.mean()), *mean_interval(lead), 1, len(usable), {}, verdict, reason
    ), best


def _verdict(best: tuple[str, ...], last: str) -> tuple[Verdict, str]:
    """The last convolution is the only one that may be best, or is not among those."""
    if last not in best:
        return "contradicted", ""
    return ("supported", "") if best == (last,) else ("cannot say", f"may be best: {', '.join(best)}")
