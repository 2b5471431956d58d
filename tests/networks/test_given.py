"""Trained classifiers of others behind the convention of this package: what they are given, and what they give."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

import stratacam
from stratacam.errors import InputError
from stratacam.networks import (
    ModelCard,
    build,
    load_model,
    made_of,
    make_network,
    network_title,
    read_given,
    save_model,
)

CODE = """\
from torch import nn
class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, 2)
    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""


class Net(nn.Module):
    def __init__(self, channels=3, outputs=2, last=None):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.head = nn.Linear(4, outputs)
        self.last = last or nn.Identity()

    def forward(self, pictures):
        return self.last(self.head(self.conv(pictures).relu().mean((2, 3))))


def exported(folder, net, shape=(3, 16, 16), *, any_size=False):
    """Save a network as a file of torch.export, for any number of pictures; return it."""
    torch.manual_seed(0)
    axes = {0: torch.export.Dim("count")}
    if any_size:
        axes |= {2: torch.export.Dim("rows"), 3: torch.export.Dim("columns")}
    program = torch.export.export(net.eval(), (torch.rand(2, *shape),), dynamic_shapes=(axes,))
    torch.export.save(program, folder / "net.pt2")
    return net


def written(folder, **card):
    """A card for that file; its reference."""
    content = {"file": "net.pt2", "classes": ["a", "b"], **card}
    lines = [f"{key} = {json.dumps(value).replace(': ', ' = ')}" for key, value in content.items()]
    (folder / "card.toml").write_text("\n".join(["[model]", *lines]))
    return f"given:{folder / 'card.toml'}"


def given(folder, channels=3, classes=2, **card):
    return make_network(written(folder, **card), classes, channels=channels)


def test_pictures_are_scaled_and_resampled_as_the_card_says_and_layers_keep_their_names(tmp_path):
    net = exported(tmp_path, Net())
    model = given(tmp_path, mean=[0.1, 0.2, 0.3], deviation=[0.5])
    pictures = torch.rand(2, 3, 32, 24)
    mean = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)
    small = functional.interpolate(pictures, size=(16, 16), mode="bilinear", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures), net((small - mean) / 0.5))
    maps = stratacam.explain(model, pictures, layers=["conv"])
    assert maps["conv"].raw.shape == (2, 1, 16, 16)


class NamedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.input, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.input(x).relu().mean((2, 3)))


def test_a_network_keeps_a_layer_of_its_own_that_is_called_input(tmp_path):
    net = exported(tmp_path, NamedInput())
    model, pictures = given(tmp_path, mean=0.5), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures), net(pictures - 0.5))
    assert stratacam.explain(model, pictures).layers == ("input",)


def test_channels_are_those_that_the_card_names(tmp_path):
    net = exported(tmp_path, Net(channels=2), (2, 16, 16))
    pictures = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(given(tmp_path, channels=3)(pictures), net(pictures[:, :2]))
        chosen = make_network(written(tmp_path, channels=[2, 0]), 2)
        torch.testing.assert_close(chosen(pictures), net(pictures[:, [2, 0]]))
    with pytest.raises(InputError, match="from 0 to 2"):
        make_network(written(tmp_path, channels=[3, 0]), 2)


def test_one_output_of_two_classes_becomes_two_logits_with_its_probability(tmp_path):
    net = exported(tmp_path, Net(outputs=1, last=nn.Sigmoid()))
    model, pictures = given(tmp_path), torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures).softmax(dim=1)[:, 1], net(pictures)[:, 0])


def test_a_file_for_pictures_of_any_size_takes_them_as_they_are(tmp_path):
    net = exported(tmp_path, Net(), any_size=True)
    pictures = torch.rand(1, 3, 40, 24)
    with torch.no_grad():
        torch.testing.assert_close(given(tmp_path)(pictures), net(pictures))


