"""What was found: results of the networks, and of the baselines beside them, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import network_title
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.numbers import decimal, interval, listed, small

REGRESSION = "logistic regression on "
LEVEL = 0.05

NAMED = 8
"""Subjects whose errors stand in a sentence."""


@dataclass(frozen=True)
class Outcome:
    """Whether the first network does anything of use.

    Attributes:
        right: held-out subjects that it classified right.
        count: of so many.
        above_chance: whether that is clearly better than chance.
        below: whether it is not better than chance at all.
        only: the class that everybody was given, where people of several were held out; else "".
        baselines: that were compared on the same subjects.
        unbeaten: those that it was not shown to beat.
    """

    right: int
    count: int
    above_chance: bool
    below: bool
    only: str
    baselines: Sequence[Mapping[str, Any]]
    unbeaten: Sequence[Mapping[str, Any]]

    @property
    def best(self) -> Mapping[str, Any]:
        """The best of the baselines that were not beaten, or else of all."""
        return max(self.unbeaten or self.baselines, key=lambda row: row["balanced_accuracy"]["value"])


def outcome(study: StudyContent) -> Outcome:
    """Of the first network and seed, per held-out subject.

    To beat the best baseline it has to beat each, so that nothing has to be corrected for their number, nor for which
    is the best.
    """
    scores = study.metrics["subjects"]
    measures = scores["accuracy"], scores["balanced_accuracy"]
    limits, chance = measures[1]["interval"], measures[1]["chance"]
    doubtful = not limits or not limits[0] > chance  # nor where either is not a number
    doubtful |= any((found["p_value"] or 0) >= LEVEL for found in measures)
    doubtful |= study.permutations.get("balanced_accuracy", {}).get("p_value", 0) >= LEVEL
    given = {row["predicted"] for row in study.predictions}
    several = sum(map(bool, study.metrics["subjects_per_class"].values())) > 1
    only = given.pop() if several and len(given) == 1 else ""
    networks = {model.name for model in study.models}
    baselines = [
        row
        for row in study.comparison.get("rows", ())
        if row["name"] not in networks and row["against_first"]
    ]
    return Outcome(
        sum(row[number] for number, row in enumerate(scores["confusion"])),
        sum(study.metrics["subjects_per_class"].values()),
        not doubtful,
        measures[1]["value"] <= chance,
        only,
        baselines,
        [row for row in baselines if not _is_beaten(row)],
    )


def does_it_work(study: StudyContent) -> str:
    """The outcome in one line, chance and baselines together."""
    found = outcome(study)
    if study.by_slice:
        return "Cannot say: slices of one person were on both sides of the split."
    if found.only:
        return f"No: the network gave everybody the class {found.only}."
    if not found.above_chance:
        how = "the result is not" if found.below else "with so few people, the result is not clearly"
        return f"Not shown: {how} better than chance."
    if not found.baselines:
        return "Better than chance; simple measures were not compared."
    if not found.unbeaten:
        return "Better than chance, and than every simple measure."
    return "Better than chance, but not shown to be better than a simple measure."


def what_was_found(study: StudyContent) -> str:
    """The held-out result of the first network per subject, as it is."""
    scores, of_all = study.metrics["subjects"], outcome(study)
    measures = {"Accuracy": scores["accuracy"], "balanced accuracy": scores["balanced_accuracy"]}
    balanced = scores["balanced_accuracy"]
    verdict = (
        "" if of_all.above_chance else " With these few subjects, that is not clearly better than chance."
    )
    verdict = " That is not better than chance." if of_all.below else verdict
    verdict += f" It gave everybody the class {of_all.only}." if of_all.only else ""
    who = f"{study.title_of(study.main)} classified" if len(study.models) > 1 else "The network classified"
    whom = "subjects by their held-out slices" if study.by_slice else "held-out subjects"
    whom = whom if of_all.count != 1 else whom.replace("subjects", "subject")
    if len({found for found in study.metrics["subjects_per_class"].values() if found}) == 1:
        measures = {"Balanced accuracy (equal to accuracy, as groups are of equal size)": balanced}
    found = "; ".join(f"{name} {_estimate(estimate)}" for name, estimate in measures.items())
    return f"{who} {of_all.right} of {of_all.count} {whom} correctly. {found}.{verdict}"


def how_all_did(study: StudyContent) -> str:
    """Balanced accuracy of every network, with its range over seeds; nothing where there is one model."""
    if len(study.models) == 1:
        return ""
    found = []
    for network in dict.fromkeys(model.network for model in study.models):
        values = [
            model.metrics["subjects"]["balanced_accuracy"]["value"]
            for model in study.models
            if model.network == network
        ]
        spread = f" ({decimal(min(values))} to {decimal(max(values))})" if len(values) > 1 else ""
        found.append(f"{network_title(network)} {decimal(sum(values) / len(values))}{spread}")
    seeds = len({model.seed for model in study.models})
    over = f", mean and range over {seeds} seeds" if seeds > 1 else ""
    return f"Balanced accuracy per subject{over}: {listed(found)}."


def what_baselines_do(study: StudyContent) -> str:
    """Whether the first network was shown to beat every baseline; nothing where there are none."""
    found = outcome(study)
    rows, unbeaten = found.baselines, found.unbeaten
    if not rows:
        return ""
    score = study.metrics["subjects"]["balanced_accuracy"]["value"]
    first = study.title_of(study.main)
    but = "Better than chance is not better than simple measures: " if found.above_chance else ""
    tested = any(row["against_first"]["balanced_accuracy"]["p_value"] is not None for row in rows)
    rule = f"(To beat: the 95 % interval of the difference is above 0{' and p is below 0.05' if tested else ''}.)"
    best = found.best
    if not unbeaten:
        return f"{first} beats every baseline. The best of them is {_against(best, score)}. {rule}"
    if len(unbeaten) == 1:
        return f"{but}{first} was not shown to beat {_against(best, score)}. {rule} {_could_be_seen(best)}"
    return (
        f"{but}{first} was not shown to beat {together([row['title'] for row in unbeaten], last='or')}. The best "
        f"of these is {_against(best, score)}; the table has the others. {rule} {_could_be_seen(best)}"
    )


def together(titles: Sequence[str], *, last: str = "and") -> str:
    """Titles in a row; of regressions, that they are is said once, and "on" before each, whose name may hold "and"."""
    others = [title for title in titles if not title.startswith(REGRESSION)]
    measures = [f"on {title.removeprefix(REGRESSION)}" for title in titles if title.startswith(REGRESSION)]
    joined = [REGRESSION.removesuffix("on ") + listed(measures, last=last)] if measures else []
    return f", {last} ".join([*([", ".join(others)] if others else []), *joined])


def who_was_wrong(study: StudyContent) -> str:
    """Every held-out subject that the first network classified wrong, or how many."""
    wrong = [row for row in study.predictions if row["group"] != row["predicted"]]
    if not wrong:
        return "Nobody was classified wrong."
    named = [
        f"{subject_label(row['subject'])} ({row['group']}, taken for {taken}, p = {decimal(float(row[f'p_{taken}']))})"
        for row in wrong[:NAMED]
        for taken in (row["predicted"],)
    ]
    more = f", and {len(wrong) - NAMED} more in the table of predictions" if len(wrong) > NAMED else ""
    by = f" by {study.title_of(study.main)}" if len(study.models) > 1 else ""
    return f"Classified wrong{by}: {', '.join(named)}{more}."


def what_leaks(study: StudyContent) -> str:
    """What splitting by slice does to accuracy; nothing where it was not measured."""
    if not study.leakage:
        return ""
    found = {
        (row["unit"], row["labels"]): f"{decimal(row['slices']['value'])} "
        f"({interval((row['slices']['low'], row['slices']['high']))})"
        for row in study.leakage["conditions"]
    }
    seeds = len(study.leakage["seeds"])
    return (
        f"Leakage, over {seeds} training{'s' if seeds > 1 else ''} of each kind: with shuffled groups, where there is "
        "nothing to learn, the balanced accuracy of slices (95 % interval) was "
        f"{found['slice', 'shuffled']} when slices were split and {found['subject', 'shuffled']} when subjects were "
        f"split; with the true groups it was {found['slice', 'true']} and {found['subject', 'true']}. "
        f"By slice: {SLICES_OF_ONE_PERSON}. The table gives chance."
    )


def _is_beaten(row: Mapping[str, Any]) -> bool:
    """Whether the first network's gain in balanced accuracy is above 0, by its interval and by its p-value, if any."""
    gain = row["against_first"]["balanced_accuracy"]
    limits, p_value = gain["interval"], gain["p_value"]
    return bool(limits and limits[0] > 0 and (p_value is None or p_value < LEVEL))


