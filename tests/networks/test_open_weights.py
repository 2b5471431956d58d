"""Checkpoints of Lightning and other weights, for a network that the user names."""

import collections
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from other_packages import needed
from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import open_model

NETWORKS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, classes=3):
        super().__init__()
        self.first = nn.Conv2d(2, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        return self.head(self.norm(self.first(images)).relu().mean(dim=(2, 3)))


class Module(nn.Module):
    '''As a module of Lightning: the network, and a loss with weights.'''

    def __init__(self, width, classes=3, rate=0.1):
        super().__init__()
        self.model = Net(width, classes)
        self.loss = nn.CrossEntropyLoss(weight=torch.ones(classes))

    def forward(self, images):
        return self.model(images)


def fails(width):
    raise RuntimeError("no such width")


def number():
    return 3
"""


class Marked:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def networks(tmp_path):
    """The path of a module of networks, and what it defines."""
    path = tmp_path / "networks.py"
    path.write_text(NETWORKS)
    scope = {}
    exec(NETWORKS, scope)  # noqa: S102 - the module itself, to save its networks
    return path, scope


def checkpoint(folder, module, prefix="", **hyper_parameters):
    """A file as Lightning writes it."""
    path = folder / "last.ckpt"
    content = {
        "epoch": 3,
        "global_step": 120,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": collections.OrderedDict(
            (prefix + name, value) for name, value in module.state_dict().items()
        ),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {
            "ModelCheckpoint": {"best_model_path": "last.ckpt", "best_model_score": torch.tensor(0.4)}
        },
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.1}]}],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper_parameters,
    }
    torch.save(content, path)
    return path


IMAGES = torch.rand(2, 2, 12, 12, generator=torch.Generator().manual_seed(1))


def test_a_checkpoint_makes_the_class_with_its_own_arguments(networks, tmp_path):
    path, scope = networks
    trained = scope["Module"](4).eval()
    file = checkpoint(tmp_path, trained, width=4, rate=0.2, unknown="x")
    for network in (f"{path}:Module", scope["Module"]):
        model = open_model(file, network)
        assert torch.equal(model(IMAGES), trained(IMAGES))
        assert cam.explain(model, IMAGES).layers == ("model.first",)
        assert model.opened_file.notes == ("Made with width, rate of the checkpoint's hyper_parameters.",)
        assert model.opened_file.format == "Lightning checkpoint"


def test_the_plain_network_in_a_module_of_lightning_is_enough(networks, tmp_path):
    path, scope = networks
    trained = scope["Module"](4).eval()
    model = open_model(checkpoint(tmp_path, trained, width=4), f"{path}:Net")
    assert torch.equal(model(IMAGES), trained(IMAGES))
    assert model.opened_file.notes[1] == "Names of weights without 'model.'; loss.weight left out."


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "net._orig_mod.", "a.b."])
def test_common_beginnings_of_names_are_found(prefix, networks, tmp_path):
    path, scope = networks
    trained = scope["Net"](4).eval()
    model = open_model(checkpoint(tmp_path, trained, prefix, width=4), f"{path}:Net")
    assert torch.equal(model(IMAGES), trained(IMAGES))


@pytest.mark.parametrize("average", ["ema.", "a.ema_model.", "teacher."])
def test_live_weights_are_taken_before_averages_of_them(average, networks, tmp_path):
    """The average was taken, as the first in the alphabet."""
    path, scope = networks
    trained, averaged, file = scope["Net"](4).eval(), scope["Net"](4), tmp_path / "both.pth"
    state = {f"{average}{name}": value for name, value in averaged.state_dict().items()}
    torch.save(state | {f"model.{name}": value for name, value in trained.state_dict().items()}, file)
    model = open_model(file, f"{path}:Net", {"width": 4})
    assert torch.equal(model(IMAGES), trained(IMAGES))
    assert f"without 'model.'; {average}first.weight" in model.opened_file.notes[0]
    torch.save(state, file)
    averaged.eval()
    assert torch.equal(open_model(file, f"{path}:Net", {"width": 4})(IMAGES), averaged(IMAGES))


def test_weights_that_are_there_twice_are_refused(networks, tmp_path):
    path, scope = networks
    file = tmp_path / "both.pth"
    state = scope["Net"](4).state_dict()
    torch.save({f"{name}.{key}": value for name in ("left", "right") for key, value in state.items()}, file)
    refused(file, r"weights 2 times, as 'left\.', 'right\.'; expected one", f"{path}:Net", {"width": 4})


def test_arguments_that_are_given_come_before_those_of_the_checkpoint(networks, tmp_path):
    path, scope = networks
    file = checkpoint(tmp_path, scope["Net"](4, 5), width=7)
    assert open_model(file, f"{path}:Net", {"width": 4, "classes": 5})(IMAGES).shape == (2, 5)
    with pytest.raises(InputError, match=r"other shapes than .*networks\.py:Net has: size mismatch"):
        open_model(file, f"{path}:Net")


def test_a_network_that_was_made_takes_the_weights(networks, tmp_path):
    _, scope = networks
    trained, made = scope["Net"](4).eval(), scope["Net"](4)
    assert open_model(checkpoint(tmp_path, trained), made) is made
    assert torch.equal(made(IMAGES), trained(IMAGES))


@pytest.mark.parametrize("key", ["model_state_dict", "model"])
def test_weights_of_a_checkpoint_of_a_loop_of_ones_own_are_read(key, networks, tmp_path):
    path, scope = networks
    trained, file = scope["Net"](4).eval(), tmp_path / "last.ckpt"
    torch.save({key: trained.state_dict(), "epoch": 3}, file)
    assert torch.equal(open_model(file, f"{path}:Net", {"width": 4})(IMAGES), trained(IMAGES))


@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_state_dictionary_is_read_too(ending, networks, tmp_path):
    path, scope = networks
    trained, file = scope["Net"](4).eval(), tmp_path / f"weights.{ending}"
    (save_file if ending == "safetensors" else torch.save)(trained.state_dict(), file)
    assert torch.equal(open_model(file, f"{path}:Net", {"width": 4})(IMAGES), trained(IMAGES))


def refused(file, words, *arguments):
    with pytest.raises(InputError, match=words) as caught:
        open_model(file, *arguments)
    return str(caught.value)


def test_a_checkpoint_without_its_class_is_refused(networks, tmp_path):
    file = checkpoint(tmp_path, networks[1]["Net"](4), width=4)
    assert str(file) in refused(file, r"network='my_package:MyNet'")


def test_weights_that_do_not_fit_are_refused_by_name(networks, tmp_path):
    path, scope = networks
    state = scope["Net"](4).state_dict()
    file = tmp_path / "weights.pth"
    torch.save(
        {name: value for name, value in state.items() if name != "head.bias"} | {"extra": torch.ones(1)}, file
    )
    refused(file, r"lacks 1 of the network's 9 weights \(such as head\.bias\)", f"{path}:Net", {"width": 4})


def test_what_the_class_needs_and_what_fails_is_said(networks, tmp_path):
    path, scope = networks
    file = checkpoint(tmp_path, scope["Net"](4), rate=0.1)
    refused(file, r"has no width among its hyper_parameters \(rate\).*arguments=", f"{path}:Net")
    refused(file, r"fails failed with RuntimeError \(no such width\)", f"{path}:fails", {"width": 4})
    refused(file, r"number gave a int; expected a torch\.nn\.Module", f"{path}:number")
    refused(file, r"Nett is not there in .*did you mean Net\?", f"{path}:Nett")


def test_pickled_code_is_refused_and_not_run(networks, tmp_path):
    path, scope = networks
    marker = tmp_path / "marker"
    file = checkpoint(tmp_path, scope["Net"](4), width=Marked(marker))
    refused(file, r"holds more than tensors.*open.*weights_only=False.*arguments=", f"{path}:Net")
    assert not marker.exists()


@pytest.mark.parametrize("content", [torch.ones(3), {"epoch": 3}, {"state_dict": {}}, {"state_dict": None}])
def test_files_without_weights_are_refused(content, networks, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    refused(file, "expected a checkpoint of Lightning", f"{networks[0]}:Net")


@pytest.mark.parametrize("ending", ["ckpt", "safetensors"])
def test_damaged_weights_are_refused(ending, networks, tmp_path):
    file = tmp_path / f"weights.{ending}"
    file.write_bytes(b"noise" * 100)
    refused(file, "is damaged", f"{networks[0]}:Net")


def test_a_module_of_lightning_itself_is_loaded(tmp_path):
    lightning = needed("lightning")

    class Classifier(lightning.LightningModule):
        def __init__(self, width):
            super().__init__()
            self.save_hyperparameters()
            self.model = nn.Sequential(
                nn.Conv2d(2, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)
            )

        def forward(self, images):
            return self.model(images)

    trained = Classifier(4).eval()
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=0)
    trainer.strategy.connect(trained)
    file = Path(tmp_path) / "last.ckpt"
    trainer.save_checkpoint(file)
    model = open_model(file, Classifier)
    assert torch.equal(model(IMAGES), trained(IMAGES))
    assert cam.explain(model, IMAGES).layers == ("model.0",)
