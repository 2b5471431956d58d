"""Networks that a user wrote: found by reference, tried, saved, and loaded only when asked for by name."""

import random
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from stratacam.cli import app
from stratacam.errors import InputError
from stratacam.networks import ModelCard, load_model, load_network, make_network, save_model, source_file

CODE = """
from dataclasses import dataclass
import random
import numpy as np
import torch
from torch import nn

@dataclass
class Plan:
    channels: int = 4

class Tied(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, Plan().channels, 3)
        self.middle = nn.BatchNorm2d(4)
        self.classifier = nn.Linear(4, classes)
        self.again = self.classifier

    def forward(self, pictures):
        return self.classifier(self.middle(self.stem(pictures)).mean((2, 3)))

def make(classes):
    random.random(), np.random.rand(), torch.rand(1)
    return Tied(classes)

def with_seed(classes, seed):
    model = Tied(classes)
    model.seed = seed
    return model

def fails(classes):
    raise KeyError("unet")

def number(classes):
    return 3

def too_many(classes):
    return Tied(classes + 1)

def grey_only(classes):
    return nn.Sequential(nn.Conv2d(1, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def two_arguments(classes, width):
    return Tied(classes)

SIZE = 64
"""


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "networks_of_a_user.py"
    path.write_text(CODE)
    return path


def card(architecture):
    return ModelCard(
        architecture=architecture,
        classes=("a", "b"),
        input={"size": 32, "shape": [32, 48]},
        training={},
        head="classifier",
    )


def test_a_function_in_a_file_or_in_a_module_makes_the_network(code, monkeypatch):
    by_file = load_network(f"{code}:make", 3, seed=1)
    monkeypatch.syspath_prepend(code.parent)
    by_module = load_network("networks_of_a_user:make", 3, seed=1)
    assert by_file(torch.rand(1, 3, 20, 20)).shape == (1, 3)
    assert not by_file.training
    assert torch.equal(by_file.stem.weight, by_module.stem.weight)
    assert source_file("networks_of_a_user:make") == source_file(f"{code}:make") == code


def test_weights_come_from_the_seed_which_a_function_may_ask_for(code):
    first, same, other = (load_network(f"{code}:make", 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.stem.weight, same.stem.weight)
    assert not torch.equal(first.stem.weight, other.stem.weight)
    assert load_network(f"{code}:with_seed", 2, seed=7).seed == 7


def test_no_source_of_random_numbers_is_touched(code):
    def draw():
        return random.random(), np.random.rand(), float(torch.rand(1))  # noqa: NPY002, S311

    def seed():
        random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002

    seed()
    expected = draw()
    seed()
    load_network(f"{code}:make", 2, seed=1)
    with pytest.raises(InputError):
        load_network(f"{code}:fails", 2, seed=1)
    assert draw() == expected


def test_trying_the_network_leaves_its_batch_normalisation_as_made(code):
    assert float(load_network(f"{code}:make", 2).middle.num_batches_tracked) == 0


def test_a_file_may_import_what_lies_beside_it_and_leaves_the_search_path_alone(tmp_path):
    (tmp_path / "part_of_a_network.py").write_text("WIDTH = 5\n")
    (tmp_path / "whole.py").write_text(
        "from part_of_a_network import WIDTH\nfrom torch import nn\n"
        "def make(classes):\n"
        "    return nn.Sequential(nn.Conv2d(3, classes, WIDTH), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    before = list(sys.path)
    assert load_network(f"{tmp_path / 'whole.py'}:make", 2)[0].kernel_size == (5, 5)
    assert sys.path == before


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "mak",
            r"mak is not there in .*did you mean make\? Its functions and classes: .*make, with_seed, fails",
        ),
        ("SIZE", "SIZE is no function in"),
        ("fails", r"fails failed with KeyError \('unet'\); it is called with the number of classes"),
        ("two_arguments", r"two_arguments failed with TypeError .*'width'"),
        ("number", "returned a int, expected a torch.nn.Module"),
        ("too_many", r"gives \(2, 3\) for pictures of shape \(2, 3, 64, 64\), expected logits \(2, 2\)"),
        ("grey_only", r"fails on pictures of shape \(2, 3, 64, 64\) with RuntimeError"),
        ("not a name", "names no function; write my_networks:make"),
    ],
)
def test_a_function_that_makes_no_such_network_is_refused(code, function, message):
    with pytest.raises(InputError, match=message):
        load_network(f"{code}:{function}", 2)


@pytest.mark.parametrize(
    "reference", ["no_such_module_here:make", "no_such.package.here:make", "absent.py:make"]
)
def test_a_missing_module_or_file_is_named_with_the_remedy(reference):
    with pytest.raises(InputError, match=r"(is not found|is not a file).*PYTHONPATH"):
        load_network(reference, 2)


def test_a_file_that_cannot_be_imported_is_named(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module_here\n")
    with pytest.raises(InputError, match=r"importing .*broken\.py failed with ModuleNotFoundError"):
        load_network(f"{tmp_path / 'broken.py'}:make", 2)


def test_a_saved_model_of_a_user_gives_the_same_logits_also_with_shared_layers(code, tmp_path):
    reference = f"{code}:make"
    model = make_network(reference, 2, seed=4)
    save_model(tmp_path / "model", model, card(reference))
    loaded, read = load_model(tmp_path / "model", network=reference)
    pictures = torch.rand(2, 3, 32, 48)
    assert torch.equal(loaded(pictures), model(pictures))
    assert (read.architecture, read.head) == (reference, "classifier")
    assert not loaded.training


def test_a_card_alone_never_runs_code(tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    save_model(tmp_path / "model", torch.nn.Linear(1, 2), card(f"{trap}:make"))
    with pytest.raises(InputError, match=r"not run on the card's word.*--network .*trap\.py:make"):
        load_model(tmp_path / "model")
    with pytest.raises(InputError, match="and 'vgg16' was named"):
        load_model(tmp_path / "model", network="vgg16")
    assert not (tmp_path / "ran").exists()


def test_the_file_may_have_moved_but_not_be_another(code, tmp_path):
    save_model(tmp_path / "model", load_network(f"{code}:make", 2), card(f"/elsewhere/{code.name}:make"))
    assert load_model(tmp_path / "model", network=f"{code}:make")[1].head == "classifier"
    with pytest.raises(InputError, match="is of the network '/elsewhere/"):
        load_model(tmp_path / "model", network=f"{code}:with_seed")


def test_cards_from_before_heads_were_named_still_load(tmp_path):
    save_model(
        tmp_path,
        make_network("small_cnn", 2),
        ModelCard(architecture="small_cnn", classes=("a", "b"), input={}, training={}),
    )
    old = '{"architecture": "small_cnn", "classes": ["a", "b"], "input": {}, "training": {}}'
    (tmp_path / "card.json").write_text(old)
    assert load_model(tmp_path)[1].head is None
    assert load_model(tmp_path, network="small_cnn")[1].architecture == "small_cnn"


def test_layers_are_listed_for_pictures_of_the_cards_shape(code, tmp_path):
    reference = f"{code}:make"
    save_model(tmp_path / "model", load_network(reference, 2), card(reference))
    answer = CliRunner().invoke(app, ["layers", str(tmp_path / "model"), "--network", reference])
    assert answer.exit_code == 0, answer.output
    assert "input 32 x 48" in answer.output.replace("\n", " ")
    assert "30 x 46" in answer.output
    refused = CliRunner().invoke(app, ["layers", str(tmp_path / "model")])
    assert isinstance(refused.exception, InputError)