def _could_be_seen(row: Mapping[str, Any]) -> str:
    """What better than a baseline could have been shown with these subjects."""
    if row["balanced_accuracy"]["value"] == 1:
        return f"{_capital(row['title'])} was right in all {row['subjects']}: nothing could be shown to be better."
    smallest = row["smallest_difference"]
    if smallest is None:
        return (
            "There are too few subjects to see any difference from it, however large, in four of five such studies "
            "(power of 80 %)."
        )
    return (
        f"With these subjects, a difference from it below {decimal(smallest)} would be missed in more than one of "
        "five such studies (power of 80 %)."
    )


def _capital(title: str) -> str:
    return title[0].upper() + title[1:]


def _against(row: Mapping[str, Any], score: float) -> str:
    difference = row["against_first"]["balanced_accuracy"]
    spread = f", 95 % interval {interval(difference['interval'])}" if difference["interval"] else ""
    return (
        f"{row['title']} (balanced accuracy {decimal(score)} against {decimal(row['balanced_accuracy']['value'])}; "
        f"difference {decimal(difference['value'])}{spread}{_p_value(difference['p_value'], ', ')})"
    )


def _estimate(found: Mapping[str, Any]) -> str:
    return (
        f"{decimal(found['value'])} (95 % interval {interval(found['interval'])}; chance {decimal(found['chance'])}"
        f"{_p_value(found.get('p_value'), ', ')})"
    )


def _p_value(p_value: float | None, before: str) -> str:
    if p_value is None:
        return ""
    return f"{before}p {'' if p_value < 0.001 else '= '}{small(p_value)}"
