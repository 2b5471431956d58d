"""One test of a claim, and its verdict."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.inference.means import LEVEL

Verdict = Literal["supported", "partly supported", "contradicted", "partly contradicted", "cannot say"]

SUBJECTS, SURROGATES, UNTRAINED, GROUPS = "subjects", "surrogates", "untrained networks", "permuted groups"


class Held(NamedTuple):
    """What a test says against one null hypothesis.

    Attributes:
        p: family-wise over all tests and methods; NaN where the null hypothesis was not drawn.
        direction: sign of the effect against it.
    """

    p: float
    direction: float


@dataclass(frozen=True)
class ClaimTest:
    """One way to test a claim.

    Attributes:
        name: what was measured, in words.
        effect: mean over subjects; NaN where it could not be measured.
        low: of its 95 % interval; NaN for fewer than two subjects.
        high: of its 95 % interval.
        expected: 1 where the claim says that the effect is positive, -1 where negative.
        subjects: how many it is of.
        p: by null hypothesis.
        verdict: supported, contradicted, or "cannot say".
        reason: why nothing can be said; "" where something is.
    """

    name: str
    effect: float
    low: float
    high: float
    expected: int
    subjects: int
    p: Mapping[str, float]
    verdict: Verdict
    reason: str


def too_little(subjects: int, gate: str) -> str:
    """Why nothing can be said, whatever was found; "" where something can.

    Args:
        subjects: how many have a value.
        gate: why nothing is said of this network; "" where it was shown to have learned.
    """
    if not subjects:
        return "not measured"
    return f"{subjects} subjects; {MINIMUM_SUBJECTS} are needed" if subjects < MINIMUM_SUBJECTS else gate


def decide(expected: int, held: Mapping[str, Held]) -> tuple[Verdict, str]:
    """The verdict of a test, and the reason where it is "cannot say".

    Args:
        expected: 1 or -1.
        held: by null hypothesis; each has to be rejected, all in the same direction.
    """
    missing = [name for name, one in held.items() if math.isnan(one.p)]
    kept = [name for name, one in held.items() if one.p > LEVEL]
    if missing:
        return "cannot say", f"no draws of {', '.join(missing)}"
    if kept:
        return "cannot say", f"p above {LEVEL} against {', '.join(kept)}"
    directions = {one.direction * expected > 0 for one in held.values()}
    if len(directions) > 1:
        return "cannot say", "against the null hypotheses it points in different directions"
    return ("supported" if directions.pop() else "contradicted"), ""


@dataclass(frozen=True)
class Claim:
    """A claim and its tests.

    Attributes:
        title: the claim.
        tests: of it.
        may_be_best: the layers that may be best, for the claim of the best layer.
    """

    title: str
    tests: tuple[ClaimTest, ...]
    may_be_best: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """That of the tests that were measured, where they agree; partly where some cannot say."""
        return _together({test.verdict for test in self._measured})

    @property
    def reason(self) -> str:
        """Why nothing can be said; "" where something is."""
        if self.verdict != "cannot say":
            return ""
        if not self._measured:
            return "; ".join(dict.fromkeys(test.reason for test in self.tests)) or "nothing to compare"
        reasons = dict.fromkeys(test.reason for test in self._measured if test.reason)
        disagree = any(test.verdict != "cannot say" for test in self._measured)
        return "its tests disagree" if disagree else "; ".join(reasons)

    @property
    def _measured(self) -> tuple[ClaimTest, ...]:
        return tuple(test for test in self.tests if test.subjects)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "reason": self.reason,
            "may_be_best": self.may_be_best,
            "tests": [asdict(test) for test in self.tests],
        }


def _together(found: Collection[str]) -> Verdict:
    agreed: dict[frozenset[str], Verdict] = {
        frozenset({"supported"}): "supported",
        frozenset({"supported", "cannot say"}): "partly supported",
        frozenset({"contradicted"}): "contradicted",
        frozenset({"contradicted", "cannot say"}): "partly contradicted",
    }
    return agreed.get(frozenset(found), "cannot say")
