"""Finished studies that several tests read."""

import io
from contextlib import contextmanager

import pytest
from PIL import Image
from small_evidence import add_evidence
from small_study import FEW, write_study

from stratacam.files import read_json, write_json, write_text
from stratacam.report import album, figure, write_report


@pytest.fixture(autouse=True, scope="session")
def _style():
    """Figures are drawn as the report draws them."""
    with figure.style():
        yield


TRAINING = {
    "initial_weights": "imagenet", "best_epoch": 2, "temperature": 1.5,
    "settings": {
        "frozen": ["block1_*"], "epochs": 8, "patience": 4, "batch_size": 16, "body_rate": 1e-4, "head_rate": 1e-3,
        "weight_decay": 0.01, "label_smoothing": 0.05, "balance": "weights", "relevance": 0.0,
        "augmentation": {"rotation": 10.0, "scaling": 0.1, "flip": 0.0},
    },
}  # fmt: skip
"""What a model's card says of its training."""


def write_nothing(_figure, path, endings):
    """In place of a saved figure: empty files."""
    files = [path.with_name(f"{path.name}.{ending}") for ending in endings]
    for file in files:
        write_text(file, "")
    return files


def grey_picture(shown):
    """In place of a figure on the page, as large as it."""
    buffer = io.BytesIO()
    width, height = (shown.figure.get_size_inches() * 40).astype(int).tolist()
    Image.new("RGB", (width, height), "grey").save(buffer, "webp")
    return buffer.getvalue()


@contextmanager
def without_pictures():
    """Figures are made but not rendered, which takes most of the time of a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(album, "save_one", write_nothing)
        patch.setattr(album, "page_picture", grey_picture)
        yield


@pytest.fixture(scope="module")
def no_pictures():
    """Pages that a module writes are read for their words."""
    with without_pictures():
        yield


@pytest.fixture(scope="module")
def coarse_figures():
    """Figures of all pages that a module writes have few dots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "DOTS_PER_INCH", 40)
        patch.setattr(figure, "PAGE_DOTS_PER_INCH", 40)
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
    with without_pictures():
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
