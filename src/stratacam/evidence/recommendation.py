"""Which layers are recommended, by a rule that is printed with the answer.

A layer is recommended only for what was shown of it. Bounds hold for all layers and methods together: of layers that do
not meet a criterion of a bound, any is recommended in about 5 % of studies, in more where values are very skewed (see
`simultaneous`). Criteria of a mean (blank maps, heat inside the brain, region agreement) are thresholds of what was
observed, without an error rate: a layer whose true mean is just on the wrong side meets them in up to half of studies,
and any of several layers in more.

What was not measured, or on fewer than ten subjects, is no reason to recommend: the verdict is "cannot say". Nor does a
layer fail for what was not shown: it is not recommended where the whole interval of a criterion is on the wrong side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence import registry
from stratacam.evidence.choice import CrossFitted, halves, most_faithful
from stratacam.evidence.inference import simultaneous
from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.learned import not_learned
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.measures import Criterion, Finding, Measure
from stratacam.evidence.redundancy import alike_layers
from stratacam.evidence.values import SubjectTable

Floats = NDArray[np.float64]
Verdict = Literal["recommended", "says the same", "not recommended", "cannot say"]


def criteria(*, given: bool = False) -> list[tuple[Measure, Criterion]]:
    """The criteria of a layer, in the order of the registry.

    Of a classifier that was given there is one training, and nobody can say whether another would show the same: that
    criterion, whose rows are alternatives, is left out.
    """
    return [
        (measure, criterion)
        for measure in registry.measures()
        for criterion in measure.criteria
        if not (given and criterion.alternatives)
    ]


GIVEN_REMARK = (
    " The classifier was given, and has no other training: whether another would show the same was not asked. A "
    "recommended map is true to this classifier."
)


class Rule(NamedTuple):
    """The rule in words.

    Attributes:
        opening: a sentence before the criteria.
        criteria: a clause each; all must be met.
        remarks: a paragraph after them.
    """

    opening: str
    criteria: tuple[str, ...]
    remarks: str

    def as_markdown(self) -> str:
        """The criteria as bullet points."""
        return "\n".join([self.opening, "", *(f"- {one}" for one in self.criteria), "", self.remarks])


def rule(*, given: bool = False) -> Rule:
    """The rule, from the criteria of the registry; see `criteria`."""
    clauses = [f"{criterion.rule} ({criterion.asked})" for _, criterion in criteria(given=given)]
    learned = (
        "the network was shown to have learned (lower bound of the held-out balanced accuracy above chance)"
    )
    return Rule(
        "A layer is recommended if all of these hold:",
        (*clauses, learned),
        "Bounds hold for all layers and methods together, and for a network and a consensus where both are judged: "
        "each criterion of a bound is met by mistake in about 5 % of "
        "studies, in more where values are very skewed. Criteria of a mean are thresholds of what was observed, and "
        "have no error rate: with few subjects, a layer that truly misses them often meets them. If something was not "
        "measured, or on fewer than 10 subjects, the answer is “cannot say”. Of layers that say the same, the one most "
        "above its control by ROAD is recommended; its numbers come from subjects that did not choose among them, "
        "though all decided which layers pass." + (GIVEN_REMARK if given else ""),
    )


@dataclass(frozen=True)
class LayerVerdict:
    """What was found of one layer's maps.

    Attributes:
        layer: its name.
        verdict: "says the same" where all criteria are met, but another of the layers alike is recommended.
        faults: the criteria that it fails, in words.
        reasons: why nothing can be said: criteria that were not measured, or whose interval includes the threshold.
        alike: the layers that say the same, itself among them.
    """

    layer: str
    verdict: Verdict
    faults: tuple[str, ...]
    reasons: tuple[str, ...]
    alike: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """The layer that is recommended of those that say the same.

    Attributes:
        layer: the most faithful one on all subjects.
        of_halves: the most faithful one on either half of the subjects.
        numbers: cross-fitted among the layers that passed on all subjects.
    """

    layer: str
    of_halves: tuple[str, str]
    numbers: tuple[CrossFitted, ...]


@dataclass(frozen=True)
class Recommendation:
    """The verdicts on all layers of one method's maps."""

    method: str
    layers: tuple[LayerVerdict, ...]
    choices: tuple[Choice, ...]
    given: bool = False

    @property
    def recommended(self) -> tuple[str, ...]:
        """Names of the recommended layers, shallow to deep; there may be none."""
        return tuple(one.layer for one in self.layers if one.verdict == "recommended")

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {
            "method": self.method,
            "rule": rule(given=self.given)._asdict(),
            "recommended": self.recommended,
            "layers": [asdict(one) for one in self.layers],
            "choices": [asdict(one) for one in self.choices],
        }


