import numpy as np
import pytest

from stratacam.evidence.recommendation import criteria, recommend, rule
from stratacam.evidence.values import SubjectTable
from stratacam.files import write_json
from stratacam.study.steps.evidence import has_learned

LAYERS = ("shallow", "middle", "deep")
SUBJECTS = tuple(f"sub-{number:02d}" for number in range(12))

SOUND = {
    ("blank", ""): 0.0,
    ("inside_of_ceiling", ""): 0.95,
    ("above_rank", ""): 0.1,
    ("road", "above control"): 0.1,
    ("road", "above others"): 0.1,
    ("repeat_rank", "shift"): 0.9,
    ("repeat_rank", "noise"): 0.9,
    ("repeat_rank", "fold"): 0.9,
    ("region_agreement", ""): 0.9,
    ("average_precision", ""): 0.5,
    ("average_precision", "above noise"): 0.4,
}
REFERENCES = {("edges", ""): 0.2}
NOISE = np.random.default_rng(0).normal(scale=0.001, size=len(SUBJECTS))


def found_in(changed=None, *, without=(), alike=(), subjects=None, spread=NOISE, **given):
    """The recommendation where the middle layer differs from sound ones by what is changed."""
    columns = {
        ("gradcam", layer, *measure): value + NOISE
        for measure, value in SOUND.items()
        for layer in LAYERS
        if measure not in without
    }
    for measure, value in (changed or {}).items():
        columns["gradcam", "middle", *measure] = value + spread
    if ("average_precision", "") not in without or ("average_precision", "above noise") not in without:
        columns |= {(*one, "average_precision", ""): value - NOISE for one, value in REFERENCES.items()}
    for first, second in (("shallow", "middle"), ("shallow", "deep"), ("middle", "deep")):
        columns["gradcam", first, "correlation", second] = (0.95 if (first, second) in alike else 0.1) + NOISE
    table = SubjectTable(
        tuple(columns), SUBJECTS[:subjects], np.column_stack(list(columns.values()))[:subjects]
    )
    (found,) = recommend(table, ["gradcam"], LAYERS, **{"learnt": True, **given})
    return found


def test_layers_that_meet_every_criterion_are_recommended():
    assert found_in().recommended == LAYERS


def test_of_layers_that_say_the_same_the_most_faithful_is_recommended():
    found = found_in({("road", "above control"): 0.2}, alike=[("middle", "deep")])
    assert found.recommended == ("shallow", "middle")
    assert found.layers[2].alike == ("middle", "deep")
    assert found.layers[2].verdict == "says the same"


def test_layers_say_the_same_only_if_their_correlation_was_shown():
    spread = np.resize([-0.3, 0.3], len(SUBJECTS))
    key = ("gradcam", "middle", "correlation", "deep")
    found = found_in(alike=[("middle", "deep")])
    assert found.layers[1].alike == ("middle", "deep")
    columns = {key: 0.85 + spread, ("gradcam", "shallow", "correlation", "deep"): 0.1 + NOISE}
    table = SubjectTable(tuple(columns), SUBJECTS, np.column_stack(list(columns.values())))
    (found,) = recommend(table, ["gradcam"], LAYERS)
    assert found.layers[1].alike == ("middle",)


@pytest.mark.parametrize(
    ("measure", "bad", "words"),
    [
        (
            ("blank", ""),
            0.4,
            "more than 10% of its maps are blank (0.40; 0.40 to 0.40; at most 0.1 is required)",
        ),
        (
            ("above_rank", ""),
            0.9,
            "does not change when the layers above it are randomised (0.90; 0.90 to 0.90)",
        ),
        (("road", "above control"), -0.1, "no more faithful than a random map (-0.100; -0.10"),
        (("road", "above others"), -0.1, "no more faithful than other subjects' maps (-0.100; -0.10"),
        (("repeat_rank", "noise"), 0.2, "does not repeat under noise (0.20; 0.20 to 0.20)"),
        (("repeat_rank", "fold"), 0.2, "does not repeat with another fold (0.20; 0.20 to 0.20)"),
    ],
)
def test_each_fault_keeps_a_layer_from_being_recommended_and_is_named_with_its_bounds(measure, bad, words):
    found = found_in({measure: bad})
    assert found.recommended == ("shallow", "deep")
    assert found.layers[1].verdict == "not recommended"
    (fault,) = found.layers[1].faults
    assert fault.startswith(words)


def test_a_map_must_find_the_truth_better_than_edges_and_than_noise():
    found = found_in({("average_precision", ""): 0.05, ("average_precision", "above noise"): -0.05})
    assert [fault.partition(" (")[0] for fault in found.layers[1].faults] == [
        "finds the truth no better than an edge filter",
        "finds the truth no better than noise of its resolution",
    ]


@pytest.mark.parametrize(
    ("measure", "mean", "words"),
    [
        (("above_rank", ""), 0.45, "was not shown to change when the layers above it are randomised"),
        (("road", "above control"), 0.05, "was not shown to be more faithful than a random map"),
        (("repeat_rank", "shift"), 0.55, "was not shown to repeat under shift"),
    ],
)
def test_the_burden_of_proof_lies_with_the_layer(measure, mean, words):
    found = found_in({measure: mean}, spread=np.resize([-0.4, 0.4], len(SUBJECTS)))
    assert found.layers[1].verdict == "cannot say"
    (reason,) = found.layers[1].reasons
    assert reason.startswith(words)


