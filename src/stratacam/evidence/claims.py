"""The four claims of the abstract that this project began from, tested on one study.

D. Hong, Y. Zhang, "Multi-layer backpropagation of classification information with Grad-CAM" (ISMRM 2021, 3275) says:
maps of shallower layers localise more; maps of deeper layers generalise more; the block before the last shows too
little to read; the last convolution is the best compromise. None was measured.

Maps of noise pass naive tests of these, because deep maps are upsampled more. Here a claim is supported or contradicted
only by what exceeds surrogates of the same resolution, holds over subjects, and is not found in maps of untrained
networks. All p-values are family-wise over tests and methods. Otherwise nothing can be said, and the reason is given.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence import effects
from stratacam.evidence.best_layer import best_layer_test
from stratacam.evidence.claim_test import (
    GROUPS,
    SUBJECTS,
    SURROGATES,
    UNTRAINED,
    Claim,
    ClaimTest,
    Held,
    decide,
    too_little,
)
from stratacam.evidence.group_likeness import GROUP_CONTRAST
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.draw_test import DrawTest, draw_test
from stratacam.evidence.inference.means import LEVEL, mean_known
from stratacam.evidence.learned import not_learned
from stratacam.evidence.map_scores import Score
from stratacam.evidence.nulls import Nulls
from stratacam.evidence.values import SubjectTable
from stratacam.networks import by_block, by_branch

Floats = NDArray[np.float64]

TITLES = (
    "Shallower layers localise more",
    "Deeper layers generalise more",
    "The block before the last shows too little to read",
    "The last convolution is the best compromise",
)


class Question(NamedTuple):
    """What a claim says of one score.

    Attributes:
        claim: position in `TITLES`.
        score: what is scored; None for likeness within less between groups.
        expected: the sign that the claim expects.
        pair: positions of two layers, whose difference is tested; None for the correlation with depth.
        branch: whose layers they are, of a network with branches.
    """

    claim: int
    score: Score | None
    expected: int
    pair: tuple[int, int] | None = None
    branch: str = ""

    def name(self, layers: Sequence[str]) -> str:
        """In words."""
        title = GROUP_CONTRAST.title if self.score is None else self.score.measure.title
        if self.pair:
            return f"{title}, {layers[self.pair[0]]} less {layers[self.pair[1]]}"
        return (
            f"rank correlation of depth{f' in the branch {self.branch}' if self.branch else ''} with {title}"
        )


SAME_MAP = 0.95
"""Mean rank correlation of two subjects' heat over regions, in every layer, at which all are taken to have one map."""

LEVEL_OF_BEST = LEVEL / 5
"""Nominal error rate of "supported", and of "contradicted". Not a half: scores are skewed, and by simulation a verdict
is given of noise up to twice as often as the level says (`benchmarks.calibration`)."""

LOCALISES = ((Score.GINI, -1), (Score.AVERAGE_PRECISION, -1))
GENERALISES = ((Score.LIT_SHARE, 1), (None, 1))
SHOWS_LITTLE = ((Score.BLANK, 1), (Score.LIT_SHARE, -1), (Score.AVERAGE_PRECISION, -1))
"""Scores that test a claim, and the sign that it expects."""


def assess_claims(
    table: SubjectTable,
    nulls: Mapping[str, Nulls],
    methods: Sequence[str],
    layers: Sequence[str],
    pools: Collection[str],
    *,
    groups: Sequence[str],
    branch: Sequence[str] = (),
    learnt: bool | None = None,
    seed: int = 0,
) -> dict[str, tuple[Claim, ...]]:
    """Test the four claims for the maps of every method.

    Depth is the position of a layer on the way from the input to the output. What the abstract calls localisation and
    generalisation is measured by how concentrated heat is (Gini index) and, where the truth is known, by the average
    precision with which heat finds it; by how much of the brain is lit, and by how much more alike the maps of people
    of one group are than those of people of different groups. What the best compromise is scored by says
    `stratacam.evidence.best_layer`.

    Args:
        table: of all subjects.
        nulls: by method, with the table's subjects; methods without any are not measured.
        methods: of the maps; all of them, since p-values hold for all together.
        layers: shallow to deep, branch by branch where the network has branches.
        pools: those of them that are pools.
        groups: of the subjects; "" for none.
        branch: the one whose layers are tested, of a network with branches; see `branch_shown`.
        learnt: whether the network was shown to do better than chance on people held out; None: not known.
        seed: of random signs and permutations.
    """
    if branch:
        (own,) = by_branch(layers, branch)
        places = [layers.index(layer) for layer in own]
        nulls = {method: Nulls(*(draws[:, :, places] for draws in of)) for method, of in nulls.items()}
        layers = own
    last = last_convolution(layers, pools)
    questions = _questions(layers, _before(layers, pools, last, branch), last, *branch)
    gate = not_learned(learnt) or _same_map(nulls)
    drawn = {method: nulls[method] for method in methods if method in nulls}
    tests = (
        _tests(questions, drawn, layers, groups=groups, gate=gate, seed=seed) if drawn and questions else {}
    )
    found = {}
    for method in methods:
        by_claim: list[list[ClaimTest]] = [[], [], [], []]
        for number, question in enumerate(questions):
            test = tests.get((method, number)) or _unmeasured(question, layers)
            by_claim[question.claim].append(test)
        level = LEVEL_OF_BEST / len(methods)
        of_best, best = best_layer_test(table, method, layers, last, level=level, gate=gate, seed=seed)
        by_claim[-1].append(of_best)
        sets = ((), (), (), best)
        found[method] = tuple(
            Claim(title, tuple(its), names) for title, its, names in zip(TITLES, by_claim, sets, strict=True)
        )
    return found


