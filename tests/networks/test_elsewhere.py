"""Networks of other packages: the package's own module, weights and convention behind one way of calling them."""

import json
import random
import re
import sys
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from other_packages import SMALL_NETWORKS, needed
from stratacam.errors import InputError
from stratacam.networks import (
    ModelCard,
    build_elsewhere,
    config_of,
    default_weights,
    find_head,
    initial_weights,
    is_reference,
    load_model,
    made_of,
    make_network,
    network_title,
    save_model,
    short_name,
    source_named,
)

MEAN, DEVIATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def make(architecture, classes=2, **options):
    needed(architecture.partition(":")[0])
    return make_network(architecture, classes, **options)


def normalised(pictures, mean=MEAN, deviation=DEVIATION):
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (mean, deviation))
    return (pictures - mean) / deviation


def pictures(count=2, channels=3, size=64):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def theirs(architecture, classes, channels=3):
    """The package's own network, made in its own way."""
    package, _, name = architecture.partition(":")
    if package == "timm":
        return needed("timm").create_model(name, num_classes=classes, in_chans=channels)
    if package == "torchvision":
        return needed("torchvision").models.get_model(name, num_classes=classes)
    if package == "monai":
        network = getattr(pytest.importorskip("monai.networks.nets"), name)
        arguments = (
            {"in_channels": channels, "out_channels": classes}
            if name.startswith("Dense")
            else {"n_input_channels": channels, "num_classes": classes}
        )
        return network(spatial_dims=2, **arguments)
    transformers = needed("transformers")
    settings = transformers.CONFIG_MAPPING[name](num_labels=classes)
    return transformers.AutoModelForImageClassification.from_config(settings)


@pytest.mark.parametrize("architecture", SMALL_NETWORKS)
def test_the_network_is_the_packages_own_behind_the_input_convention(architecture):
    model = make(architecture, 4, seed=3)
    other = theirs(architecture, 4).eval()
    assert type(model) is type(other)
    assert [name for name, _ in model.named_modules() if name != "input"] == [
        name for name, _ in other.named_modules()
    ]
    other.load_state_dict(
        {name: value for name, value in model.state_dict().items() if not name.startswith("input.")}
    )
    with torch.no_grad():
        expected = other(4 * pictures() - 2)
        found = model(pictures())
    torch.testing.assert_close(found, getattr(expected, "logits", expected))


@pytest.mark.parametrize("architecture", SMALL_NETWORKS)
def test_weights_come_from_the_seed_and_nothing_else_is_touched(architecture):
    needed(architecture.partition(":")[0])
    torch.manual_seed(5), random.seed(5)
    expected = torch.rand(1), random.random()  # noqa: S311
    torch.manual_seed(5), random.seed(5)
    first, same, other = (make(architecture, seed=seed).state_dict() for seed in (1, 1, 2))
    assert (torch.rand(1), random.random()) == expected  # noqa: S311
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", SMALL_NETWORKS)
def test_a_saved_network_of_other_channels_is_loaded_by_the_cards_word(architecture, tmp_path):
    model = make(architecture, channels=4, seed=7)
    card = ModelCard(architecture=architecture, classes=("a", "b"), input={}, training={}, channels=4)
    save_model(tmp_path, model, card)
    loaded, read = load_model(tmp_path)
    assert torch.equal(loaded(pictures(channels=4)), model(pictures(channels=4)))
    assert read.architecture == architecture
    assert find_head(loaded)[0] == find_head(model)[0]


def test_names_for_files_and_readers():
    assert short_name("timm:resnet50.a1_in1k") == "timm-resnet50-a1_in1k"
    assert short_name("transformers:microsoft/resnet-18") == "transformers-resnet-18"
    assert short_name("transformers:/models/mine/") == "transformers-mine"
    assert network_title("monai:DenseNet121") == "DenseNet121 (MONAI)"
    assert network_title("transformers:microsoft/resnet-18") == "resnet-18 (Transformers)"
    assert not is_reference("timm:resnet50")
    assert is_reference("my_timm:resnet50")
    assert [
        default_weights(name) for name in ("timm:resnet50", "transformers:a/b", "transformers:resnet")
    ] == [
        "none",
        "imagenet",
        "none",
    ]


def trained_state(model):
    """The state of a network whose biases and statistics are no longer as made, as if it had been trained."""
    generator = torch.Generator().manual_seed(2)
    return {
        name: value + 0.1 * torch.rand(value.shape, generator=generator) if value.ndim == 1 else value
        for name, value in model.state_dict().items()
    }


