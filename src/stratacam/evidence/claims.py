"""The four claims of the abstract that this project began from, tested on one study.

D. Hong, Y. Zhang, "Multi-layer backpropagation of classification information with Grad-CAM" (ISMRM 2021, 3275) says:
maps of shallower layers localise more; maps of deeper layers generalise more; the block before the last shows too
little to read; the last convolution is the best compromise. None was measured. Here each has tests, with an effect
over subjects, a 95 % interval by bootstrap over subjects, and a verdict.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.faithfulness.curves import ABOVE, ROAD
from stratacam.evidence.focus import BLANK, GINI, LIT_SHARE
from stratacam.evidence.group_likeness import GROUP_LIKENESS
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.measures import Measure
from stratacam.evidence.values import SubjectTable, interval_of
from stratacam.learning.evaluation.intervals import resample
from stratacam.networks import by_block

Verdict = Literal[
    "supported",
    "partly supported",
    "contradicted",
    "partly contradicted",
    "mixed",
    "undecided",
    "not measured",
]

TITLES = (
    "Shallower layers localise more",
    "Deeper layers generalise more",
    "The block before the last shows too little to read",
    "The last convolution is the best compromise",
)

LOCALISES = {GINI: -1, AVERAGE_PRECISION: -1}
GENERALISES = {LIT_SHARE: 1, GROUP_LIKENESS: 1}
SHOWS_LITTLE = {BLANK: 1, LIT_SHARE: -1, AVERAGE_PRECISION: -1}
"""Measures that test a claim, and the sign that it expects: of the correlation with depth, of the difference."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Test:
    """One way to test a claim.

    Attributes:
        name: what was measured, in words.
        effect: mean over subjects; NaN where it could not be measured.
        low: of its 95 % interval; NaN for fewer than two subjects.
        high: of its 95 % interval.
        expected: 1 where the claim says that the effect is positive, -1 where negative.
        subjects: how many it is of.
    """

    name: str
    effect: float
    low: float
    high: float
    expected: int
    subjects: int

    @property
    def verdict(self) -> Verdict:
        """Supported or contradicted where the interval lies on one side of 0."""
        if not self.subjects:
            return "not measured"
        if min(self.low * self.expected, self.high * self.expected) > 0:
            return "supported"
        if max(self.low * self.expected, self.high * self.expected) < 0:
            return "contradicted"
        return "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim and its tests."""

    title: str
    tests: tuple[Test, ...]

    @property
    def verdict(self) -> Verdict:
        """That of the tests where they agree; partly where some are undecided; mixed where they disagree."""
        found = {test.verdict for test in self.tests} - {"not measured"}
        if not found:
            return "not measured"
        if len(found) == 1:
            return found.pop()
        if found == {"supported", "undecided"}:
            return "partly supported"
        return "partly contradicted" if found == {"contradicted", "undecided"} else "mixed"

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        tests = [{**asdict(test), "verdict": test.verdict} for test in self.tests]
        return {"title": self.title, "verdict": self.verdict, "tests": tests}


def assess_claims(
    table: SubjectTable, method: str, layers: Sequence[str], pools: Collection[str], *, seed: int = 0
) -> tuple[Claim, ...]:
    """Test the four claims for the maps of one method.

    Depth is the position of a layer on the way from the input to the output. What the abstract calls localisation
    and generalisation is measured by how concentrated heat is (Gini index), where the truth is known by the average
    precision with which heat finds it; by how much of the brain is lit, and by how alike the maps of people of
    one group are. The compromise is the mean rank of a layer, among all, in localisation, likeness within groups
    and, where it was measured, faithfulness beyond that of a random map.

    Args:
        table: of all subjects.
        method: of the maps.
        layers: shallow to deep.
        pools: those of them that are pools.
        seed: of the bootstrap.
    """
    drawn = resample(len(table.subjects), seed=seed)
    last = last_convolution(layers, pools)
    before = _before(layers, pools, last)

    def of(measure: Measure, against: str = "") -> Floats:
        """(subjects, layers)."""
        columns = [table.column((method, layer, measure.name, against)) for layer in layers]
        return np.stack(columns, axis=1)

    def with_depth(measure: Measure, expected: int) -> Test:
        name = f"rank correlation of depth with {measure.title}"
        return _mean_test(name, _depth_correlation(of(measure)), drawn, expected)

    def before_the_last(measure: Measure, expected: int, layer: str) -> Test:
        values = of(measure)
        difference = values[:, layers.index(layer)] - values[:, layers.index(last)]
        return _mean_test(f"{measure.title}, {layer} less {last}", difference, drawn, expected)

    localised = of(AVERAGE_PRECISION)
    if np.isnan(localised).all():
        localised = of(GINI)
    tests = (
        [with_depth(*one) for one in LOCALISES.items()],
        [with_depth(*one) for one in GENERALISES.items()],
        [before_the_last(*one, before) for one in SHOWS_LITTLE.items()] if before else [],
        [_compromise_test([localised, of(GROUP_LIKENESS), of(ROAD, ABOVE)], layers, last, drawn)],
    )
    return tuple(Claim(title, tuple(found)) for title, found in zip(TITLES, tests, strict=True))


