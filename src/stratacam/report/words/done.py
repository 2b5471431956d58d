"""What was done: split, first weights and training, in sentences."""

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.learning.dataset import BRAIN
from stratacam.maps import trained_plane
from stratacam.networks import BrainUse, default_weights, is_elsewhere, source_named
from stratacam.report.content import StudyContent
from stratacam.report.numbers import counted, decimal, sentence_case, small

OVER: dict[BrainUse, str] = {
    "features": " of features of the brain alone",
    "pooling": " over the brain",
    "off": "",
}
"""What global average pooling is over, by what networks do with the brain."""

UNKNOWN_TRAINING = "Nobody here can tell whether others of them were in its training: its makers know."


def how_it_was_split(study: StudyContent) -> str:
    """By subject, in one split or in folds, or by slice."""
    slices = sum(study.metrics["slices_per_class"].values())
    if study.given:
        known = sum(part == "train" for part in study.part.values())
        people = counted(len(study.group), "person")
        judged = (
            f"of {people}, {len(study.group) - known} were judged, and {known} left out, as it was trained on them "
            "by its card"
            if known
            else f"{'all ' if len(study.group) > 1 else ''}{people} {'were' if len(study.group) > 1 else 'was'} judged"
        )
        return (
            f"The classifier was given, and nobody was trained on here: {judged}. "
            f"{sentence_case(judged_pictures(study))}. {UNKNOWN_TRAINING}"
        )
    if study.by_slice:
        parts = study.slices_of_part
        return (
            f"Slices were split at random: {parts['train']} for training, {parts['validation']} for validation, "
            f"{parts['test']} held out: {SLICES_OF_ONE_PERSON}."
        )
    if study.main.folds:
        return (
            f"Every subject was held out in one of {study.main.folds} folds and predicted by the model that was "
            f"trained without it ({counted(slices, study.picture)}). In each fold, some of the other subjects were for "
            "validation. No subject is in two parts of a fold."
        )
    train, validation, test = (
        list(study.part.values()).count(part) for part in ("train", "validation", "test")
    )
    return (
        f"The split was by subject: {train} for training, {validation} for validation, {test} held out "
        f"({counted(slices, study.picture)}). No subject is in two parts."
    )


def who_is_judged(study: StudyContent) -> str:
    """How many people a given classifier is judged on, and how many are left out as it was trained on them."""
    known = sum(part == "train" for part in study.part.values())
    if not known:
        return "all of them judged; none was trained on here"
    return (
        f"{len(study.group) - known} of them judged, {known} left out as the classifier was trained on them"
    )


def judged_pictures(study: StudyContent) -> str:
    """How many slices or volumes the judged people were classified by."""
    count, every = sum(study.metrics["slices_per_class"].values()), study.card.input.get("every", 1)
    which = f" (one of every {every} of the brain)" if study.card.dimensions == 2 and every > 1 else ""
    whose = "of those judged " if any(part == "train" for part in study.part.values()) else ""
    return f"{counted(count, study.picture)} {whose}{'was' if count == 1 else 'were'} classified{which}"


def how_split_was_chosen(study: StudyContent) -> str:
    """By whom or what, and when."""
    settings, seeds = study.configuration.get("split", {}), {model.seed for model in study.models}
    if study.given:
        return "There was no split."
    if study.by_slice:
        return "Slices were drawn at random."
    if settings.get("table"):
        return "A table of the study gave the split."
    together = f", people of one {settings['group_by']} together" if settings.get("group_by") else ""
    what = "The folds were" if study.main.folds else "The split was"
    again = {"same": "; all seeds share it", "new": "; every seed has its own"}
    repeated = again.get(settings.get("repeats", ""), "") if len(seeds) > 1 else ""
    return (
        f"{what} drawn at random within each group{together}, by the study's seed ({study.main.seed}), before any "
        f"training{repeated}."
    )


def whether_training_ended_early(study: StudyContent) -> str:
    """In how many trainings the last epoch is the one that was kept; "" if in none."""
    histories = [history for model in study.models for history in model.histories.values()]
    last = sum(history["best_epoch"] == len(history["epochs"]) for history in histories)
    if not last:
        return ""
    which = "The training" if len(histories) == 1 else f"{last} of {len(histories)} trainings"
    return (
        f"{which} kept the last epoch: the validation loss may still have been falling, and more epochs "
        "(`training.epochs`) may give a better network."
    )


def what_was_left_out(study: StudyContent) -> str:
    """How many scans could not be used, and at which step."""
    if not study.left_out:
        return "No scan was left out as unusable." if study.given else "Nothing was left out."
    steps = [row["step"] for row in study.left_out]
    counts = {step: steps.count(step) for step in dict.fromkeys(steps)}
    text = ", ".join(f"{counted(count, 'scan')} at the step “{step}”" for step, count in counts.items())
    return f"Left out: {text}. The table “Left out” gives each reason."


def starting_weights(study: StudyContent, network: str) -> str:
    """What the weights of a network are before training, such as "ImageNet weights"."""
    if study.given:
        return "its own weights"
    weights = str(study.configuration.get("network", {}).get("weights", "default"))
    dimensions = study.configuration.get("pictures", {}).get("dimensions", 2)
    chosen = default_weights(network, dimensions) if weights == "default" else weights
    ready = (
        f"pretrained weights of {source_named(network).title}"
        if is_elsewhere(network)
        else "ImageNet weights"
    )
    known = {"imagenet": ready, "none": "random weights"}
    return known.get(chosen, f"the weights of {chosen}")


def how_it_was_guided(study: StudyContent) -> str:
    """What the first network's training was guided by, and what other air does to it; "" where nothing guided it."""
    settings, air = study.card.training.get("settings", {}), study.card.training.get("air")
    if not settings.get("relevance") or air is None:
        return ""
    mask = "the brain" if settings["relevance_mask"] == BRAIN else f"masks of {settings['relevance_mask']}"
    return (
        f"Training was guided: the loss held {settings['relevance']:g} times the share of heat outside {mask} "
        f"({settings['relevance_layer']}). With tissue-like noise in place of the air around the brain, the explaining "
        f"model gives {small(air['flipped'])} of its held-out {study.picture}s another class, and the margin changes "
        f"by {decimal(air['change'])} (standard deviation between {study.picture}s {decimal(air['spread'])})."
    )


def late_fusion_in_words(study: StudyContent) -> str:
    """How sequences are joined; "" where they are channels of a picture."""
    if not study.card.branches:
        return ""
    return (
        "The network has one branch for each sequence, with weights of its own, and its logits are the mean of the "
        "branches' (late fusion)."
    )


def pictures_in_words(study: StudyContent) -> str:
    """What is classified, such as "single axial slices"."""
    if study.card.dimensions == 3:
        return "whole volumes"
    plane = trained_plane(study.card)
    channels = study.card.input.get("channels", "sequences")
    if channels == "neighbours":
        return f"{plane} slices of one sequence with their neighbours"
    return f"single {plane} slices" + (" of one sequence" if channels == "each" else "")