def torchvision_cache(monkeypatch, folder, url, state):
    monkeypatch.setenv("TORCH_HOME", str(folder))
    file = folder / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
    file.parent.mkdir(parents=True)
    torch.save(state, file)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_torchvisions_weights_are_those_of_its_cache_with_its_convention(name, tmp_path, monkeypatch):
    models = needed("torchvision").models
    other = models.get_model(name)
    other.load_state_dict(trained_state(other))
    torchvision_cache(monkeypatch, tmp_path, models.get_model_weights(name).DEFAULT.url, other.state_dict())
    model = make(f"torchvision:{name}", 2, weights="imagenet")
    compare_inside(model, other.eval(), normalised(pictures()))
    assert "pretrained weights" in initial_weights(f"torchvision:{name}", "imagenet").source


def compare_inside(model, other, prepared):
    """The last convolution before the head gives what it gives in the package's own network."""
    layer = [name for name, part in other.named_modules() if isinstance(part, torch.nn.Conv2d)][-2]
    seen = {}
    for key, network in (("found", model), ("expected", other)):
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, key=key: seen.__setitem__(key, output)
        )
    with torch.no_grad():
        model(pictures())
        other(prepared)
    torch.testing.assert_close(seen["found"], seen["expected"], rtol=1e-4, atol=1e-4)


def test_torchvisions_googlenet_has_the_convention_that_its_own_transform_gives():
    models = needed("torchvision").models
    scale, shift = (2.0,) * 3, (-1.0,) * 3
    convention = source_named("torchvision:googlenet").convention("googlenet")
    assert (convention.scale, convention.shift) == (scale, shift)
    whole = models.GoogLeNet(aux_logits=False, transform_input=True, init_weights=False)
    torch.testing.assert_close(whole._transform_input(normalised(pictures())), 2 * pictures() - 1)


def test_monais_densenet_reads_the_weights_of_torchvision(tmp_path, monkeypatch):
    models = needed("torchvision").models
    nets = pytest.importorskip("monai.networks.nets")
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): value  # as torchvision's file has them
        for name, value in trained_state(models.densenet121()).items()
    }
    torchvision_cache(
        monkeypatch, tmp_path, "https://download.pytorch.org/models/densenet121-a639ec97.pth", state
    )
    other = nets.DenseNet121(2, 3, 1000, pretrained=True, progress=False).eval()
    compare_inside(make("monai:DenseNet121", 2, weights="imagenet"), other, normalised(pictures()))


@pytest.fixture
def timm_cache(tmp_path, monkeypatch):
    """`timm_cache(name)` puts weights of a network of timm into the cache of the hub, and gives its network."""
    timm = needed("timm")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)

    def fill(name):
        other = timm.create_model(name)
        other.load_state_dict(trained_state(other))
        settings = timm.get_pretrained_cfg(name)
        folder = tmp_path / f"models--{settings.hf_hub_id.replace('/', '--')}"
        snapshot = folder / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0" * 40)
        save_file(other.state_dict(), snapshot / "model.safetensors")
        return other.eval(), settings

    return fill


def test_timms_weights_are_those_of_the_hubs_cache_with_their_convention(timm_cache):
    other, settings = timm_cache("test_resnet")
    assert settings.mean == (0.5, 0.5, 0.5)  # not ImageNet's
    model = make("timm:test_resnet", 3, weights="imagenet")
    compare_inside(model, other, normalised(pictures(), settings.mean, settings.std))
    made = partial(made_of, "timm:test_resnet", 3, seed=0)
    assert made(weights="imagenet") == made(weights="imagenet") != made(weights="none")


def test_weights_that_cannot_be_had_are_refused_with_the_remedy(tmp_path, monkeypatch):
    needed("timm", "monai")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"gives no pretrained weights of timm:test_resnet.*name a file"):
        initial_weights("timm:test_resnet", "imagenet")
    with pytest.raises(InputError, match="for volumes only"):
        initial_weights("monai:resnet18", "imagenet")
    needed("transformers")
    with pytest.raises(InputError, match="a type of model; expected a repository"):
        initial_weights("transformers:resnet", "imagenet")


