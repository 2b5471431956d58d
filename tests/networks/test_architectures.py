"""ResNet and DenseNet beside their published sizes and a forward written from torchvision's names alone; channels."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import (
    ARCHITECTURES,
    ModelCard,
    build,
    default_frozen,
    find_head,
    freeze,
    frozen_prefix,
    initial_weights,
    load_model,
    load_network,
    save_model,
)

PUBLISHED = {"resnet18": 11_689_512, "resnet50": 25_557_032, "densenet121": 7_978_856}
"""Parameters with 1000 classes, as torchvision's documentation gives them."""
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "densenet121": (6, 12, 24, 16)}
MEAN, DEVIATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Writer:
    """Collects a random state dictionary, tensor by tensor."""

    def __init__(self):
        self.state = {}
        self.generator = torch.Generator().manual_seed(3)

    def convolution(self, name, outs, ins, size):
        spread = (2 / (ins * size * size)) ** 0.5
        self.state[f"{name}.weight"] = spread * torch.randn(outs, ins, size, size, generator=self.generator)

    def norm(self, name, channels):
        for part, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.1), ("running_var", 0.5)):
            self.state[f"{name}.{part}"] = low + torch.rand(channels, generator=self.generator)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def resnet_state(name):
    """A random state dictionary with the names and shapes of torchvision's ResNets."""
    made, expansion = Writer(), 4 if name == "resnet50" else 1
    made.convolution("conv1", 64, 3, 7)
    made.norm("bn1", 64)
    before = 64
    for stage, (depth, width) in enumerate(zip(DEPTHS[name], (64, 128, 256, 512), strict=True), 1):
        after = width * expansion
        for block in range(depth):
            home = f"layer{stage}.{block}"
            sizes = [(width, before, 1), (width, width, 3), (after, width, 1)]
            for number, (outs, ins, size) in enumerate(
                sizes if expansion == 4 else [(width, before, 3), (width, width, 3)], 1
            ):
                made.convolution(f"{home}.conv{number}", outs, ins, size)
                made.norm(f"{home}.bn{number}", outs)
            if block == 0 and (stage > 1 or expansion == 4):
                made.convolution(f"{home}.downsample.0", after, before, 1)
                made.norm(f"{home}.downsample.1", after)
            before = after
    return made.state | {"fc.weight": torch.zeros(1000, before), "fc.bias": torch.zeros(1000)}


