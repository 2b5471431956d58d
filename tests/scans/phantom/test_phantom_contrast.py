import pytest

from stratacam.scans.phantom.contrast import TISSUES, Tissue, signal
from stratacam.scans.sequences import Timing, simulated_sequences


def test_spin_echo_signal_by_hand():
    # 1 - exp(-1) = 0.632121; exp(-0.5) = 0.606531
    assert signal(Tissue(0.8, 500, 20), Timing(500, 10)) == pytest.approx(0.8 * 0.632121 * 0.606531, rel=1e-5)


def test_inversion_recovery_nulls_a_tissue_at_ln_2_of_its_t1():
    # with full relaxation between repetitions
    assert signal(Tissue(1.0, 1000, 100), Timing(1e6, 100, 693.147)) == pytest.approx(0, abs=1e-6)


def test_inversion_recovery_gives_magnitude():
    # TI = 0: 1 - 2 + exp(-inf) = -1
    assert signal(Tissue(1.0, 1000, 1e9), Timing(1e6, 1, 0.0)) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("sequence", "darkest_first"),
    [
        ("T1w", ["fluid", "black hole", "grey matter", "lesion", "white matter", "fat"]),
        ("T2w", ["white matter", "grey matter", "lesion", "black hole", "fluid"]),
        ("FLAIR", ["fluid", "white matter", "grey matter", "black hole", "lesion"]),
        ("PDw", ["fluid", "white matter", "grey matter", "lesion"]),
    ],
)
def test_order_of_tissues_is_that_of_clinical_scans(sequence, darkest_first):
    signals = [signal(TISSUES[tissue], simulated_sequences()[sequence]) for tissue in darkest_first]
    assert signals == sorted(signals)