@pytest.mark.parametrize("measure", [key for key in SOUND if key[0] != "region_agreement"])
def test_less_evidence_never_gives_more_recommendations(measure):
    found = found_in(without=[measure])
    assert {one.verdict for one in found.layers} == {"cannot say"}
    (reason,) = found.layers[0].reasons
    assert reason.endswith("not measured")


def test_without_a_truth_that_the_study_states_none_is_required():
    assert found_in(without=[key for key in SOUND if key[0] == "average_precision"]).recommended == LAYERS


def test_another_seed_or_another_fold_will_do():
    found = found_in({("repeat_rank", "seed"): 0.2})
    assert "does not repeat with another seed" in found.layers[1].faults[0]
    (reason,) = found_in(without=[("repeat_rank", "fold")]).layers[0].reasons
    assert reason == "other trainings not measured"


def test_nine_subjects_say_nothing():
    found = found_in(subjects=9)
    assert {one.verdict for one in found.layers} == {"cannot say"}
    assert "blank maps: 9 subjects, 10 are needed" in found.layers[0].reasons


@pytest.mark.parametrize(
    ("learnt", "reason"),
    [
        (None, "whether the network learned was not measured"),
        (False, "the network was not shown to do better than chance on people held out"),
    ],
)
def test_nothing_is_recommended_of_a_network_that_was_not_shown_to_have_learned(learnt, reason):
    found = found_in(learnt=learnt)
    assert found.recommended == ()
    assert found.layers[0].reasons == (reason,)


def test_numbers_of_the_chosen_layer_come_from_subjects_that_did_not_choose_it():
    """Where layers do not differ, the chosen one's mean is too high; the cross-fitted one is not."""
    random = np.random.default_rng(0)
    chosen, fitted = [], []
    for _ in range(40):
        road = random.normal(size=(12, 3)) + 3
        columns = {
            ("gradcam", layer, *measure): value + NOISE
            for measure, value in SOUND.items()
            for layer in LAYERS
        }
        columns |= {(*one, "average_precision", ""): value - NOISE for one, value in REFERENCES.items()}
        columns |= {("gradcam", layer, "road", "above control"): road[:, n] for n, layer in enumerate(LAYERS)}
        columns |= {
            ("gradcam", a, "correlation", b): 0.95 + NOISE
            for n, a in enumerate(LAYERS)
            for b in LAYERS[n + 1 :]
        }
        table = SubjectTable(tuple(columns), SUBJECTS, np.column_stack(list(columns.values())))
        (choice,) = recommend(table, ["gradcam"], LAYERS, learnt=True)[0].choices
        chosen.append(road[:, LAYERS.index(choice.layer)].mean())
        fitted.append(choice.numbers[0].value)
    assert np.mean(chosen) > 3.15
    assert abs(np.mean(fitted) - 3) < 0.12


def test_it_may_recommend_nothing():
    found = found_in(without=list(SOUND))
    assert found.recommended == ()
    assert found.as_json()["rule"] == rule()._asdict()
    assert len(rule().criteria) == len(criteria()) + 1


def test_the_rule_says_of_which_criteria_no_error_rate_holds():
    of_means = [one for one in rule().criteria if "(mean of" in one]
    assert len(of_means) == sum(criterion.number == "mean" for _, criterion in criteria()) == 3
    assert "have no error rate" in rule().remarks


@pytest.mark.parametrize("huge", [np.inf, -np.inf, 1e200])
def test_numbers_that_are_not_finite_are_no_values_and_huge_ones_give_no_nan(huge):
    spread = np.where(np.arange(len(SUBJECTS)) < 3, huge, NOISE)
    found = found_in({("road", "above control"): 0.1}, spread=spread)
    assert found.layers[1].verdict == "cannot say"
    assert "nan" not in found.layers[1].reasons[0]


def test_where_most_subjects_have_one_value_and_few_another_nothing_is_said():
    """One far below and nine tied: the lower bound was above the true mean in 93 % of samples."""
    rare = np.where(np.arange(len(SUBJECTS)) == 0, 0.0, 0.1)
    found = found_in({("road", "above control"): 0.0}, spread=rare)
    (reason,) = found.layers[1].reasons
    assert reason.endswith("(0.092; no bounds, as most subjects have the same value)")


def test_repeats_that_are_all_exactly_1_are_repeats():
    assert "middle" in found_in({("repeat_rank", "shift"): 1.0}, spread=np.zeros(len(SUBJECTS))).recommended


def test_without_methods_there_is_nothing_to_recommend():
    table = SubjectTable((), SUBJECTS, np.zeros((len(SUBJECTS), 0)))
    assert recommend(table, [], LAYERS) == ()


def test_a_truth_that_is_stated_but_shown_in_no_slice_is_not_skipped():
    truth = (("average_precision", ""), ("average_precision", "above noise"))
    assert found_in(without=truth).recommended == LAYERS
    found = found_in(without=truth, truth=True)
    assert {one.verdict for one in found.layers} == {"cannot say"}


@pytest.mark.parametrize(
    ("interval", "learnt"), [([0.34, 0.9], True), ([0.33, 0.9], False), ([0.2, 0.5], False), (None, None)]
)
def test_a_network_has_learned_where_its_interval_lies_above_chance(tmp_path, interval, learnt):
    accuracy = {"value": 0.6, "chance": 0.33, "interval": interval}
    write_json(tmp_path / "metrics.json", {"subjects": {"balanced_accuracy": accuracy}})
    assert has_learned(tmp_path) is learnt
    assert has_learned(tmp_path / "gone") is None
