"""What a study knows of itself, for the questions of reporting check-lists; "" where it does not know."""

from stratacam.learning.confounds.columns import SITE
from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.content.subgroups import subgroups
from stratacam.report.names import method_title, weights_in_words
from stratacam.report.numbers import counted, estimate, listed, sentence_case
from stratacam.report.words.done import (
    how_it_was_split,
    how_split_was_chosen,
    starting_weights,
)
from stratacam.report.words.found import does_it_work, how_all_did
from stratacam.report.words.recommended import which_map, who_was_judged
from stratacam.report.words.taken import input_in_words, sequences_taken


def technology(study: StudyContent) -> str:
    """What is used."""
    networks = listed([network_title(model.network) for model in study.networks])
    return f"Deep learning: {networks}, explained by {method_title(next(iter(study.maps.values())).method)}."


def goal(study: StudyContent) -> str:
    """Of the study."""
    if study.given:
        return "A trained classifier is tested; nothing is developed."
    return "A model is developed, and tested on held-out people of the same cohort (internal testing)."


def data_source(study: StudyContent) -> str:
    """As the data set says of itself."""
    name, licence = study.data_set.get("Name"), study.data_set.get("License")
    synthetic = ", synthetic" if study.synthetic else ""
    return f"Data set “{name}”{synthetic}{f', licence {licence}' if licence else ''}." if name else ""


def preparation(_study: StudyContent) -> str:
    """Where it is described."""
    return "Methods, “Scans”."


def preparation_for_all(_study: StudyContent) -> str:
    """Where it is described, and that nobody is prepared otherwise."""
    return "Methods, “Scans”; alike for everybody."


def predictors(study: StudyContent) -> str:
    """What the network is given."""
    return f"Whole {study.picture}s of {listed(sequences_taken(study))}; nothing was selected by results."


def subsets(study: StudyContent) -> str:
    """Which slices are used."""
    low, high = study.card.input.get("part", (0, 1))
    return (
        f"Slices from {100 * low:g} to {100 * high:g} % of the way through the brain, by their place alone."
    )


def missing(study: StudyContent) -> str:
    """What was done where something was missing."""
    return f"Scans that lack a sequence or cannot be prepared are left out: {len(study.left_out)}. Nothing is imputed."


def input_in_use(_study: StudyContent) -> str:
    """What the software does with scans that are not as they should be."""
    return "A scan that lacks a sequence, or cannot be prepared, is refused with the reason, and gets no prediction."


def acquisition(study: StudyContent) -> str:
    """Where it is described."""
    known = any(row["kind"] == "scanner" for row in study.confounds.get("group", ()))
    return "Voxels in Methods; scanner and protocol, as far as known, in the table of confounds." if known else (
        "Voxels in Methods."
    )  # fmt: skip


def outcome_definition(study: StudyContent) -> str:
    """Whose classes are predicted."""
    column = study.configuration.get("cohort", {}).get("group_column", "group")
    return f"The column “{column}” of the cohort's tables: {listed(study.card.classes)}."


def partition(study: StudyContent) -> str:
    """How people were shared out."""
    return f"{how_it_was_split(study)} {how_split_was_chosen(study)}"


def disjoint(study: StudyContent) -> str:
    """What no two parts share."""
    if study.given:
        return "None here; who was in the classifier's training is known to its makers."
    if study.by_slice:
        return "None: slices of one person are in several parts."
    by = study.configuration.get("split", {}).get("group_by")
    return f"Subjects{f', and {by}' if by else ''}: no subject is in two parts."


def sample_size(study: StudyContent) -> str:
    """What the numbers can show."""
    return (
        "Not planned; what so many people can show is in the table of that name." if study.sample_size else ""
    )


def model(study: StudyContent) -> str:
    """Architecture, input and output."""
    return (
        f"{network_title(study.main.network)}: {input_in_words(study)}, "
        f"{len(study.card.classes)} logits; Methods, “Networks and training”."
    )


def software(study: StudyContent) -> str:
    """Versions."""
    versions = study.provenance.get("versions", {})
    return f"{', '.join(f'{name} {version}' for name, version in versions.items())}." if versions else ""


def initialisation(study: StudyContent) -> str:
    """First weights, with the record of their source."""
    if study.given:
        return "None here: the classifier was given with its weights."
    source = str(study.card.training.get("initial_weights", ""))
    start = starting_weights(study, study.main.network)
    return (
        weights_in_words(source)
        if source not in ("", "none", "imagenet")
        else f"{start[0].upper()}{start[1:]}."
    )


