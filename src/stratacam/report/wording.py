"""What was done and found, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.maps import trained_plane
from stratacam.networks import ARCHITECTURES, default_weights, network_title
from stratacam.report.content import StudyContent
from stratacam.report.tables import decimal, interval, small


def sentences(study: StudyContent) -> list[str]:
    """The paragraphs on top of the page."""
    found = [
        what_was_done(study),
        what_was_found(study),
        how_all_did(study),
        what_baselines_do(study),
        what_leaks(study),
        what_was_left_out(study),
    ]
    return [sentence for sentence in found if sentence]


def what_was_done(study: StudyContent) -> str:
    """Cohort, networks and split."""
    of_group = [
        f"{sum(group == name for group in study.group.values())} {name}" for name in study.card.classes
    ]
    several = len(study.networks) > 1
    seeds = len({model.seed for model in study.models})
    repeated = f" with each of {seeds} seeds" if seeds > 1 else ""
    return (
        f"{len(study.group)} subjects ({', '.join(of_group)}) with {_listed(study.card.input['sequences'])} were "
        f"prepared. {_networks(study)} {'were' if several else 'was'} trained{_epochs(study)}{repeated} to tell "
        f"{_listed(study.card.classes)} apart from {_pictures(study)}. {how_it_was_split(study)}"
    )


def how_it_was_split(study: StudyContent) -> str:
    """By subject, in one split or in folds, or by slice."""
    slices = sum(study.metrics["slices_per_class"].values())
    if study.by_slice:
        parts = study.slices_of_part
        return (
            f"Slices were split at random: {parts['train']} to train, {parts['validation']} to decide when to stop, "
            f"{parts['test']} held out: {SLICES_OF_ONE_PERSON}."
        )
    if study.main.folds:
        return (
            f"Every subject was held out once, in one of {study.main.folds} folds, and predicted by the model that "
            f"did not see it ({slices} slices); in each fold some of the others decided when to stop. "
            "No subject is in two parts of a fold."
        )
    counts = [list(study.part.values()).count(part) for part in ("train", "validation", "test")]
    return (
        f"The split was by subject: {counts[0]} to train, {counts[1]} to decide when to stop, {counts[2]} held out "
        f"({slices} slices). No subject is in two parts."
    )


def what_was_found(study: StudyContent) -> str:
    """The held-out result of the first network per subject, as it is."""
    scores = study.metrics["subjects"]
    count = sum(study.metrics["subjects_per_class"].values())
    right = sum(row[number] for number, row in enumerate(scores["confusion"]))
    p_values = [scores[name].get("p_value") for name in ("accuracy", "balanced_accuracy")]
    doubtful = any(p_value is not None and p_value >= 0.05 for p_value in p_values)
    verdict = " With these few subjects, that is not clearly better than chance." if doubtful else ""
    who = f" by {study.title_of(study.main)}" if len(study.models) > 1 else ""
    whom = "subjects by their held-out slices" if study.by_slice else "held-out subjects"
    return (
        f"Classified right{who}: {right} of {count} {whom}. "
        f"Accuracy {_estimate(scores['accuracy'])}; "
        f"balanced accuracy {_estimate(scores['balanced_accuracy'])}.{verdict}"
    )


def how_all_did(study: StudyContent) -> str:
    """Balanced accuracy of every network, with its range over seeds; nothing where there is one model."""
    if len(study.models) == 1:
        return ""
    told = []
    for network in study.networks:
        values = [
            model.metrics["subjects"]["balanced_accuracy"]["value"]
            for model in study.models
            if model.network == network.network
        ]
        spread = f" ({decimal(min(values))} to {decimal(max(values))})" if len(values) > 1 else ""
        told.append(f"{network_title(network.network)} {decimal(sum(values) / len(values))}{spread}")
    seeds = len({model.seed for model in study.models})
    over = f", mean and range over {seeds} seeds" if seeds > 1 else ""
    return f"Balanced accuracy per subject{over}: {_listed(told)}."


def what_baselines_do(study: StudyContent) -> str:
    """Which baselines the first network beats, and which it does not; nothing where there are none."""
    networks = {model.name for model in study.models}
    rows = [row for row in study.comparison.get("rows", ()) if row["name"] not in networks]
    rows = [row for row in rows if row["against_first"]]
    own = study.metrics["subjects"]["balanced_accuracy"]["value"]
    beaten = [_against(row, own) for row in rows if _is_beaten(row)]
    unbeaten = [_against(row, own) for row in rows if not _is_beaten(row)]
    first = study.title_of(study.main)
    told = [f"{first} does not beat {_listed(unbeaten)}."] if unbeaten else []
    if beaten:
        told.append(f"{'It' if unbeaten else first} beats {_listed(beaten)}.")
    return " ".join(told)


def what_leaks(study: StudyContent) -> str:
    """What splitting by slice does to accuracy; nothing where it was not measured."""
    if not study.leakage:
        return ""
    told = {
        (row["unit"], row["labels"]): f"{decimal(row['slices']['value'])} "
        f"({interval((row['slices']['low'], row['slices']['high']))})"
        for row in study.leakage["conditions"]
    }
    seeds = len(study.leakage["seeds"])
    return (
        f"Leakage, over {seeds} training{'s' if seeds > 1 else ''} of each kind: with shuffled groups, where there is "
        "nothing to learn, the balanced accuracy of slices (95 % interval) was "
        f"{told['slice', 'shuffled']} when slices were split and {told['subject', 'shuffled']} when subjects were; "
        f"with the true groups {told['slice', 'true']} and {told['subject', 'true']}. By slice: {SLICES_OF_ONE_PERSON}."
        " What chance gives is in the table."
    )


def what_was_left_out(study: StudyContent) -> str:
    """How many scans could not be used, and at which step."""
    if not study.left_out:
        return "Nothing was left out."
    steps: dict[str, int] = {}
    for row in study.left_out:
        steps[row["step"]] = steps.get(row["step"], 0) + 1
    listed = ", ".join(
        f"{count} scan{'s' if count > 1 else ''} at the step “{step}”" for step, count in steps.items()
    )
    return f"Left out: {listed}; the table “Left out” gives each reason."


def limits(study: StudyContent) -> list[str]:
    """What the reader must know before believing the page."""
    found = [f"The split was by slice: {study.warning}."] if study.warning else []
    found.append("For research only, not for diagnosis.")
    if study.synthetic:
        found.append("The scans are synthetic: they show that the method works, and nothing about a disease.")
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
    pooling = " with global average pooling" if known else ""
    told = [f"{_listed(titles)}{pooling}, starting from {start}," for start, titles in titles_of.items()]
    return _listed(told)


def _start(study: StudyContent, network: str) -> str:
    weights = str(study.configuration.get("network", {}).get("weights", "default"))
    chosen = default_weights(network) if weights == "default" else weights
    known = {"imagenet": "ImageNet weights", "none": "random weights"}
    return known.get(chosen, f"the weights of {chosen}")


def _epochs(study: StudyContent) -> str:
    histories = [history for model in study.models for history in model.histories.values()]
    if not histories:
        return ""
    if len(histories) == 1:
        (history,) = histories
        count = len(history["epochs"])
        unit = "epochs" if count > 1 else "epoch"
        return f" for {count} {unit} (the weights of epoch {history['best_epoch']} were kept)"
    lengths = sorted({len(history["epochs"]) for history in histories})
    epochs = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    return f" for {epochs} epochs (the weights of the lowest validation loss were kept)"


def _pictures(study: StudyContent) -> str:
    plane = trained_plane(study.card)
    channels = study.card.input.get("channels", "sequences")
    if channels == "neighbours":
        return f"{plane} slices of one sequence with their neighbours"
    return f"single {plane} slices" + (" of one sequence" if channels == "each" else "")


def _is_beaten(row: Mapping[str, Any]) -> bool:
    """Whether interval and p-value of the first network's gain in balanced accuracy agree that it is above 0."""
    gain = row["against_first"]["balanced_accuracy"]
    limits_of, p_value = gain["bootstrap"], gain["p_value"]
    return limits_of is not None and limits_of[0] > 0 and p_value is not None and p_value < 0.05


def _against(row: Mapping[str, Any], own: float) -> str:
    difference = row["against_first"]["balanced_accuracy"]
    limits_of = difference["bootstrap"]
    spread = f", 95 % interval {interval(limits_of)}" if limits_of else ""
    if difference["p_value"] is not None:
        spread += f", p {_p_value(difference['p_value'])}"
    return (
        f"{row['title']} (balanced accuracy {decimal(own)} against {decimal(row['balanced_accuracy']['value'])}; "
        f"difference {decimal(difference['value'])}{spread})"
    )


def _estimate(estimate: Mapping[str, Any]) -> str:
    limits_of = estimate.get("small_sample") or estimate["bootstrap"]
    p_value = estimate.get("p_value")
    tested = "" if p_value is None else f"; p {_p_value(p_value)}"
    return f"{estimate['value']:.2f} (95 % interval {interval(limits_of)}; chance {estimate['chance']:.2f}{tested})"


def _p_value(p_value: float) -> str:
    return small(p_value) if p_value < 0.001 else f"= {small(p_value)}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