def last_convolution(layers: Sequence[str], pools: Collection[str]) -> str:
    """The last layer that is no pool: of some networks, it holds more than a convolution."""
    return next((layer for layer in reversed(layers) if layer not in pools), layers[-1])


def _before(layers: Sequence[str], pools: Collection[str], last: str, branch: Sequence[str]) -> str | None:
    """The last convolution of the block before that of `last`; None where no two layers are of one block."""
    blocks = list(by_block(layers, branch).values())
    place = next(number for number, block in enumerate(blocks) if last in block)
    return last_convolution(blocks[place - 1], pools) if place and len(blocks) < len(layers) else None


def _same_map(nulls: Mapping[str, Nulls]) -> str:
    """Why nothing is said of subjects where all have one map: then there is one map, however many subjects."""
    for method, found in nulls.items():
        alike = effects.likeness_of_all(found.surrogates[0])
        if (alike >= SAME_MAP).all():
            return f"all subjects have the same map ({method})"
    return ""


def _questions(layers: Sequence[str], before: str | None, last: str, branch: str = "") -> list[Question]:
    pair = (layers.index(before), layers.index(last)) if before else None
    return [
        *(Question(0, score, sign, branch=branch) for score, sign in LOCALISES),
        *(Question(1, score, sign, branch=branch) for score, sign in GENERALISES),
        *(Question(2, *one, pair) for one in SHOWS_LITTLE if pair),
    ]


def _unmeasured(question: Question, layers: Sequence[str]) -> ClaimTest:
    nothing = (np.nan, np.nan, np.nan, question.expected, 0)
    return ClaimTest(question.name(layers), *nothing, {}, "cannot say", "not measured")


def _tests(
    questions: Sequence[Question],
    nulls: Mapping[str, Nulls],
    layers: Sequence[str],
    *,
    groups: Sequence[str],
    gate: str,
    seed: int,
) -> dict[tuple[str, int], ClaimTest]:
    """By method and question, all tests of all methods together."""
    keys = [(method, number) for method in nulls for number in range(len(questions))]
    of_surrogates, of_untrained = (
        np.concatenate([_effects(draws, questions, groups) for draws in by_method], axis=2)
        for by_method in zip(*nulls.values(), strict=True)
    )
    # each null hypothesis holds or falls for all tests together
    own = of_surrogates[0]
    drawn = {
        SUBJECTS: effects.signed_means(own, seed=seed),
        SURROGATES: mean_known(np.swapaxes(of_surrogates, 0, 1)),
        UNTRAINED: mean_known(np.swapaxes(of_untrained, 0, 1)),
    }
    ranked = {name: draw_test(means) for name, means in drawn.items() if len(means) > 1}
    contrasts = [place for place, (_, number) in enumerate(keys) if questions[number].score is None]
    permuted = [
        effects.depth_correlation(effects.permuted_contrasts(found.surrogates[0], groups, seed=seed))
        for found in nulls.values()
    ]
    of_groups = draw_test(mean_known(np.swapaxes(np.stack(permuted, axis=2), 0, 1)))
    found = {}
    for place, (method, number) in enumerate(keys):
        held = {name: _held(ranked[name], place) if name in ranked else Held(np.nan, 0.0) for name in drawn}
        if place in contrasts:
            held[GROUPS] = _held(of_groups, contrasts.index(place))
        found[method, number] = _test(questions[number], own[:, place], held, layers, gate)
    return found


def _held(ranked: DrawTest, place: int) -> Held:
    return Held(float(ranked.p[place]), float(ranked.above[place]))


def _test(
    question: Question, values: Floats, held: Mapping[str, Held], layers: Sequence[str], gate: str
) -> ClaimTest:
    """One test of the mean of values (subjects,)."""
    subjects = int((~np.isnan(values)).sum())
    if not subjects:
        return _unmeasured(question, layers)
    verdict, reason = decide(question.expected, held)
    if little := too_little(subjects, gate):
        verdict, reason = "cannot say", little
    return ClaimTest(
        question.name(layers),
        float(np.nanmean(values)),
        *mean_interval(values),
        question.expected,
        subjects,
        {name: one.p for name, one in held.items()},
        verdict,
        reason,
    )


def _effects(draws: NDArray[np.float32], questions: Sequence[Question], groups: Sequence[str]) -> Floats:
    """The effects of every question, (draws, subjects, questions)."""
    found = []
    for question in questions:
        values = (
            effects.group_contrasts(draws, groups)
            if question.score is None
            else draws[..., question.score].astype(np.float64)
        )
        beyond = effects.excess(values)
        found.append(
            beyond[..., question.pair[0]] - beyond[..., question.pair[1]]
            if question.pair
            else effects.depth_correlation(beyond)
        )
    return np.stack(found, axis=2)
