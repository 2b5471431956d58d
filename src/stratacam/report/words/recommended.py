"""The map to believe, or why there is none, in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stratacam.evidence import registry
from stratacam.evidence.learned import NOT_LEARNED
from stratacam.evidence.pick import JudgedMap
from stratacam.maps.reliability import WANTED
from stratacam.networks import is_given, network_title
from stratacam.report.content import StudyContent
from stratacam.report.content.recommended import PASSED, Recommended
from stratacam.report.numbers import counted, decimal, estimate_of, listed, sentence_case

UNMEASURED = (
    "Which map to believe was not measured: run `stratacam evidence` with the study's TOML file. Without it, maps are "
    "pictures."
)
TOO_FEW = re.compile(r".*: (?P<subjects>\d+) subjects, (?P<needed>\d+) are needed")
"""Words of a criterion for which too few subjects were measured, see `Criterion.finding`."""

SAID = 3
"""Faults or reasons of the nearest map that stand on top of the page."""


def in_short(recommended: Recommended | None) -> str:
    """For the top of the page: the map to believe with its reliability and numbers, or what stands in the way."""
    if recommended is None:
        return UNMEASURED
    if recommended.chosen is None:
        return _none(recommended)
    return f"{to_believe(recommended, recommended.chosen)} {how_good(recommended)}"


def to_believe(recommended: Recommended, chosen: JudgedMap) -> str:
    """The recommended map, and that it passed."""
    return f"The map to believe is {recommended.title(chosen)}: {how_it_passed(recommended)}"


def which_map(recommended: Recommended | None) -> str:
    """The verdict in one line."""
    if recommended is None:
        return "Trust in the maps was not measured."
    if recommended.chosen is None:
        return f"None: no map {'could pass here' if what_none_could(recommended) else 'passed the rule'}."
    return f"{sentence_case(recommended.title(recommended.chosen))}."


def how_far(recommended: Recommended | None) -> str:
    """How far to trust the map, or what stands in the way; then the remedy."""
    if recommended is None:
        return "Remedy: run `stratacam evidence` with the study's TOML file. Until then, maps are pictures."
    if recommended.chosen is None:
        found = (what_none_could(recommended), in_the_way(recommended), remedy(recommended))
        return " ".join(filter(None, found))
    found = (how_it_passed(recommended), how_reliable(recommended), how_certain(recommended))
    return sentence_case(" ".join(filter(None, found)))


def remedy(recommended: Recommended) -> str:
    """What to do where no map passed."""
    nearest, given = recommended.nearest, is_given(recommended.network)
    if nearest is None:
        return ""
    of_all = _of_all(recommended)
    if not given and all(NOT_LEARNED in one.reasons for one in recommended.judged):
        return "Remedy: first a network that does better than chance: more people, another network or other training."
    if nearest.faults and not of_all:
        others = "other methods or layers (`evidence.methods`, `evidence.layers`)"
        return f"Remedy: {others}." if given else f"Remedy: {others}, or more seeds for a consensus."
    if any(TOO_FEW.fullmatch(reason) for reason in of_all or nearest.reasons):
        folds = "" if given else "; with `split.folds` everybody is held out once"
        return f"Remedy: measure more people{folds}."
    return "Remedy: measure what is missing, on more people or slices (`[evidence]`)."


def what_none_could(recommended: Recommended) -> str:
    """What keeps every map from passing, whatever it shows, such as too few people; "" where nothing does."""
    reasons = _of_all(recommended)
    return f"In the way of every map: {_first(reasons, ', see the chapter of evidence')}." if reasons else ""


def _of_all(recommended: Recommended) -> list[str]:
    """Reasons for which nothing can be said that all judged maps share, where there are several."""
    first, *others = recommended.judged or (None,)
    if first is None or not others:
        return []
    return [reason for reason in first.reasons if all(reason in one.reasons for one in others)]


def who_was_judged(study: StudyContent) -> str:
    """Whose maps the recommendation is about, where that is not all of the study; "" where it is."""
    recommended = study.recommended
    if recommended is None:
        return ""
    others = [network_title(one.network) for one in study.networks if one.network != recommended.network]
    sentences = []
    if others:
        sentences.append(
            f"Only maps of {network_title(recommended.network)}, the first network, were judged; nothing is said of "
            f"those of {listed(others)}."
        )
    single = all(one.networks == 1 for one in recommended.judged)
    if single and any(maps.members for maps in study.maps.values()):
        sentences.append("The consensus of seeds, whose maps are drawn below, was not judged.")
    elif single and len({model.seed for model in study.models}) > 1:
        sentences.append("Only the first seed was judged.")
    return " ".join(sentences)


def how_it_passed(recommended: Recommended) -> str:
    """How many of the judged maps passed the rule, and on how many people they were judged."""
    judged, passed = len(recommended.judged), sum(one.verdict in PASSED for one in recommended.judged)
    which = "it alone meets" if passed == 1 else f"{passed} meet"
    on = f", measured on {counted(recommended.subjects, 'person')}" if recommended.subjects else ""
    return f"of {counted(judged, 'judged map')} {which} every criterion of the rule{on}."


def how_certain(recommended: Recommended) -> str:
    """Whether either half of the people would have chosen the same map; "" where that was not tried."""
    if not recommended.of_halves:
        return ""
    others = [one for one in recommended.of_halves if not _same_map(one, recommended.chosen)]
    if not others:
        return "Either half of the people would have chosen it too."
    if len(others) < len(recommended.of_halves):
        which = "another map" if others[0] else "no map"
        return f"One half of the people would have chosen {which}: the choice is uncertain."
    if not any(others):
        return "Neither half of the people would have chosen a map: the choice is uncertain."
    if not all(others):
        return "One half of the people would have chosen another map, the other half none: the choice is uncertain."
    return "Either half of the people would have chosen another map: the choice is uncertain."


def how_reliable(recommended: Recommended) -> str:
    """Reliability of the recommended map, with the networks that are needed."""
    row = recommended.reliability
    if row is None or not row["reliability"]:
        one = recommended.chosen is not None and recommended.chosen.networks == 1
        return f"Its reliability is not known{', as it is of one network' if one else ''}."
    needed = row[f"networks_for_{WANTED}"]
    verb = "is" if needed == "1" else "are"
    enough = f"for {WANTED:g}, {needed} {verb} needed" if needed else f"how many give {WANTED:g} is not known"
    return (
        f"Its reliability is {decimal(float(row['reliability']))} (expected correlation with the consensus of "
        f"{row['networks']} other networks; {enough}): how well it repeats, not whether it is right."
    )


def how_good(recommended: Recommended) -> str:
    """Reliability of the recommended map, with the networks that are needed, and its cross-fitted numbers."""
    numbers = "; ".join(cross_fitted(asdict(one)) for one in recommended.numbers)
    said = f" {whose_numbers(recommended)} In brackets 95 % intervals: {numbers}." if numbers else ""
    return how_reliable(recommended) + said


def whose_numbers(recommended: Recommended) -> str:
    """Whose the cross-fitted numbers are: the recommended map's, or those of other maps that halves chose."""
    measured = "Each number is of people who took no part in the choice."
    if not recommended.of_halves:
        return measured
    if chosen_by_halves(recommended):
        return f"Either half of the people, choosing in the same way, chose it too. {measured}"
    titles = [
        "no map" if one is None else "it" if _same_map(one, recommended.chosen) else recommended.title(one)
        for one in recommended.of_halves
    ]
    return (
        f"Of the halves of the people, choosing in the same way, the first chose {titles[0]}, the second {titles[1]}. "
        "Numbers are those of the map that a half chose, on the other half."
    )


