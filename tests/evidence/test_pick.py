"""The map that a study recommends, of one network or of several."""

import numpy as np

from stratacam.evidence.pick import JudgedMaps, pick
from stratacam.evidence.recommendation import LayerVerdict
from stratacam.evidence.values import SubjectTable

SUBJECTS = tuple(f"sub-{number:02d}" for number in range(12))
NOISE = np.random.default_rng(0).normal(scale=0.01, size=len(SUBJECTS))


def judged(name, road, verdict="recommended", *, subjects=SUBJECTS, faults=(), networks=1):
    """One method and layer, this much more faithful than its controls."""
    values = (road + NOISE)[: len(subjects), None]
    table = SubjectTable((("layercam", "layer", "road", "above control"),), subjects, values)
    return JudgedMaps(
        name, networks, table, {"layercam": [LayerVerdict("layer", verdict, faults, (), ("layer",))]}
    )


def test_the_most_faithful_map_that_passed_is_recommended_whichever_networks_it_is_of():
    for one, several in ((0.1, 0.3), (0.3, 0.1)):
        found = pick([judged("vgg16_seed-0", one), judged("vgg16_consensus", several, networks=3)])
        assert found.recommended.name == ("vgg16_consensus" if several > one else "vgg16_seed-0")
        assert found.recommended.networks == (3 if several > one else 1)
        assert abs(found.numbers[0].value - 0.3) < 0.02
        assert found.nearest is None


def test_a_map_that_did_not_pass_is_not_recommended_however_faithful():
    found = pick([judged("a", 0.1), judged("b", 0.9, "not recommended", faults=("blank",))])
    assert found.recommended.name == "a"
    assert [one.verdict for one in found.judged] == ["recommended", "not recommended"]


def test_where_none_passed_the_nearest_is_named():
    found = pick(
        [
            judged("a", 0.1, "not recommended", faults=("one", "two")),
            judged("b", 0.1, "cannot say", faults=("one",)),
        ]
    )
    assert (found.recommended, found.nearest.name, found.numbers) == (None, "b", ())
    assert found.as_json()["recommended"] is None


def test_maps_of_different_subjects_are_compared_on_those_of_both():
    found = pick([judged("a", 0.1), judged("b", 0.3, subjects=SUBJECTS[:10])])
    assert found.numbers[0].subjects == 10


def test_numbers_are_of_people_who_did_not_choose():
    """Of many maps without any effect the best looks good on those who chose it, and like nothing on others."""
    random = np.random.default_rng(0)
    layers = [f"layer{number}" for number in range(20)]
    chosen, fitted = [], []
    for seed in range(60):
        road = random.normal(size=(len(SUBJECTS), len(layers)))
        table = SubjectTable(
            tuple(("layercam", layer, "road", "above control") for layer in layers), SUBJECTS, road
        )
        verdicts = [LayerVerdict(layer, "recommended", (), (), (layer,)) for layer in layers]
        found = pick([JudgedMaps("a", 1, table, {"layercam": verdicts})], seed=seed)
        chosen.append(road[:, layers.index(found.recommended.layer)].mean())
        fitted.append(found.numbers[0].value)
    assert np.mean(chosen) > 0.4
    assert abs(np.mean(fitted)) < 0.1


def test_that_a_map_passed_on_everybody_does_not_flatter_its_numbers():
    """Of many maps that truly miss a threshold, those that pass by chance pass on those who are counted too."""
    layers = [f"layer{number}" for number in range(20)]
    fitted = []
    for seed in range(150):
        random = np.random.default_rng(seed)
        agreement = 0.42 + 0.25 * random.normal(size=(20, len(layers)))
        road = 0.1 + 0.05 * random.normal(size=(20, len(layers)))
        subjects = tuple(f"sub-{number:02d}" for number in range(20))
        keys = [
            ("layercam", layer, *one)
            for one in (("road", "above control"), ("region_agreement", ""))
            for layer in layers
        ]
        passed = agreement.mean(axis=0) >= 0.5
        verdicts = [
            LayerVerdict(layer, "recommended" if met else "not recommended", (), (), (layer,))
            for layer, met in zip(layers, passed, strict=True)
        ]
        table = SubjectTable(tuple(keys), subjects, np.hstack([road, agreement]))
        found = pick([JudgedMaps("a", 1, table, {"layercam": verdicts})], seed=seed)
        fitted += [one.value for one in found.numbers if one.measure == "region_agreement"]
    assert len(fitted) > 30
    assert abs(np.mean(fitted) - 0.42) < 0.03