def last_convolution(layers: Sequence[str], pools: Collection[str]) -> str:
    """The last layer that is no pool: of some networks, it holds more than a convolution."""
    return next((layer for layer in reversed(layers) if layer not in pools), layers[-1])


def _before(layers: Sequence[str], pools: Collection[str], last: str) -> str | None:
    """The last convolution of the block before that of `last`; None where no two layers are of one block."""
    blocks = list(by_block(layers).values())
    place = next(number for number, block in enumerate(blocks) if last in block)
    return last_convolution(blocks[place - 1], pools) if place and len(blocks) < len(layers) else None


def _depth_correlation(values: Floats) -> Floats:
    """Spearman's correlation of depth with values (subjects, layers); NaN where fewer than three layers have one."""
    found = []
    for row in values:
        known = ~np.isnan(row)
        varies = known.sum() > 2 and np.ptp(row[known]) > 0
        found.append(stats.spearmanr(np.flatnonzero(known), row[known]).statistic if varies else np.nan)
    return np.array(found, dtype=np.float64)


def _mean_test(name: str, effects: Floats, drawn: Floats, expected: int) -> Test:
    """A test of the mean of one effect for each subject."""
    known = ~np.isnan(effects)
    count = int(known.sum())
    if not count:
        return Test(name, np.nan, np.nan, np.nan, expected, 0)
    means = _divide(drawn @ np.where(known, effects, 0), drawn @ known)
    value = float(effects[known].mean())
    return Test(name, value, *interval_of(means, value, count), expected, count)


def _compromise_test(measures: Sequence[Floats], layers: Sequence[str], last: str, drawn: Floats) -> Test:
    """The score of the last convolution less that of the best other layer, which each resample chooses anew."""
    name = f"score of {last} less that of the best other layer"
    ranks = [_ranks(values) for values in measures if not np.isnan(values).all()]
    score = _mean_known(np.stack(ranks)) if ranks else np.full((1, len(layers)), np.nan)
    usable = ~np.isnan(score).any(axis=1)
    count = int(usable.sum())
    if not count or len(layers) < 2:
        return Test(name, np.nan, np.nan, np.nan, 1, 0)
    place = list(layers).index(last)

    def lead(means: Floats) -> Floats:
        """(resamples,) from mean scores (resamples, layers)."""
        return np.asarray(means[:, place] - np.delete(means, place, axis=1).max(axis=1))

    weights = drawn[:, usable]
    counted = weights.sum(axis=1, keepdims=True)
    means = (weights @ score[usable]) / np.where(counted > 0, counted, np.nan)
    observed = score[usable].mean(axis=0)
    best = layers[int(np.argmax(np.where(np.arange(len(layers)) == place, -np.inf, observed)))]
    value = float(lead(observed[None])[0])
    return Test(f"{name} ({best})", value, *interval_of(lead(means), value, count), 1, count)


def _ranks(values: Floats) -> Floats:
    """Ranks of the layers within each subject, 0 lowest to 1 highest; NaN where there is no value."""
    found = np.full(values.shape, np.nan)
    for row, out in zip(values, found, strict=True):
        known = ~np.isnan(row)
        if known.sum() > 1:
            out[known] = (stats.rankdata(row[known]) - 1) / (known.sum() - 1)
    return found


def _mean_known(values: Floats) -> Floats:
    """Mean over the first axis of the values that are numbers."""
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))


def _divide(totals: Floats, counts: Floats | NDArray[np.int_]) -> Floats:
    """Totals by counts; NaN where there is nothing."""
    return np.asarray(np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0))
