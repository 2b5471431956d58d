"""What was done and found, in sentences."""

from collections.abc import Mapping
from typing import Any

from stratacam.maps import trained_plane
from stratacam.report.content import StudyContent
from stratacam.report.tables import interval, small

SLICES_OF_ONE_PERSON = "slices of one person in training and test: accuracy is inflated"


def what_was_done(study: StudyContent) -> str:
    """Cohort, network and split."""
    of_group = [
        f"{sum(group == name for group in study.group.values())} {name}" for name in study.card.classes
    ]
    parts = {
        part: sum(where == part for where in study.part.values()) for part in ("train", "validation", "test")
    }
    slices = sum(study.metrics["slices_per_class"].values())
    architecture = study.card.architecture.upper()
    epochs = len(study.history.get("epochs", ()))
    kept = (
        f" for {epochs} epochs (the weights of epoch {study.history['best_epoch']} were kept)"
        if epochs
        else ""
    )
    return (
        f"{len(study.group)} subjects ({', '.join(of_group)}) with {_listed(study.card.input['sequences'])} were "
        f"prepared. {architecture} with global average pooling, starting from "
        f"{_start(study)}, was trained{kept} to tell {_listed(study.card.classes)} apart from single "
        f"{trained_plane(study.card)} slices. "
        f"The split was by subject: {parts['train']} to train, {parts['validation']} to decide when to stop, "
        f"{parts['test']} held out ({slices} slices). No subject is in two parts."
    )


def what_was_found(study: StudyContent) -> str:
    """The held-out result per subject, as it is."""
    scores = study.metrics["subjects"]
    count = sum(study.metrics["subjects_per_class"].values())
    right = sum(row[number] for number, row in enumerate(scores["confusion"]))
    p_values = [scores[name].get("p_value") for name in ("accuracy", "balanced_accuracy")]
    doubtful = any(p_value is not None and p_value >= 0.05 for p_value in p_values)
    verdict = " With these few subjects, that is not clearly better than chance." if doubtful else ""
    return (
        f"Classified right: {right} of {count} held-out subjects. "
        f"Accuracy {_estimate(scores['accuracy'])}; "
        f"balanced accuracy {_estimate(scores['balanced_accuracy'])}.{verdict}"
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
    found = ["For research only, not for diagnosis."]
    if study.synthetic:
        found.append("The scans are synthetic: they show that the method works, and nothing about a disease.")
    if study.configuration.get("split", {}).get("unit") == "slice":
        found.append(f"The split was by slice: {SLICES_OF_ONE_PERSON}.")
    found.append(
        "A map shows what raised the network's score for a class. It does not show that the network is right, nor "
        "that the place matters in the disease."
    )
    return found


def _estimate(estimate: Mapping[str, Any]) -> str:
    limits_of = estimate.get("small_sample") or estimate["bootstrap"]
    p_value = estimate.get("p_value")
    tested = (
        "" if p_value is None else f"; p {small(p_value)}" if p_value < 0.001 else f"; p = {small(p_value)}"
    )
    return f"{estimate['value']:.2f} (95 % interval {interval(limits_of)}; chance {estimate['chance']:.2f}{tested})"


def _start(study: StudyContent) -> str:
    weights = str(study.configuration.get("network", {}).get("weights", "imagenet"))
    known = {"imagenet": "ImageNet weights", "none": "random weights"}
    return known.get(weights, f"the weights of {weights}")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
