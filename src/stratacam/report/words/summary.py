"""The summary on top of the page: the first paragraph says what was done, the others what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.learning.dataset import BRAIN
from stratacam.maps import trained_plane
from stratacam.networks import ARCHITECTURES, BrainUse, default_weights, network_title
from stratacam.report.content import StudyContent
from stratacam.report.numbers import decimal, interval, listed, small
from stratacam.report.tables.confounds import what_confounds

REGRESSION = "logistic regression on "
OVER: dict[BrainUse, str] = {
    "features": " of features of the brain alone",
    "pooling": " over the brain",
    "off": "",
}
"""What global average pooling is over, by what networks do with the brain."""


def summary(study: StudyContent) -> list[str]:
    """The paragraphs on top of the page, in their order."""
    paragraphs = (
        what_was_done,
        what_was_found,
        how_all_did,
        what_baselines_do,
        what_confounds,
        what_leaks,
        what_was_left_out,
    )
    return [text for paragraph in paragraphs if (text := paragraph(study))]


def what_was_done(study: StudyContent) -> str:
    """Cohort, networks and split."""
    of_group = [
        f"{sum(group == name for group in study.group.values())} {name}" for name in study.card.classes
    ]
    were = "were" if len(study.networks) > 1 else "was"
    seeds = len({model.seed for model in study.models})
    repeated = f" with each of {seeds} seeds" if seeds > 1 else ""
    return (
        f"{len(study.group)} subjects ({', '.join(of_group)}) with {listed(study.card.input['sequences'])} were "
        f"prepared. {_networks(study)} {were} trained{_epochs(study)}{repeated} to classify {_pictures(study)} as "
        f"{listed(study.card.classes, last='or')}. {_guided(study)}{how_it_was_split(study)}"
    )


def how_it_was_split(study: StudyContent) -> str:
    """By subject, in one split or in folds, or by slice."""
    slices = sum(study.metrics["slices_per_class"].values())
    if study.by_slice:
        parts = study.slices_of_part
        return (
            f"Slices were split at random: {parts['train']} for training, {parts['validation']} for validation, "
            f"{parts['test']} held out: {SLICES_OF_ONE_PERSON}."
        )
    if study.main.folds:
        return (
            f"Every subject was held out in one of {study.main.folds} folds and predicted by the model that was "
            f"trained without it ({slices} slices). In each fold, some of the other subjects were for validation. "
            "No subject is in two parts of a fold."
        )
    train, validation, test = (
        list(study.part.values()).count(part) for part in ("train", "validation", "test")
    )
    return (
        f"The split was by subject: {train} for training, {validation} for validation, {test} held out "
        f"({slices} slices). No subject is in two parts."
    )


def what_was_found(study: StudyContent) -> str:
    """The held-out result of the first network per subject, as it is."""
    scores = study.metrics["subjects"]
    count = sum(study.metrics["subjects_per_class"].values())
    right = sum(row[number] for number, row in enumerate(scores["confusion"]))
    measures = {"Accuracy": scores["accuracy"], "balanced accuracy": scores["balanced_accuracy"]}
    balanced = scores["balanced_accuracy"]
    doubtful = balanced["interval"][0] <= balanced["chance"] or any(
        (found["p_value"] or 0) >= 0.05 for found in measures.values()
    )
    doubtful |= study.permutations.get("balanced_accuracy", {}).get("p_value", 0) >= 0.05
    verdict = " With these few subjects, that is not clearly better than chance." if doubtful else ""
    who = f"{study.title_of(study.main)} classified" if len(study.models) > 1 else "The network classified"
    whom = "subjects by their held-out slices" if study.by_slice else "held-out subjects"
    if len({found for found in study.metrics["subjects_per_class"].values() if found}) == 1:
        measures = {"Balanced accuracy (equal to accuracy, as groups are of equal size)": balanced}
    found = "; ".join(f"{name} {_estimate(estimate)}" for name, estimate in measures.items())
    return f"{who} {right} of {count} {whom} correctly. {found}.{verdict}"


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
    """Whether the first network was shown to beat every baseline; nothing where there are none.

    To beat the best of them it has to beat each, so that nothing has to be corrected for their number, nor for which
    is the best.
    """
    networks = {model.name for model in study.models}
    rows = [
        row
        for row in study.comparison.get("rows", ())
        if row["name"] not in networks and row["against_first"]
    ]
    if not rows:
        return ""
    score = study.metrics["subjects"]["balanced_accuracy"]["value"]
    first = study.title_of(study.main)
    tested = any(row["against_first"]["balanced_accuracy"]["p_value"] is not None for row in rows)
    rule = f"(To beat: the 95 % interval of the difference is above 0{' and p is below 0.05' if tested else ''}.)"
    unbeaten = [row for row in rows if not _is_beaten(row)]
    best = max(unbeaten or rows, key=lambda row: row["balanced_accuracy"]["value"])
    if not unbeaten:
        return f"{first} beats every baseline. The best of them is {_against(best, score)}. {rule}"
    if len(unbeaten) == 1:
        return f"{first} was not shown to beat {_against(best, score)}. {rule} {_could_be_seen(best)}"
    return (
        f"{first} was not shown to beat {_together([row['title'] for row in unbeaten])}. The best of these is "
        f"{_against(best, score)}; the table has the others. {rule} {_could_be_seen(best)}"
    )


def _together(titles: Sequence[str]) -> str:
    """Titles in a row; what they begin with in common is said once."""
    common = REGRESSION if all(title.startswith(REGRESSION) for title in titles) else ""
    return common + listed([title.removeprefix(common) for title in titles], last="or")


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


def what_was_left_out(study: StudyContent) -> str:
    """How many scans could not be used, and at which step."""
    if not study.left_out:
        return "Nothing was left out."
    steps = [row["step"] for row in study.left_out]
    counts = {step: steps.count(step) for step in dict.fromkeys(steps)}
    text = ", ".join(
        f"{count} scan{'s' if count > 1 else ''} at the step “{step}”" for step, count in counts.items()
    )
    return f"Left out: {text}. The table “Left out” gives each reason."


def limits(study: StudyContent) -> list[str]:
    """What the reader must know before believing the page."""
    found = [f"The split was by slice: {study.warning}."] if study.warning else []
    found.append("For research only, not for diagnosis.")
    if study.synthetic:
        found.append(
            "The scans are synthetic: they test that the method runs, and say nothing about a disease."
        )
    found.append(
        "A map shows what raised the network's score for a class. It does not show that the network is right, nor "
        "that the place matters in the disease."
    )
    return found


def _networks(study: StudyContent) -> str:
    """The networks and where their weights start; all networks of this package end in global average pooling."""
    titles_of: dict[str, list[str]] = {}
    for model in study.networks:
        titles_of.setdefault(_start(study, model.network), []).append(network_title(model.network))
    known = all(model.network in ARCHITECTURES for model in study.networks)
    pooling = f" with global average pooling{OVER[study.card.brain]}" if known else ""
    return listed(
        [f"{listed(titles)}{pooling}, starting from {start}," for start, titles in titles_of.items()]
    )


def _start(study: StudyContent, network: str) -> str:
    weights = str(study.configuration.get("network", {}).get("weights", "default"))
    chosen = default_weights(network) if weights == "default" else weights
    known = {"imagenet": "ImageNet weights", "none": "random weights"}
    return known.get(chosen, f"the weights of {chosen}")


def _guided(study: StudyContent) -> str:
    """What the first network's training was guided by, and what other air does to it; "" where nothing guided it."""
    settings, air = study.card.training.get("settings", {}), study.card.training.get("air")
    if not settings.get("relevance") or air is None:
        return ""
    mask = "the brain" if settings["relevance_mask"] == BRAIN else f"masks of {settings['relevance_mask']}"
    return (
        f"Training was guided: the loss held {settings['relevance']:g} times the share of heat outside {mask} "
        f"({settings['relevance_layer']}). With tissue-like noise in place of the air around the brain, the explaining "
        f"model gives {small(air['flipped'])} of its held-out slices another class, and the margin changes by "
        f"{decimal(air['change'])} (standard deviation between slices {decimal(air['spread'])}). "
    )


