"""Finished studies that several tests read."""

import pytest
from small_study import FEW, write_study

from stratacam.report import figure
from stratacam.report.figure import style


@pytest.fixture(scope="module")
def coarse_figures():
    """Figures are saved with few dots: pages of a module of tests are about words, or about layout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "DOTS_PER_INCH", 40)
        patch.setattr(figure, "PAGE_DOTS_PER_INCH", 40)
        yield


@pytest.fixture(autouse=True, scope="session")
def _style():
    """Figures are drawn as the report draws them."""
    with style():
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study with three groups, truth and maps of all classes; one scan could not be used."""
    return write_study(
        tmp_path_factory.mktemp("study"),
        left_out=[("sub-99", "prepare", "no FLAIR & no T2w")],
        every_class=True,
    )


@pytest.fixture(scope="session")
def plain_study(tmp_path_factory):
    """A study without truth and with nothing left out; one subject is classified wrong."""
    return write_study(tmp_path_factory.mktemp("plain"), truth=False, layers=FEW, wrong=("sub-07",))


@pytest.fixture(scope="session")
def folds_study(tmp_path_factory):
    """Two networks, two seeds, three folds, and two baselines; one subject is classified wrong."""
    return write_study(
        tmp_path_factory.mktemp("folds"),
        layers=FEW,
        wrong=("sub-07",),
        networks=("small_cnn",),
        seeds=(3, 4),
        split="folds",
        baselines={"volume": 0.9, "intensity": 0.1},
    )


@pytest.fixture(scope="session")
def slice_study(tmp_path_factory):
    """A study in which slices were split."""
    return write_study(tmp_path_factory.mktemp("slice"), layers=FEW, split="slice", baselines={})
