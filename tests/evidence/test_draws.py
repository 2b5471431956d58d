import numpy as np
import pytest
from benchmarks.draws import draws_wanted, quotients

from stratacam.evidence.draws import generator, torch_seed


def test_streams_of_different_names_are_independent_and_of_the_same_names_equal():
    names = [("control", f"sub-{subject:02d}", index) for subject in range(20) for index in range(5)]
    drawn = np.array([generator(0, *name).normal(size=500) for name in names])
    np.testing.assert_array_equal(drawn[3], generator(0, *names[3]).normal(size=500))
    correlation = np.corrcoef(drawn)[np.triu_indices(len(names), 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(500)
    assert correlation.std() == pytest.approx(1 / np.sqrt(500), rel=0.1)
    assert len({torch_seed(0, *name) for name in names}) == len(names)


def test_names_are_kept_apart_whatever_they_are_made_of():
    assert torch_seed(0, "a", "bc") != torch_seed(0, "ab", "c")
    assert torch_seed(0, "a", 1) != torch_seed(0, "a1")
    assert torch_seed(1, "a") != torch_seed(0, "a")


def test_the_quotient_is_the_share_of_chance_in_the_spread_over_subjects():
    random = np.random.default_rng(0)
    subjects = random.normal(size=400)
    table = {
        ("gradcam", layer, "road", "above control"): subjects + 0.5 * random.normal(size=(4, 400))
        for layer in ("a", "b")
    }
    assert quotients(table) == {
        "road above control": pytest.approx(np.sqrt(0.25 / 1.25), rel=0.05),
    }


def test_as_many_draws_as_are_wanted_bring_the_quotient_to_the_bar():
    chance = 0.25
    times = draws_wanted(np.sqrt(chance / (1 + chance)))
    assert np.sqrt(chance / times / (1 + chance / times)) == pytest.approx(0.2)