def recommend(
    table: SubjectTable,
    methods: Sequence[str],
    layers: Sequence[str],
    *,
    learnt: bool | None = None,
    truth: bool | None = None,
    level: float = LEVEL,
    given: bool = False,
    seed: int = 0,
) -> tuple[Recommendation, ...]:
    """Apply the rule to every layer of all methods.

    Args:
        table: of all subjects.
        methods: of the maps; all of them, since the bounds hold for all together. Without any, there is nothing to say.
        layers: shallow to deep.
        learnt: whether the network was shown to do better than chance on people held out; None: not known.
        truth: whether the study states what the truth is, so that the criteria that need it are required; None: if
            anything was measured of it.
        level: error rate of each criterion of a bound, over all maps together.
        given: whether the network was given and not trained, see `criteria`.
        seed: of random signs and of the halves.
    """
    if not methods:
        return ()
    found = _findings(
        table,
        [(method, layer) for method in methods for layer in layers],
        truth=truth,
        level=level,
        given=given,
        seed=seed,
    )
    gate = tuple(filter(None, [not_learned(learnt)]))
    alike = alike_layers(table, methods, layers, seed=seed)
    half = halves(len(table.subjects), seed=seed)
    recommendations = []
    for method in methods:
        verdicts: dict[str, LayerVerdict] = {}
        choices = []
        for cluster in alike[method]:
            sound = [
                layer
                for layer in cluster
                if not gate and all(one.outcome == "met" for one in found[method, layer])
            ]
            choice = _choose_layer(table, method, sound, half) if sound else None
            choices += [choice] if choice else []
            for layer in cluster:
                findings = found[method, layer]
                faults = tuple(one.words for one in findings if one.outcome == "failed")
                reasons = tuple(one.words for one in findings if one.outcome.startswith("not ")) + gate
                verdicts[layer] = LayerVerdict(
                    layer,
                    "not recommended"
                    if faults
                    else "cannot say"
                    if reasons
                    else "recommended"
                    if choice and layer == choice.layer
                    else "says the same",
                    faults,
                    reasons,
                    cluster,
                )
        recommendations.append(
            Recommendation(method, tuple(verdicts[layer] for layer in layers), tuple(choices), given)
        )
    return tuple(recommendations)


def _findings(
    table: SubjectTable,
    maps: Sequence[tuple[str, str]],
    *,
    truth: bool | None,
    level: float,
    given: bool,
    seed: int,
) -> Mapping[tuple[str, str], list[Finding]]:
    """What every criterion says of every method and layer; of a measure, up to the first that is not met."""
    unmet: set[tuple[str, str, str, str]] = set()
    found: dict[tuple[str, str], list[Finding]] = {one: [] for one in maps}
    with_rows = any(key[2] == AVERAGE_PRECISION.name and key[:2] in found for key in table.keys)
    stated = with_rows if truth is None else truth
    for measure, criterion in criteria(given=given):
        if criterion.where_truth and not stated:
            continue
        rows = {
            against: np.stack([_column(table, one, measure, criterion, against) for one in maps], axis=1)
            for against in (*criterion.against, *criterion.alternatives)
        }
        measured = [one for one in criterion.alternatives if np.isfinite(rows[one]).any()]
        for against in (*criterion.against, *(measured or criterion.alternatives[:1])):
            bounds = simultaneous(rows[against], null=None, level=level, seed=seed)
            for number, one in enumerate(maps):
                if (*one, measure.name, against) in unmet:
                    continue
                finding = criterion.finding(
                    bounds.mean[number],
                    bounds.low[number],
                    bounds.high[number],
                    int(bounds.subjects[number]),
                    against,
                )
                found[one].append(finding)
                if finding.outcome != "met":
                    unmet.add((*one, measure.name, against))
    return found


def _column(
    table: SubjectTable, one: tuple[str, str], measure: Measure, criterion: Criterion, against: str
) -> Floats:
    """Values of one method and layer, (subjects,), less those of the criterion's reference, if any."""
    values = table.column((*one, measure.name, against))
    if not criterion.above:
        return values
    return values - table.column((criterion.above, "", measure.name, against))


def _choose_layer(table: SubjectTable, method: str, layers: Sequence[str], half: NDArray[np.bool_]) -> Choice:
    """The most faithful of layers, see `most_faithful`."""
    found = most_faithful(table, [(method, layer) for layer in layers], half)
    first, second = (layers[found.place if one is None else one] for one in found.of_halves)
    return Choice(layers[found.place], (first, second), found.numbers)


def meets_means(table: SubjectTable, one: tuple[str, str]) -> bool:
    """Whether the mean of every criterion that was measured, over the subjects of a table, is on the right side.

    It is what the rule asks of a few subjects, whose bounds would say nothing.
    """
    for measure, criterion in criteria():
        for against in (*criterion.against, *criterion.alternatives):
            values = _column(table, one, measure, criterion, against)
            if np.isfinite(values).any() and not criterion.holds(float(np.nanmean(values))):
                return False
    return True
