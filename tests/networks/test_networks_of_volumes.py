"""Networks of volumes: the layers of those of pictures, with a third axis."""

import pytest
import torch
from torch import nn

from other_packages import needed
from stratacam.errors import InputError
from stratacam.networks import (
    ARCHITECTURES,
    ModelCard,
    build,
    default_weights,
    initial_weights,
    inputs_of,
    load_model,
    made_of,
    make_network,
    save_model,
)

SIZE = (32, 64, 64)


def volumes(count=1, channels=3, size=SIZE):
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(1))


def ball(size=SIZE):
    """A brain (1, 1, *size)."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in size), indexing="ij")
    return (sum(axis**2 for axis in axes) < 0.6).float()[None, None]


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121", "vgg16"])
def test_layers_have_the_names_and_shapes_of_those_of_pictures_with_one_more_axis(name):
    flat, solid = (build(name, 2, weights="none", dimensions=axes).state_dict() for axes in (2, 3))
    assert flat.keys() == solid.keys()
    for key, value in flat.items():
        expected = (*value.shape, *value.shape[-1:]) if value.ndim == 4 else value.shape
        expected = (*value.shape, 1) if key in {"input.scale", "input.shift"} else expected
        assert solid[key].shape == expected, key


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121"])
def test_kernels_of_one_slice_give_what_the_network_of_pictures_gives(name):
    """A network of volumes whose kernels do nothing along the slices is the network of each slice."""
    flat, solid = (build(name, 2, weights="none", dimensions=axes).eval() for axes in (2, 3))
    state = solid.state_dict()
    for key, value in flat.state_dict().items():
        if value.ndim == 4 and key not in {"input.scale", "input.shift"}:
            state[key] = torch.zeros_like(state[key])
            state[key][:, :, value.shape[-1] // 2] = value
        else:
            state[key] = value.reshape(state[key].shape)
    solid.load_state_dict(state)
    for part in solid.modules():
        if isinstance(part, nn.Conv3d):
            part.stride = (1, *part.stride[1:])
        if isinstance(part, nn.MaxPool3d | nn.AvgPool3d):
            first = 3 if part.kernel_size == 3 else 1
            part.kernel_size = (1, *[part.kernel_size] * 2) if isinstance(part.kernel_size, int) else first
            part.stride = (1, *[part.stride] * 2)
            part.padding = (0, *[part.padding] * 2)
    pictures = volumes(size=(64, 64))[:, :, None].expand(-1, -1, 3, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(
            solid(pictures.contiguous()), flat(pictures[:, :, 0]), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121"])
@pytest.mark.parametrize("brain", ["features", "pooling"])
def test_what_lies_outside_the_brain_changes_no_logit_where_features_are_masked(name, brain):
    network = build(name, 2, weights="none", dimensions=3, brain=brain).eval()
    pictures, mask = volumes(), ball()
    changed = torch.where(mask > 0, pictures, torch.nan if brain == "features" else 0.9)
    with torch.no_grad():
        before, after = (network(*inputs_of(network, one, mask)) for one in (pictures, changed))
    assert torch.isfinite(before).all()
    assert torch.equal(before, after) is (brain == "features")


def test_empty_slices_change_no_logit_of_a_network_that_sees_the_brain_alone():
    network = build("small_cnn", 2, weights="none", dimensions=3, brain="features").eval()
    pictures, mask = volumes(), ball()
    padded = [nn.functional.pad(one, (0, 0, 0, 0, 16, 16)) for one in (pictures, mask)]
    with torch.no_grad():
        torch.testing.assert_close(network(*padded), network(pictures, mask))


@pytest.mark.parametrize("name", ["small_cnn", "monai:DenseNet121", "monai:resnet10"])
def test_a_network_of_volumes_is_loaded_by_the_cards_word(name, tmp_path):
    if name.startswith("monai"):
        pytest.importorskip("monai", reason="monai is not installed; pip install it")
    model = make_network(name, 2, channels=4, weights="none", dimensions=3)
    card = ModelCard(architecture=name, classes=("a", "b"), input={}, training={}, channels=4, dimensions=3)
    save_model(tmp_path, model, card)
    loaded, read = load_model(tmp_path)
    given = volumes(channels=4, size=(64, 64, 64))
    with torch.no_grad():
        assert torch.equal(loaded(given), model.eval()(given))
    assert read.dimensions == 3


def test_a_function_of_the_users_makes_a_network_of_volumes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def make(classes, channels):\n"
        "    body = nn.Conv3d(channels, 4, 3), nn.AdaptiveAvgPool3d(1)\n"
        "    return nn.Sequential(*body, nn.Flatten(), nn.Linear(4, classes))\n"
    )
    network = make_network(f"{file}:make", 2, weights="default", dimensions=3)
    assert network(volumes()).shape == (1, 2)
    with pytest.raises(InputError, match=r"must take \(B, 3, H, W\)"):
        make_network(f"{file}:make", 2, weights="default")


def test_there_are_no_pretrained_weights_for_volumes():
    assert default_weights("vgg16") == "imagenet"
    assert default_weights("vgg16", 3) == "none"
    assert initial_weights("vgg16", dimensions=3) is None
    with pytest.raises(InputError, match="'imagenet' for volumes"):
        initial_weights("vgg16", "imagenet", dimensions=3)
    two, three = (made_of("small_cnn", 2, weights="none", seed=0, dimensions=axes) for axes in (2, 3))
    assert two != three


def test_networks_for_pictures_only_are_refused_for_volumes_in_words():
    needed("timm")
    with pytest.raises(InputError, match="takes pictures only"):
        make_network("timm:test_resnet", 2, weights="none", dimensions=3)
    for name in ARCHITECTURES:
        with pytest.raises(InputError, match=r"slices, rows, columns"):
            build(name, 2, weights="none", dimensions=3)(volumes()[:, :, 0])
