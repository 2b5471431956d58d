"""What is frozen, where a network is cut, and how frozen layers behave in training."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.networks import (
    build,
    default_frozen,
    find_head,
    freeze,
    frozen_prefix,
    train_mode,
)


def normalised():
    """Two blocks with batch normalisation and dropout, nested."""
    return nn.Sequential(
        OrderedDict(
            block1=nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)),
            pool=nn.MaxPool2d(2),
            block2=nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
            drop=nn.Dropout(0.5),
            flat=nn.Flatten(),
            predictions=nn.Linear(64, 2),
        )
    )


def trainable(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)
        self.predictions = nn.Linear(2, 2)

    def forward(self, pictures):
        return self.predictions((self.left(pictures) + self.right(pictures)).mean((2, 3)))


def test_by_default_vgg16_is_frozen_from_its_input_to_block4_pool():
    model = build("vgg16", 2, weights="none")
    patterns = default_frozen("vgg16", pretrained=True)
    freeze(model, patterns)
    frozen, rest = frozen_prefix(model, patterns)
    names = list(dict(model.named_children()))
    assert list(dict(frozen.named_children())) == names[: names.index("block4_pool") + 1]
    assert list(dict(rest.named_children())) == names[names.index("block5_conv1") :]
    assert trainable(frozen) == set()
    assert trainable(rest) == {name for name, _ in rest.named_parameters()}
    assert rest.get_submodule("predictions") is model.get_submodule("predictions")


def test_the_two_parts_one_after_the_other_are_the_network():
    model = build("small_cnn", 2)
    frozen, rest = frozen_prefix(model, ["block1_*", "block2_conv1"])
    pictures = torch.rand(2, 3, 32, 32)
    assert list(dict(frozen.named_children()))[-1] == "block2_conv1"
    assert torch.equal(rest(frozen(pictures)), model(pictures))


def test_a_frozen_layer_behind_a_trained_one_is_frozen_but_not_cut_off():
    model = build("small_cnn", 2)
    patterns = ["block1_conv1", "block3_*"]
    freeze(model, patterns)
    assert {"block1_conv1.weight", "block3_conv2.bias"}.isdisjoint(trainable(model))
    frozen, rest = frozen_prefix(model, patterns)
    assert list(dict(frozen.named_children())) == ["input", "block1_conv1"]
    assert "block3_conv1" in dict(rest.named_children())


@pytest.mark.parametrize("model", [build("small_cnn", 2), Branching()], ids=["sequence", "branches"])
def test_nothing_frozen_or_no_sequence_leaves_the_model_whole(model):
    patterns = [] if isinstance(model, nn.Sequential) else ["left"]
    frozen, rest = frozen_prefix(model, patterns)
    assert len(frozen) == 0
    assert rest is model


def test_only_the_layer_that_is_named_is_frozen_in_a_branching_network():
    model = Branching()
    freeze(model, ["left"])
    assert trainable(model) == {"right.weight", "right.bias", "predictions.weight", "predictions.bias"}


def test_a_pattern_reaches_nested_layers_by_their_dotted_names():
    model = normalised()
    freeze(model, ["block1.0"])
    assert "block1.0.weight" not in trainable(model)
    assert "block1.1.weight" in trainable(model)
    assert len(frozen_prefix(model, ["block1.0"])[0]) == 0


def test_dropout_that_is_not_frozen_ends_the_part_that_is_computed_once():
    model = normalised()
    frozen, rest = frozen_prefix(model, ["block?"])
    assert list(dict(frozen.named_children())) == ["block1", "pool", "block2"]
    assert list(dict(rest.named_children())) == ["drop", "flat", "predictions"]
    assert list(dict(frozen_prefix(model, ["block?", "drop"])[0].named_children()))[-1] == "flat"


def test_frozen_batch_normalisation_keeps_its_numbers_while_the_rest_trains():
    model = normalised()
    freeze(model, ["block1"])
    model.eval()
    train_mode(model, ["block1"])
    before = model.block1[1].running_mean.clone(), model.block2[1].running_mean.clone()
    pictures = torch.rand(4, 3, 14, 14)
    assert torch.equal(model.block1(pictures), model.block1(pictures))
    model(pictures)
    assert torch.equal(model.block1[1].running_mean, before[0])
    assert not torch.equal(model.block2[1].running_mean, before[1])
    assert model.drop.training


def test_the_rest_alone_can_be_put_in_training_mode():
    model = normalised()
    _, rest = frozen_prefix(model, ["block1", "block2.1"])
    train_mode(rest, ["block1", "block2.1"])
    assert rest.training
    assert not rest.block2[1].training
    assert rest.block2[0].training


@pytest.mark.parametrize("call", [freeze, frozen_prefix])
def test_a_pattern_that_matches_nothing_names_close_layers(call):
    with pytest.raises(InputError, match=r"'blok1_conv1' matches no layer.*did you mean block1_conv1"):
        call(build("small_cnn", 2), ["block2_*", "blok1_conv1"])


@pytest.mark.parametrize("call", [freeze, frozen_prefix])
def test_freezing_everything_is_refused_and_changes_nothing(call):
    model = build("small_cnn", 2)
    with pytest.raises(
        InputError, match=r"block\*, predictions freezes every layer.*nothing is left to train"
    ):
        call(model, ["block*", "predictions"])
    assert trainable(model) == {name for name, _ in model.named_parameters()}


def test_the_head_is_the_last_linear_layer_or_convolution():
    assert find_head(build("small_cnn", 2))[0] == "predictions"
    assert find_head(normalised())[0] == "predictions"
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert find_head(model) == ("0", model[0])


def test_a_head_can_be_named_and_hold_several_layers():
    model = normalised()
    assert find_head(model, "block2") == ("block2", model.block2)
    assert find_head(model, "block2.0") == ("block2.0", model.block2[0])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "prediction",
            r"no layer 'prediction'; did you mean predictions\?.*block1\.0, block2\.0, predictions",
        ),
        (
            "pool",
            r"'pool' has no parameters to train; choose one of these.*block1\.0, block2\.0, predictions",
        ),
    ],
)
def test_a_head_that_cannot_be_one_is_refused_with_the_candidates(name, message):
    with pytest.raises(InputError, match=message):
        find_head(normalised(), name)


def test_a_network_without_any_head_says_so():
    with pytest.raises(InputError, match="no linear layer and no convolution"):
        find_head(nn.Sequential(nn.Flatten()))
