"""The report of a classifier that was given: what it takes, who was judged, what cannot pass, and no path."""

from dataclasses import replace

import pytest

from stratacam.evidence.pick import JudgedMap
from stratacam.report.content import read_study
from stratacam.report.content.recommended import Recommended
from stratacam.report.page.privacy import Privacy
from stratacam.report.statements.facts import goal, model, same_cohort
from stratacam.report.statements.methods import methods_section
from stratacam.report.statements.model_card import model_card
from stratacam.report.tables.cohort import cohort_table, trained_on_table
from stratacam.report.words.done import how_it_was_split
from stratacam.report.words.summary import summary

GIVEN = "given:/home/somebody/audit/model/card.toml"
TAKES = {"file": "net.onnx", "channels": [2], "size": [96, 96], "mean": [0.3], "deviation": [0.25]}
FEW = "the truth in comparison with noise: 5 subjects, 10 are needed"
CHANCE = "the network was not shown to do better than chance on people held out"


@pytest.fixture(scope="module")
def given(plain_study):
    """A study as if its network had been given, by a card that takes FLAIR alone."""
    study = read_study(plain_study)
    card = study.card.model_copy(
        update={"architecture": GIVEN, "input": {**study.card.input, "takes": TAKES, "every": 4}}
    )
    models = tuple(
        replace(
            one,
            runs=tuple(replace(run, run=replace(run.run, network=GIVEN)) for run in one.runs),
            histories={},
        )
        for one in study.models[:1]
    )
    part = {subject: "train" if part == "train" else "test" for subject, part in study.part.items()}
    configuration = {**study.configuration, "network": {"architecture": GIVEN}}
    return replace(study, card=card, models=models, part=part, configuration=configuration)


def answers(study):
    return {one.question: one for one in summary(study, [])}


def test_the_input_is_what_the_classifier_takes_wherever_it_is_said(given):
    takes = (
        "The classifier takes 1 channel (FLAIR), resampled linearly to 96 x 96 pixels: intensities from 0 (black) to "
        "1, less the mean 0.3, divided by the deviation 0.25."
    )
    asked = answers(given)["What was asked?"].more
    assert "slices of FLAIR;" in asked
    methods = dict(methods_section(given))["Networks and training"]
    assert "(FLAIR) into" in methods
    assert "with its own weights. The classifier takes" in methods
    first, *_ = model_card(given)
    assert any("slices of FLAIR as stratacam" in sentence for sentence in first.sentences)
    assert first.sentences[0].startswith("The classifier given, net.onnx, as it was given")
    assert not any("safetensors" in sentence for sentence in first.sentences)
    assert takes in asked
    assert takes in methods
    assert takes in first.sentences
    assert "1 channel of 96 x 96 pixels" in model(given)
    assert goal(given) == "A trained classifier is tested; nothing is developed."
    assert same_cohort(given).startswith("Not known here")


def test_means_of_several_channels_and_pictures_at_their_own_size_are_said(given):
    takes = {**TAKES, "channels": [2, 0], "size": None, "mean": [0.3, 0.5]}
    card = given.card.model_copy(update={"input": {**given.card.input, "takes": takes}})
    asked = answers(replace(given, card=card))["What was asked?"].more
    assert "2 channels (FLAIR, T1w) at the size of the pictures" in asked
    assert "less the means 0.3 and 0.5, divided by the deviation 0.25" in asked
    plain = {**TAKES, "size": [80, 64], "mean": [0.0], "deviation": [1.0]}
    card = given.card.model_copy(update={"input": {**given.card.input, "takes": plain, "shape": [80, 64]}})
    asked = answers(replace(given, card=card))["What was asked?"].more
    assert "1 channel (FLAIR) of 80 x 64 pixels: intensities from 0 (black) to 1." in asked


def test_who_was_judged_and_who_was_left_out_is_said_with_one_count(given):
    known = sorted(subject for subject, part in given.part.items() if part == "train")
    people, judged = len(given.group), len(given.group) - len(known)
    answer = answers(given)["How many people, split how?"]
    assert answer.short == (
        f"{people} people, {judged} of them judged, {len(known)} left out as the classifier was trained on them."
    )
    assert "of those judged were classified (one of every 4 of the brain)" in answer.more
    assert "Nobody here can tell whether others of them were in its training" in answer.more
    assert f"of {people} people, {judged} were judged, and {len(known)} left out" in how_it_was_split(given)
    assert [row[0] for row in trained_on_table(given).rows] == known
    assert cohort_table(given).columns == ("group", "trained on, left out", "judged", "all")


def test_where_nobody_is_known_to_have_been_trained_on_everybody_is_judged(given):
    everybody = replace(given, part=dict.fromkeys(given.part, "test"))
    assert answers(everybody)["How many people, split how?"].short.endswith(
        "all of them judged; none was trained on here."
    )
    assert f"all {len(given.group)} people were judged" in how_it_was_split(everybody)
    assert trained_on_table(everybody) is None


def test_the_model_card_does_not_say_that_nobody_was_left_out(given):
    people = next(section for section in model_card(given) if section.heading == "People")
    assert "left out as the classifier was trained on them; the groups" in people.sentences[0]
    assert people.sentences[1] == "No scan was left out as unusable."


def test_what_no_map_could_pass_stands_on_the_first_screen_and_seeds_are_no_remedy(given):
    def judged(*reasons, others=(), faults=("it fails",)):
        maps = [
            JudgedMap("given_seed-0", 1, "layercam", layer, "not recommended", faults, (*reasons, *more))
            for layer, more in (("block1_conv1", others), ("block5_conv3", ()))
        ]
        return answers(replace(given, recommended=Recommended(GIVEN, tuple(maps), None, (), maps[0], None)))

    answer = judged(FEW, CHANCE, others=("is not repeatable",))["Which map to read?"]
    assert answer.short == "None: no map could pass here."
    assert answer.more.startswith(f"In the way of every map: {FEW}; {CHANCE}. The nearest of 2")
    assert answer.more.endswith("Remedy: measure more people.")
    answer = judged(others=(CHANCE,))["Which map to read?"]
    assert answer.short == "None: no map passed the rule."
    assert answer.more.endswith("Remedy: other methods or layers (`evidence.methods`, `evidence.layers`).")


def test_a_given_classifier_is_named_without_the_folder_of_its_card(given):
    private = Privacy.of(given)
    assert private.without_paths(f"network.architecture: {GIVEN}") == "network.architecture: given:card.toml"