def chosen_by_halves(recommended: Recommended) -> bool:
    """Whether every half of the people chose the recommended map, as far as is known."""
    return all(_same_map(one, recommended.chosen) for one in recommended.of_halves)


def _same_map(one: JudgedMap | None, other: JudgedMap | None) -> bool:
    return (
        one is not None
        and other is not None
        and (one.name, one.method, one.layer) == (other.name, other.method, other.layer)
    )


def cross_fitted(number: Mapping[str, Any]) -> str:
    """One number, as `CrossFitted` is stored."""
    measure = next(one for one in registry.measures() if one.name == number["measure"])
    estimate = estimate_of(number["value"], number["low"], number["high"])
    heading = measure.heading(number["against"])
    words = heading if heading[1:2].isupper() else heading[0].lower() + heading[1:]
    return f"{words} {estimate}, {counted(number['subjects'], 'subject')}"


def _too_few_once(reasons: Sequence[str]) -> list[str]:
    """Reasons, with those that too few subjects were measured as one."""
    few = [found for reason in reasons if (found := TOO_FEW.fullmatch(reason))]
    if len(few) < 2:
        return list(reasons)
    counts = sorted({int(found["subjects"]) for found in few})
    subjects = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return [
        f"{subjects} subject{' was' if subjects == '1' else 's were'} measured, and {few[0]['needed']} are needed",
        *(reason for reason in reasons if not TOO_FEW.fullmatch(reason)),
    ]


def _first(words: Sequence[str], all_of_them: str) -> str:
    """The first few, how many more there are, and where all of them are."""
    more = len(words) - SAID
    return "; ".join(words[:SAID]) + (f"; and {more} more{all_of_them}" if more > 0 else "")


def _none(recommended: Recommended) -> str:
    """That no map is recommended, and what stands in the way of the nearest."""
    network = network_title(recommended.network)
    return f"No map of {network} is recommended. {in_the_way(recommended)}"


def in_the_way(recommended: Recommended, all_of_it: str = ", see the chapter of evidence") -> str:
    """What the nearest map lacks, the first few; `all_of_it` says where the rest is."""
    nearest = recommended.nearest
    if nearest is None:
        return "None was judged."
    said = (
        f"it fails: {_first(nearest.faults, all_of_it)}"
        if nearest.faults
        else f"nothing can be said of it: {_first(_too_few_once(nearest.reasons), all_of_it)}"
    )
    count = len(recommended.judged)
    which = f"The nearest of {count} judged is" if count > 1 else "The only one judged is"
    return f"{which} {recommended.title(nearest)}; {said}."