def densenet_state():
    """A random state dictionary with the names and shapes of torchvision's DenseNet-121."""
    made, width = Writer(), 64
    made.convolution("features.conv0", 64, 3, 7)
    made.norm("features.norm0", 64)
    for block, depth in enumerate(DEPTHS["densenet121"], 1):
        for layer in range(1, depth + 1):
            home = f"features.denseblock{block}.denselayer{layer}"
            made.norm(f"{home}.norm1", width)
            made.convolution(f"{home}.conv1", 128, width, 1)
            made.norm(f"{home}.norm2", 128)
            made.convolution(f"{home}.conv2", 32, 128, 3)
            width += 32
        if block < 4:
            made.norm(f"features.transition{block}.norm", width)
            made.convolution(f"features.transition{block}.conv", width // 2, width, 1)
            width //= 2
    made.norm("features.norm5", width)
    return made.state | {"classifier.weight": torch.zeros(1000, width), "classifier.bias": torch.zeros(1000)}


def state_of(name):
    return densenet_state() if name == "densenet121" else resnet_state(name)


def norm(state, name, features):
    mean, var, weight, bias = (
        state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (features - mean) / (var + 1e-5).sqrt() * weight + bias


def slow_resnet(state, name, pictures):
    """The last feature map of a ResNet, from its papers' figures."""

    def convolve(features, at, bn, stride=1):
        kernel = state[f"{at}.weight"]
        return norm(state, bn, F.conv2d(features, kernel, stride=stride, padding=kernel.shape[-1] // 2))

    features = F.max_pool2d(convolve(pictures, "conv1", "bn1", 2).clamp(min=0), 3, 2, 1)
    for stage, depth in enumerate(DEPTHS[name], 1):
        for block in range(depth):
            home = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            count = 3 if name == "resnet50" else 2
            found = features
            for number in range(1, count + 1):
                here = stride if number == count - 1 else 1  # of the first 3 x 3 convolution
                found = convolve(found, f"{home}.conv{number}", f"{home}.bn{number}", here)
                found = found.clamp(min=0) if number < count else found
            if f"{home}.downsample.0.weight" in state:
                features = convolve(features, f"{home}.downsample.0", f"{home}.downsample.1", stride)
            features = (found + features).clamp(min=0)
    return features


def slow_densenet(state, pictures):
    """The last feature map of DenseNet-121, after its last ReLU."""
    features = F.conv2d(pictures, state["features.conv0.weight"], stride=2, padding=3)
    features = F.max_pool2d(norm(state, "features.norm0", features).clamp(min=0), 3, 2, 1)
    for block, depth in enumerate(DEPTHS["densenet121"], 1):
        for layer in range(1, depth + 1):
            home = f"features.denseblock{block}.denselayer{layer}"
            new = F.conv2d(norm(state, f"{home}.norm1", features).clamp(min=0), state[f"{home}.conv1.weight"])
            new = norm(state, f"{home}.norm2", new).clamp(min=0)
            new = F.conv2d(new, state[f"{home}.conv2.weight"], padding=1)
            features = torch.cat([features, new], 1)
        if block < 4:
            home = f"features.transition{block}"
            features = norm(state, f"{home}.norm", features).clamp(min=0)
            features = F.avg_pool2d(F.conv2d(features, state[f"{home}.conv.weight"]), 2)
    return norm(state, "features.norm5", features).clamp(min=0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name):
    assert sum(one.numel() for one in build(name, 1000).parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_with_the_names_of_torchvision_give_the_features_of_a_slow_forward(name, tmp_path):
    state = state_of(name)
    torch.save(state, tmp_path / "weights.pth")
    save_file(state, tmp_path / "weights.safetensors")
    pictures = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    seen = (pictures - mean) / deviation
    expected = slow_densenet(state, seen) if name == "densenet121" else slow_resnet(state, name, seen)
    for ending in ("pth", "safetensors"):
        model = build(name, 2, weights=tmp_path / f"weights.{ending}").eval()
        with torch.no_grad():
            found = model[:-2](pictures)
        assert found.shape == expected.shape == (2, ARCHITECTURES[name].features, 3, 2)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_files_of_the_first_torchvision_are_read_too(tmp_path):
    """Its DenseNets call a layer `norm.1` where later ones say `norm1`, and nothing counted batches then."""
    state = {name: value for name, value in densenet_state().items() if "num_batches" not in name}
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for name, value in state.items()
    }
    assert set(old) != set(state)
    torch.save(old, tmp_path / "old.pth")
    model = build("densenet121", 2, weights=tmp_path / "old.pth")
    name = "denseblock4.denselayer16.norm1.bias"
    ours = model.get_parameter("denseblock4_layers.denselayer16.norm1.bias")
    assert torch.equal(ours, state[f"features.{name}"])


def test_weights_of_another_resnet_are_refused_with_both_counts(tmp_path):
    torch.save(resnet_state("resnet18"), tmp_path / "weights.pth")
    with pytest.raises(
        InputError, match=r"holds 20 convolutions and 20 .*, expected the 53 convolutions.*ResNet-50"
    ):
        initial_weights("resnet50", tmp_path / "weights.pth")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"ends in '\.h5'; expected, for ResNet-50.*\.pth"):
        initial_weights("resnet50", tmp_path / "weights.h5")
    with pytest.raises(InputError, match=r"found 'imagenet' for resnet50; expected the path"):
        initial_weights("resnet50", "imagenet")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_frozen_beginning_and_the_rest_are_the_network(name):
    model = build(name, 3).train()
    patterns = default_frozen(name, pretrained=True)
    freeze(model, patterns)
    beginning, rest = frozen_prefix(model, patterns)
    pictures = torch.rand(2, 3, 64, 64)
    model.eval()
    with torch.no_grad():
        assert torch.equal(rest(beginning(pictures)), model(pictures))
    last = ARCHITECTURES[name].blocks[-1]
    trained = {one.partition(".")[0] for one, value in model.named_parameters() if value.requires_grad}
    assert trained == {one for one in dict(rest.named_children()) if one.startswith(last)} | {"predictions"}
    assert find_head(model)[0] == "predictions"


@pytest.mark.parametrize(("name", "count"), [("resnet18", 10), ("resnet50", 18), ("densenet121", 13)])
def test_a_block_is_one_layer_and_its_inside_is_explained_only_by_name(name, count):
    model = build(name, 2).eval()
    layers = cam.match_layers(model)
    assert len(layers) == count
    assert cam.match_layers(model, "last") == layers[-1:]
    maps = cam.explain(model, torch.rand(1, 3, 64, 64), layers=["all", "last"], classes=0)
    assert maps.layers == layers
    inside = {"densenet121": "denseblock4_layers.denselayer16.conv2"}.get(name, "layer4_block1.conv2")
    assert inside not in layers
    assert cam.explain(model, torch.rand(1, 3, 64, 64), layers=inside, classes=0).layers == (inside,)


def test_first_layer_of_other_channels_answers_grey_pictures_as_the_trained_one_did(tmp_path):
    torch.save(resnet_state("resnet18"), tmp_path / "weights.pth")
    kernels = resnet_state("resnet18")["conv1.weight"]
    three, five = (initial_weights("resnet18", tmp_path / "weights.pth", count) for count in (3, 5))
    assert torch.equal(three.state["stem_conv.conv.weight"], kernels)
    assert three.adapted == ""
    for channel in range(5):
        expected = kernels.mean(1) * 3 / 5
        torch.testing.assert_close(five.state["stem_conv.conv.weight"][:, channel], expected)
    assert five.adapted in five.source
    grey = torch.rand(1, 1, 64, 64)
    ours = F.conv2d(grey.expand(-1, 5, -1, -1), five.state["stem_conv.conv.weight"])
    torch.testing.assert_close(ours, F.conv2d(grey.expand(-1, 3, -1, -1), kernels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "small_cnn"])
def test_a_network_of_other_channels_is_saved_and_refuses_pictures_of_another_number(name, tmp_path):
    model = build(name, 2, channels=4, weights="none").eval()
    card = ModelCard(architecture=name, classes=("a", "b"), input={}, training={}, channels=4)
    save_model(tmp_path, model, card)
    loaded, _ = load_model(tmp_path)
    pictures = torch.rand(1, 4, 64, 64)
    assert torch.equal(loaded(pictures), model(pictures))
    with pytest.raises(InputError, match=r"found shape \(1, 3, 64, 64\); expected \(B, 4, rows, columns\)"):
        loaded(pictures[:, :3])


def test_a_custom_network_is_given_the_channels_if_it_asks_for_them(tmp_path):
    head = "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))"
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\n"
        f"def wide(classes, channels):\n    return nn.Sequential(nn.Conv2d(channels, 4, 3), {head}\n\n\n"
        f"def fixed(classes):\n    return nn.Sequential(nn.Conv2d(3, 4, 3), {head}\n"
    )
    wide = load_network(f"{tmp_path / 'mine.py'}:wide", 2, channels=4)
    assert wide(torch.rand(1, 4, 32, 32)).shape == (1, 2)
    with pytest.raises(
        InputError, match=r"fails on pictures of shape \(2, 4, 64, 64\).*parameter \"channels\""
    ):
        load_network(f"{tmp_path / 'mine.py'}:fixed", 2, channels=4)
