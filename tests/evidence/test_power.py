"""The smallest effect that is promised is the one that is found."""

import numpy as np
import pytest

from stratacam.evidence.inference import simultaneous
from stratacam.evidence.inference.power import smallest_effect


@pytest.mark.parametrize("subjects", [12, 38])
def test_an_effect_that_can_be_seen_is_seen_four_times_in_five(subjects):
    effect = smallest_effect(subjects, 18)
    shown = []
    for trial in range(80):
        values = np.random.default_rng(trial).normal(size=(subjects, 18))
        values[:, 0] += effect
        shown.append(simultaneous(values, seed=trial).low[0] > 0)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.14)


def test_more_columns_and_fewer_subjects_ask_for_a_larger_effect():
    assert (
        smallest_effect(20, 1) < smallest_effect(20, 18) < smallest_effect(20, 54) < smallest_effect(10, 54)
    )
    assert smallest_effect(9, 1) is None
