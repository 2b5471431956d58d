"""Finished studies that several tests read."""

from contextlib import contextmanager

import pytest
from small_evidence import add_evidence
from small_study import FEW, write_study

from stratacam.files import read_json, write_json
from stratacam.report import figure, write_report

TRAINING = {
    "initial_weights": "imagenet", "best_epoch": 2, "temperature": 1.5,
    "settings": {
        "frozen": ["block1_*"], "epochs": 8, "patience": 4, "batch_size": 16, "body_rate": 1e-4, "head_rate": 1e-3,
        "weight_decay": 0.01, "label_smoothing": 0.05, "balance": "weights", "relevance": 0.0,
        "augmentation": {"rotation": 10.0, "scaling": 0.1, "flip": 0.0},
    },
}  # fmt: skip
"""What a model's card says of its training."""


@contextmanager
def few_dots():
    """Figures are saved with few dots: the page is read for its words or its layout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "DOTS_PER_INCH", 40)
        patch.setattr(figure, "PAGE_DOTS_PER_INCH", 40)
        yield


@pytest.fixture(scope="module")
def coarse_figures():
    """Figures of all pages that a module writes have few dots."""
    with few_dots():
        yield


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A study with evidence of one network and of a consensus, whose map passed; one subject is classified wrong."""
    folders = write_study(
        tmp_path_factory.mktemp("published"), layers=FEW, wrong=("sub-07",), left_out=[("sub-99", "prepare", "no T1w")],
        baselines={"volume": 0.9},
    )  # fmt: skip
    add_evidence(folders, layers=FEW, consensus=True)
    for card in folders.models.glob("*/card.json"):
        write_json(card, {**read_json(card), "training": TRAINING})
    return folders


@pytest.fixture(scope="session")
def published_page(published):
    """Its report, which several tests read."""
    with few_dots():
        return write_report(published)


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
