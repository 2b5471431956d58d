"""The smallest effect that is promised is the one that is found."""

import numpy as np
import pytest

from stratacam.evidence.inference import simultaneous
from stratacam.evidence.inference.power import smallest_effect


@pytest.mark.parametrize(
    ("subjects", "columns"), [(10, 18), (10, 36), (12, 36), (14, 1), (20, 18), (20, 36), (38, 36)]
)
def test_an_effect_that_can_be_seen_is_seen_four_times_in_five(subjects, columns):
    """With the limit of Student's t it was seen in 59 to 71 % of studies of 10 to 20 subjects."""
    effect = smallest_effect(subjects, columns)
    random = np.random.default_rng(columns)
    shown = []
    for trial in range(max(30, 300 // columns)):
        # any column may be the one with the effect, which moves its bounds
        bounds = simultaneous(random.normal(size=(subjects, columns)), null=None, seed=1000 + trial)
        shown.append(bounds.low + effect > 0)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)


def test_more_columns_and_fewer_subjects_ask_for_a_larger_effect():
    assert (
        smallest_effect(20, 4) < smallest_effect(20, 18) < smallest_effect(20, 54) < smallest_effect(10, 54)
    )
    assert smallest_effect(9, 1) is None
