"""The four claims of the abstract that this project began from, tested on one study.

D. Hong, Y. Zhang, "Multi-layer backpropagation of classification information with Grad-CAM" (ISMRM 2021, 3275) says:
maps of shallower layers localise more; maps of deeper layers generalise more; the block before the last shows too
little to read; the last convolution is the best compromise. None was measured. Here each has tests, with an effect
over subjects, a 95 % interval by bootstrap over subjects, and a verdict.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

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


def judge_claims(
    table: SubjectTable, method: str, layers: Sequence[str], *, seed: int = 0
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
        seed: of the bootstrap.
    """
    drawn = resample(len(table.subjects), seed=seed)

    def of(measure: str, against: str = "") -> NDArray[np.float64]:
        """(subjects, layers)."""
        return np.stack([table.column((method, layer, measure, against)) for layer in layers], axis=1)

    def with_depth(name: str, values: NDArray[np.float64], expected: int) -> Test:
        return _mean_test(
            f"rank correlation of depth with {name}", _depth_correlation(values), drawn, expected
        )

    localisation = [("the Gini index of heat", of("gini")), ("average precision", of("average_precision"))]
    generalisation = [
        ("the share of the brain that is lit", of("lit_share")),
        ("likeness within groups", of("group_likeness")),
    ]
    return (
        Claim(TITLES[0], tuple(with_depth(name, values, -1) for name, values in localisation)),
        Claim(TITLES[1], tuple(with_depth(name, values, 1) for name, values in generalisation)),
        Claim(TITLES[2], _block_tests(table, method, layers, drawn)),
        Claim(
            TITLES[3],
            _compromise_tests(
                [
                    _first_measured([values for _, values in localisation[::-1]]),
                    of("group_likeness"),
                    of("road", "above control"),
                ],
                layers,
                drawn,
            ),
        ),
    )


def last_convolution(layers: Sequence[str]) -> str:
    """The last layer that is no pool."""
    return next((layer for layer in reversed(layers) if "pool" not in layer), layers[-1])


def _depth_correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's correlation of depth with values (subjects, layers); NaN where fewer than three layers have one."""
    found = []
    for row in values:
        known = ~np.isnan(row)
        varies = known.sum() > 2 and np.ptp(row[known]) > 0
        found.append(stats.spearmanr(np.flatnonzero(known), row[known]).statistic if varies else np.nan)
    return np.array(found, dtype=np.float64)


def _mean_test(name: str, effects: NDArray[np.float64], drawn: NDArray[np.float64], expected: int) -> Test:
    """A test of the mean of one effect for each subject."""
    known = ~np.isnan(effects)
    if not known.any():
        return Test(name, np.nan, np.nan, np.nan, expected, 0)
    counts = drawn @ known
    means = np.divide(
        drawn @ np.where(known, effects, 0), counts, out=np.full(len(drawn), np.nan), where=counts > 0
    )
    value = float(effects[known].mean())
    return Test(name, value, *interval_of(means, value, int(known.sum())), expected, int(known.sum()))


def _block_tests(
    table: SubjectTable, method: str, layers: Sequence[str], drawn: NDArray[np.float64]
) -> tuple[Test, ...]:
    """The last convolution of the block before the last against the last convolution of all."""
    last = last_convolution(layers)
    before = _before(layers, last)
    if before is None:
        return ()

    def difference(measure: str) -> NDArray[np.float64]:
        first, second = (table.column((method, layer, measure, "")) for layer in (before, last))
        return np.asarray(first - second)

    pair = f"{before} less {last}"
    return (
        _mean_test(f"share of blank maps, {pair}", difference("blank"), drawn, 1),
        _mean_test(f"share of the brain that is lit, {pair}", difference("lit_share"), drawn, -1),
        _mean_test(f"average precision, {pair}", difference("average_precision"), drawn, -1),
    )


def _before(layers: Sequence[str], last: str) -> str | None:
    """The last convolution of the block before that of `last`; None where no two layers are of one block."""
    blocks = list(by_block(layers).values())
    place = next(number for number, block in enumerate(blocks) if last in block)
    return last_convolution(blocks[place - 1]) if place and len(blocks) < len(layers) else None


def _first_measured(candidates: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return next((values for values in candidates if not np.isnan(values).all()), candidates[-1])


def _compromise_tests(
    measures: Sequence[NDArray[np.float64]], layers: Sequence[str], drawn: NDArray[np.float64]
) -> tuple[Test, ...]:
    """The score of the last convolution less that of the best other layer, which each resample chooses anew."""
    name = f"score of {last_convolution(layers)} less that of the best other layer"
    ranks = [_ranks(values) for values in measures if not np.isnan(values).all()]
    if not ranks or len(layers) < 2:
        return (Test(name, np.nan, np.nan, np.nan, 1, 0),)
    stacked = np.stack(ranks)
    known = ~np.isnan(stacked)
    counts = known.sum(0)
    score = np.divide(
        np.where(known, stacked, 0).sum(0), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )
    usable = ~np.isnan(score).any(axis=1)
    if not usable.any():
        return (Test(name, np.nan, np.nan, np.nan, 1, 0),)
    last = list(layers).index(last_convolution(layers))

    def lead(means: NDArray[np.float64]) -> NDArray[np.float64]:
        """(resamples,) from mean scores (resamples, layers)."""
        return np.asarray(means[:, last] - np.delete(means, last, axis=1).max(axis=1))

    weights = drawn[:, usable]
    counted = weights.sum(axis=1, keepdims=True)
    means = (weights @ score[usable]) / np.where(counted > 0, counted, np.nan)
    observed = score[usable].mean(axis=0)
    best = layers[int(np.argmax(np.where(np.arange(len(layers)) == last, -np.inf, observed)))]
    value = float(lead(observed[None])[0])
    return (
        Test(
            f"{name} ({best})",
            value,
            *interval_of(lead(means), value, int(usable.sum())),
            1,
            int(usable.sum()),
        ),
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of the layers within each subject, 0 lowest to 1 highest; NaN where there is no value."""
    found = np.full(values.shape, np.nan)
    for row, out in zip(values, found, strict=True):
        known = ~np.isnan(row)
        if known.sum() > 1:
            out[known] = (stats.rankdata(row[known]) - 1) / (known.sum() - 1)
    return found