def test_volumes_are_resampled_too(tmp_path):
    net = nn.Sequential(nn.Conv3d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2))
    exported(tmp_path, net, (1, 8, 8, 8))
    model = make_network(written(tmp_path, dimensions=3, channels=[0]), 2, dimensions=3)
    with torch.no_grad():
        assert model(torch.rand(2, 3, 8, 16, 12)).shape == (2, 2)
    with pytest.raises(InputError, match="takes volumes"):
        make_network(written(tmp_path, dimensions=3, channels=[0]), 2)


def test_a_class_that_is_a_sequence_of_layers_is_run_as_it_is(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n        super().__init__("
        "nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n"
    )
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    reference = written(tmp_path, file="net.pth", network=f"{tmp_path / 'mine.py'}:Net", mean=0.5)
    model, pictures = make_network(reference, 2), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures), net(pictures - 0.5))
    assert stratacam.explain(model, pictures).layers == ("0",)


def test_weights_of_a_class_of_the_users_are_loaded_and_its_code_is_named_by_the_user(tmp_path):
    (tmp_path / "mine.py").write_text(CODE)
    torch.manual_seed(0)
    net = Net()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    network = f"{tmp_path / 'mine.py'}:Net"
    reference = written(tmp_path, file="net.pth", network=network, arguments={"width": 4})
    model, pictures = make_network(reference, 2), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures), net(pictures))
    card = ModelCard(architecture=reference, classes=("a", "b"), input={}, training={})
    save_model(tmp_path / "saved", model, card)
    with pytest.raises(InputError, match="is not run on the card's word"):
        load_model(tmp_path / "saved")
    loaded, _ = load_model(tmp_path / "saved", reference)
    assert torch.equal(loaded(pictures), model(pictures))


def test_a_model_of_this_package_is_given_with_its_own_card(tmp_path):
    model = build("small_cnn", 2, weights="none", brain="features").eval()
    card = ModelCard(architecture="small_cnn", classes=("x", "y"), input={}, training={}, brain="features")
    save_model(tmp_path / "mine", model, card)
    (tmp_path / "card.toml").write_text('[model]\nfile = "mine"\n')
    reference = f"given:{tmp_path / 'card.toml'}"
    assert read_given(tmp_path / "card.toml").classes == ("x", "y")
    given_model = make_network(reference, 2)
    pictures, brain = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(given_model(pictures, brain), model(pictures, brain))
    assert network_title(reference) == "the classifier given"


def test_the_same_file_and_card_are_the_same_wherever_they_lie_and_others_are_not(tmp_path):
    exported(tmp_path, Net())
    first = made_of(written(tmp_path), 2, weights="none", seed=0)
    (tmp_path / "moved").mkdir()
    (tmp_path / "net.pt2").rename(tmp_path / "moved/net.pt2")
    assert made_of(written(tmp_path / "moved"), 2, weights="none", seed=0) == first
    assert made_of(written(tmp_path / "moved", mean=[0.1]), 2, weights="none", seed=0) != first


@pytest.mark.parametrize(
    ("card", "classes", "message"),
    [
        ({"classes": ["a"]}, 2, "expected those of the groups"),
        ({"classes": ["a", "a"]}, 2, "a name of its own"),
        ({"classes": ["a", " "]}, 2, "a name of its own"),
        ({"classes": ["a", "b", "c"]}, 3, r"gives \(1, 2\) for 1 pictures"),
        ({}, 3, "tells 2 classes apart"),
        ({"deviation": [0.0]}, 2, "must not be 0"),
        ({"mean": [0.1, 0.2]}, 2, "expected one, or 3"),
        ({"colour": "red"}, 2, r"model\.colour"),
        ({"file": "other.pt2"}, 2, "no such file"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_with_place_and_remedy(tmp_path, card, classes, message):
    exported(tmp_path, Net())
    with pytest.raises(InputError, match=message):
        make_network(written(tmp_path, **card), classes)(torch.rand(1, 3, 16, 16))


def test_a_card_that_is_absent_or_no_toml_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_given(tmp_path / "card.toml")
    (tmp_path / "card.toml").write_text("[model")
    with pytest.raises(InputError, match="is no TOML"):
        read_given(tmp_path / "card.toml")
