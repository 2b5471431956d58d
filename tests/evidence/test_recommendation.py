import numpy as np

from stratacam.evidence.recommendation import recommend, rule
from stratacam.evidence.values import SubjectTable

LAYERS = ("shallow", "middle", "deep")
SUBJECTS = tuple(f"sub-{number:02d}" for number in range(10))

SOUND = {
    ("blank", ""): (0.0, 0.0, 0.0),
    ("inside_of_ceiling", ""): (0.95, 0.95, 0.95),
    ("above_rank", ""): (0.1, 0.1, 0.1),
    ("road", "above control"): (0.1, 0.2, 0.3),
    ("repeat_rank", "shift"): (0.9, 0.9, 0.9),
    ("repeat_rank", "noise"): (0.9, 0.9, 0.9),
    ("average_precision", ""): (0.5, 0.5, 0.5),
}


def recommended(changed=None, alike=()):
    measures = {**SOUND, **(changed or {})}
    noise = np.random.default_rng(0).normal(scale=0.001, size=len(SUBJECTS))
    keys = [("gradcam", layer, *measure) for measure in measures for layer in LAYERS]
    columns = [value + noise for values in measures.values() for value in values]
    keys.append(("edges", "", "average_precision", ""))
    columns.append(0.2 - noise)
    for first, second in (("shallow", "middle"), ("shallow", "deep"), ("middle", "deep")):
        keys.append(("gradcam", first, "correlation", second))
        columns.append((0.95 if (first, second) in alike else 0.1) + noise)
    return recommend(SubjectTable(tuple(keys), SUBJECTS, np.column_stack(columns)), "gradcam", LAYERS)


def faults(found, layer):
    return next(verdict.faults for verdict in found.layers if verdict.layer == layer)


def test_layers_that_nothing_speaks_against_are_read():
    assert recommended().recommended == LAYERS


def test_of_layers_that_say_the_same_the_most_faithful_is_read():
    found = recommended(alike=[("middle", "deep")])
    assert found.recommended == ("shallow", "deep")
    assert found.layers[1].alike == ("middle", "deep")
    assert found.layers[1].faults == ()


def test_each_fault_keeps_a_layer_from_being_read_and_is_named():
    for measure, bad, words in (
        (("blank", ""), 0.4, "40% of its maps are blank"),
        (("inside_of_ceiling", ""), 0.5, "its heat inside the brain is 50% of what a map of its resolution"),
        (("above_rank", ""), 0.9, "unchanged (0.90) when the layers above it are randomised"),
        (("road", "above control"), -0.1, "not more faithful than a random map (ROAD -0.100"),
        (("repeat_rank", "noise"), 0.2, "does not repeat under noise (0.20)"),
        (("average_precision", ""), 0.1, "finds the truth no better than an edge filter (-0.100"),
    ):
        sound = SOUND[measure]
        found = recommended({measure: (sound[0], bad, sound[2])})
        assert found.recommended == ("shallow", "deep")
        (fault,) = faults(found, "middle")
        assert fault.startswith(words)


def test_unmeasured_criteria_are_skipped():
    keys = tuple(("gradcam", layer, "blank", "") for layer in LAYERS)
    table = SubjectTable(keys, SUBJECTS, np.zeros((len(SUBJECTS), len(LAYERS))))
    assert recommend(table, "gradcam", LAYERS).recommended == LAYERS


def test_it_may_recommend_nothing():
    found = recommended({("blank", ""): (1.0, 1.0, 1.0)})
    assert found.recommended == ()
    assert found.as_json()["rule"] == rule()