@pytest.fixture
def folder(tmp_path):
    """A folder with a small ResNet of Transformers for five classes, and what its image processor does."""
    transformers = needed("transformers")
    settings = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5
    )
    torch.manual_seed(0)
    transformers.ResNetForImageClassification(settings).save_pretrained(tmp_path / "small")
    (tmp_path / "small" / "preprocessor_config.json").write_text(
        json.dumps({"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})
    )
    return tmp_path / "small"


def test_a_folder_of_transformers_gives_network_weights_and_convention(folder, tmp_path):
    transformers = needed("transformers")
    architecture = f"transformers:{folder}"
    model = make(architecture, 2, weights="default")
    other = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    compare_inside(model, other, normalised(pictures(), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
    card = ModelCard(
        architecture=architecture, classes=("a", "b"), input={}, training={}, config=config_of(architecture)
    )
    save_model(tmp_path / "model", model, card)
    for file in folder.iterdir():
        file.unlink()
    loaded, _ = load_model(tmp_path / "model")  # its card holds what the folder held
    assert torch.equal(loaded(pictures()), model(pictures()))
    with pytest.raises(InputError, match="the configuration of"):
        config_of(architecture)


def test_code_that_a_folder_of_transformers_names_is_not_run(folder, tmp_path):
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"model_type": "trap", "auto_map": {"AutoConfig": "trap.Trap"}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(InputError):
        make(f"transformers:{folder}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("channels", [3, 5])
def test_a_file_of_weights_is_read_without_its_head_and_adapted_to_the_channels(channels, tmp_path):
    other = theirs("timm:test_resnet", 7)
    state = trained_state(other)
    save_file(state, tmp_path / "weights.safetensors")
    found = initial_weights("timm:test_resnet", tmp_path / "weights.safetensors", channels)
    assert not {"fc.weight", "fc.bias"} & set(found.state)
    assert {*found.state} == {name for name in state if not name.startswith("fc.")}
    model = make("timm:test_resnet", 2, channels=channels, weights=tmp_path / "weights.safetensors")
    kernels = state["conv1.0.weight"]
    expected = kernels if channels == 3 else (kernels.mean(1, keepdim=True) * 3 / 5).repeat(1, 5, 1, 1)
    torch.testing.assert_close(model.state_dict()["conv1.0.weight"], expected)
    assert torch.equal(model.state_dict()["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    assert bool(found.adapted) is (channels == 5)


def test_a_saved_model_of_a_study_may_be_first_weights(tmp_path):
    model = make("timm:test_resnet", 2, channels=4)
    save_model(
        tmp_path,
        model,
        ModelCard(architecture="timm:test_resnet", classes=("a", "b"), input={}, training={}, channels=4),
    )
    again = make("timm:test_resnet", 3, channels=4, weights=tmp_path / "model.safetensors", seed=1)
    assert torch.equal(again.conv1[0].weight, model.conv1[0].weight)
    assert torch.equal(again.input.scale, model.input.scale)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("w.safetensors", lambda state: state.pop("bn1.weight"), r"lacks bn1\.weight and 0 more"),
        (
            "w.safetensors",
            lambda state: state.update({"layer4.3.w": torch.ones(1)}),
            r"holds layer4\.3\.w and 0",
        ),
        (
            "w.safetensors",
            lambda state: state.update({"bn1.weight": torch.ones(3)}),
            r"has shape \(3,\), expected",
        ),
        ("w.h5", lambda _: None, r"ends in '\.h5'; expected, for timm:test_resnet"),
    ],
)
def test_a_file_of_another_network_is_refused(name, change, message, tmp_path):
    state = theirs("timm:test_resnet", 2).state_dict()
    change(state)
    save_file(state, tmp_path / name)
    with pytest.raises(InputError, match=message):
        initial_weights("timm:test_resnet", tmp_path / name)


def test_an_absent_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        InputError, match=r"which is not installed; install it: pip install 'stratacam\[timm\]'"
    ):
        build_elsewhere("timm:resnet18", 2)


def test_a_package_that_does_not_suit_this_torch_is_named(monkeypatch, tmp_path):
    (tmp_path / "monai.py").write_text("raise RuntimeError('operator is not there')\n")
    monkeypatch.delitem(sys.modules, "monai", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match=r"import failed with RuntimeError \(operator is not there\); expected"
    ):
        build_elsewhere("monai:DenseNet121", 2)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("timm:resnet5O", r"is not a classifier of timm [\d.]+; did you mean resnet5"),
        ("timm:resnet18.no_such_tag", "is not a classifier of timm"),
        ("torchvision:fcn_resnet50", "is not a classifier of torchvision"),
        ("transformers:bert", "is not a classifier of transformers"),
        ("monai:UNet", r"is not a classifier of monai .*It has 26, such as"),
    ],
)
def test_a_name_that_the_package_has_not_is_refused(architecture, message):
    with pytest.raises(InputError, match=message):
        make(architecture)


def test_a_network_without_logits_is_refused_when_it_runs():
    needed("timm")
    model = make("timm:test_resnet", 2)
    model.fc = torch.nn.Identity()
    with pytest.raises(InputError, match=r"gives \(2, \d+\) for 2 pictures; expected logits \(2, 2\)"):
        model(pictures())


def test_layers_of_other_packages_cannot_be_masked():
    with pytest.raises(InputError, match="whose layers cannot be masked"):
        make_network("timm:resnet18", 2, brain="features")