def _epochs(study: StudyContent) -> str:
    histories = [history for model in study.models for history in model.histories.values()]
    if not histories:
        return ""
    lengths = sorted({len(history["epochs"]) for history in histories})
    count = " to ".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
    unit = "epoch" if lengths[-1] == 1 else "epochs"
    which = "the lowest validation loss" if len(histories) > 1 else f"epoch {histories[0]['best_epoch']}"
    return f" for {count} {unit} (the weights of {which} were kept)"


def _pictures(study: StudyContent) -> str:
    plane = trained_plane(study.card)
    channels = study.card.input.get("channels", "sequences")
    if channels == "neighbours":
        return f"{plane} slices of one sequence with their neighbours"
    return f"single {plane} slices" + (" of one sequence" if channels == "each" else "")


def _is_beaten(row: Mapping[str, Any]) -> bool:
    """Whether the first network's gain in balanced accuracy is above 0, by its interval and by its p-value, if any."""
    gain = row["against_first"]["balanced_accuracy"]
    limits, p_value = gain["interval"], gain["p_value"]
    return bool(limits[0] > 0 and (p_value is None or p_value < 0.05))


def _could_be_seen(row: Mapping[str, Any]) -> str:
    """What better than a baseline could have been shown with these subjects."""
    if row["balanced_accuracy"]["value"] == 1:
        return f"{_capital(row['title'])} was right in all {row['subjects']}: nothing could be shown to be better."
    smallest = row["smallest_difference"]
    if smallest is None:
        return "With these subjects, no difference from it would mostly have been seen (power of 80 %)."
    return (
        f"With these subjects, a difference from it below {decimal(smallest)} would mostly not have been seen "
        "(power of 80 %)."
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
        f"{_p_value(found.get('p_value'), '; ')})"
    )


def _p_value(p_value: float | None, before: str) -> str:
    if p_value is None:
        return ""
    return f"{before}p {'' if p_value < 0.001 else '= '}{small(p_value)}"