def training(_study: StudyContent) -> str:
    """Where it is described."""
    return "Methods, “Networks and training”; every setting in the table of settings."


def selection(study: StudyContent) -> str:
    """How the final model was chosen."""
    if study.given:
        return "The classifier was given; none was chosen here."
    return "The epoch with the lowest validation loss. No model was chosen by held-out results."


def ensembling(study: StudyContent) -> str:
    """Whether several networks are joined."""
    members = max(len(maps.members) for maps in study.maps.values())
    return (
        f"Maps are the consensus of {members} networks; classes are those of one network."
        if members
        else "None."
    )


def metrics(_study: StudyContent) -> str:
    """Which are reported."""
    return "Balanced accuracy, accuracy, sensitivity, specificity, AUROC, Brier score, log loss, calibration error."


def uncertainty(_study: StudyContent) -> str:
    """How it is measured."""
    return "95 % intervals over subjects, not slices; tests by permutation; Methods, “Evaluation”."


def robustness(study: StudyContent) -> str:
    """Over seeds, and against leakage."""
    found = [how_all_did(study)] if len({one.seed for one in study.models}) > 1 else []
    found += ["Leakage was measured."] if study.leakage else []
    return " ".join(found)


def explainability(study: StudyContent) -> str:
    """Methods of maps, and what is known of their trust."""
    trust = which_map(study.recommended)
    return f"Methods, “Maps”. Which map to read: {trust} {who_was_judged(study)}".strip()


def internal_testing(study: StudyContent) -> str:
    """The result."""
    return (
        f"Balanced accuracy {estimate(study.metrics['subjects']['balanced_accuracy'])}. {does_it_work(study)}"
    )


def flow(study: StudyContent) -> str:
    """Numbers in and out."""
    groups = [f"{list(study.group.values()).count(name)} {name}" for name in study.card.classes]
    left_out = (
        f"{counted(len(study.left_out), 'scan')} left out (table “Left out”)"
        if study.left_out
        else ("nothing left out")
    )
    return f"{counted(len(study.group), 'person')} included ({', '.join(groups)}); {left_out}."


def demographics(study: StudyContent) -> str:
    """Where they are."""
    known = [row["name"] for row in study.confounds.get("group", ()) if row["kind"] == "person"]
    return f"{sentence_case(listed(known))} by group in the table of confounds." if known else ""


def performance(_study: StudyContent) -> str:
    """Where it is."""
    return "Held-out people, with intervals: chapter “Results”; by subgroup in the model card."


def precision(_study: StudyContent) -> str:
    """Where it is."""
    return "Sensitivity, specificity and AUROC of every group with 95 % intervals in “Results”."


def failures(_study: StudyContent) -> str:
    """Where they are."""
    return "Confusion matrices, and every person classified wrong, in “Results”."


def limitations(_study: StudyContent) -> str:
    """Where they are."""
    return "First screen, and the model card, “Limits”."


def settings(_study: StudyContent) -> str:
    """Where technical details are."""
    return "Every setting is in the table of settings; `study.json` has them too."


def availability(_study: StudyContent) -> str:
    """Of software and model."""
    return "Software: stratacam, Apache-2.0. Models: in `models/` of the study."


def clusters(study: StudyContent) -> str:
    """Performance by hospital, where that is known of everybody."""
    sites = sorted({one.by for one in subgroups(study) if one.by in SITE})
    return (
        f"Performance by {listed(sites)}, with intervals: model card. No model of clusters." if sites else ""
    )


def fairness(_study: StudyContent) -> str:
    """What was done."""
    return "None in training; performance by sex, age and site, where they are known: model card."


def balance(study: StudyContent) -> str:
    """How unequal groups were handled."""
    chosen = study.card.training.get("settings", {}).get("balance")
    words = {"weights": "Weights in the loss", "sampling": "Sampling of slices", "none": "Nothing"}
    return f"{words[chosen]}; results are given as balanced accuracy." if chosen in words else ""


def output(study: StudyContent) -> str:
    """What the model gives."""
    return (
        f"A probability of each of {listed(study.card.classes)}; the class is the one with the highest mean over a "
        "person's slices. No threshold was chosen."
    )


def calibration(study: StudyContent) -> str:
    """Recalibration."""
    known = study.card.training.get("temperature")
    return "Temperature fitted on validation data; both are reported." if known else "None."


def same_cohort(study: StudyContent) -> str:
    """Differences between training and evaluation data."""
    if study.given:
        return "Not known here; what the classifier was trained on is known to its makers."
    return "None by design: held-out people are of the same cohort, prepared alike."
