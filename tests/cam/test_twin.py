"""The caller's model is left alone, whatever it does in its own methods: a twin of it is run."""

import copy
import functools
import io
import threading
import types

import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import stratacam as sc


def highest(output):
    return output.amax(dim=1).sum()


def small_network():
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ]
    return nn.Sequential(*layers, nn.Linear(8, 3))


def images(count=2, size=12):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def gradients(model, parameters):
    model.zero_grad()
    F.cross_entropy(model(images(4)), torch.tensor([0, 1, 2, 0])).backward()
    return [parameter.grad.clone() for parameter in parameters]


@pytest.mark.usefixtures("one_process")
def test_gradients_of_distributed_training_are_the_same_with_maps_between_its_steps():
    """Buckets that were rebuilt in a forward on channels-last kernels made every later gradient wrong."""
    plain = small_network()
    expected = gradients(plain, list(plain.parameters()))
    wrapped = DistributedDataParallel(small_network())
    for _ in range(3):
        for found, wanted in zip(
            gradients(wrapped, list(wrapped.module.parameters())), expected, strict=True
        ):
            torch.testing.assert_close(found, wanted)
        result = sc.explain(wrapped, images(4))
        assert result.layers == ("module.0", "module.2")
        assert_same_map(result["module.0"].raw[:, 0], gradcam(plain, images(4), "0", highest))


class Merging(nn.Module):
    """A low-rank addition that is merged into the kernel for evaluation."""

    def __init__(self):
        super().__init__()
        self.base = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Parameter(torch.randn(8, 2)), nn.Parameter(torch.randn(2, 27))
        self.merged = False

    def addition(self):
        return (self.left @ self.right).view_as(self.base.weight)

    def train(self, mode=True):
        super().train(mode)
        if mode == self.merged:
            self.base.weight.data += (-1 if mode else 1) * self.addition().data
            self.merged = not mode
        return self

    def forward(self, x):
        plain = self.base(x)
        return plain if self.merged else plain + F.conv2d(x, self.addition(), padding=1)


class Averaged(nn.Module):
    """Averaged weights that are swapped in for evaluation."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)
        self.average = {name: value.clone() * 0.5 for name, value in self.state_dict().items()}
        self.live = None

    def train(self, mode=True):
        if not mode and self.training:
            self.live = copy.deepcopy(self.state_dict())
            self.load_state_dict(self.average)
        if mode and not self.training and self.live:
            self.load_state_dict(self.live)
        return super().train(mode)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


@pytest.mark.parametrize("kind", ["merging", "averaged"])
def test_modules_that_act_when_the_mode_changes_stay_as_they_are_and_are_explained_in_evaluation(kind):
    torch.manual_seed(0)
    if kind == "merging":
        model, layer = (
            nn.Sequential(Merging(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
            "0",
        )
    else:
        model, layer = Averaged(), "conv"
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = sc.explain(model, images(), layers=layer)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert not getattr(model[0], "merged", False) if kind == "merging" else model.live is None
    evaluated = copy.deepcopy(model)
    expected = gradcam(evaluated.eval(), images(), layer, highest)
    assert_same_map(found[layer].raw[:, 0], expected)


class Keeping(nn.Module):
    """Keeps features, a running mean, a counter and a history of what it computed."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)
        self.features, self.history = None, []
        self.notes = types.SimpleNamespace(last=None)
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.features = self.conv(x).relu()
        pooled = self.features.mean((2, 3))
        self.mean = self.mean * 0.9 + pooled.mean(0) * 0.1
        self.seen += len(x)
        self.history.append(pooled)
        self.notes.last = pooled
        return self.head(pooled)


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "input_gradient"])
def test_nothing_that_a_module_keeps_for_itself_is_changed_or_holds_the_graph(method):
    torch.manual_seed(0)
    model = Keeping().train()
    with torch.no_grad():
        model(images())
    features, mean = model.features, model.mean.clone()
    sc.explain(model, images(3), method=method)
    assert model.features is features
    assert torch.equal(model.mean, mean)
    assert int(model.seen) == 2
    assert len(model.history) == 1
    assert not model.notes.last.requires_grad
    copy.deepcopy(model)
    torch.save(model.state_dict(), io.BytesIO())
    model(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


class WritesItsKernel(nn.Module):
    """Holds the norm of its kernel at most 1, whenever it is run."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, x):
        self.conv.weight.data.div_(self.conv.weight.data.norm().clamp_min(1))
        return self.head(self.conv(x).relu().mean((2, 3)))


def test_parameters_that_a_forward_writes_to_are_written_in_the_twin_alone():
    torch.manual_seed(0)
    model = WritesItsKernel()
    before = model.conv.weight.clone()
    found = sc.explain(model, images())
    assert torch.equal(model.conv.weight, before)
    assert_same_map(found["conv"].raw[:, 0], gradcam(copy.deepcopy(model), images(), "conv", highest))


def by_closure(model):
    model.step = lambda x: model.conv(x).relu()


def by_method(model):
    model.step = types.MethodType(lambda self, x: self.conv(x).relu(), model)


def by_partial(model):
    model.step = functools.partial(lambda conv, x: conv(x).relu(), model.conv)


def by_default(model):
    model.step = lambda x, conv=model.conv: conv(x).relu()


@pytest.mark.parametrize("give", [by_closure, by_method, by_partial, by_default])
def test_functions_that_hold_parts_of_the_model_hold_those_of_the_twin(give):
    class Stepping(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.drop, self.head = nn.Conv2d(3, 8, 3), nn.Dropout(0.9), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.drop(self.step(x)).mean((2, 3)))

    torch.manual_seed(0)
    model = Stepping().train()
    give(model)
    assert_same_map(sc.explain(model, images())["conv"].raw[:, 0], gradcam(model, images(), "conv", highest))


def test_models_that_share_a_trunk_may_be_explained_in_threads():
    """Both were frozen by turns, and the trunk stayed so."""
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    ends = [nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)) for _ in range(2)]
    models = [nn.Sequential(trunk, end).train() for end in ends]
    expected = [sc.explain(model, images())["0.0"].raw for model in models]
    faults = []

    def work(which):
        for _ in range(20):
            found = sc.explain(models[which], images())["0.0"].raw
            if not torch.allclose(found, expected[which], rtol=1e-4, atol=1e-7):
                faults.append(which)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert all(parameter.requires_grad for model in models for parameter in model.parameters())
    assert all(module.training for model in models for module in model.modules())


def test_scripted_parts_are_run_and_only_their_layers_are_refused():
    class Prepared(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
            self.network = small_network()

        def forward(self, x):
            return self.network(self.before(x))

    model = Prepared().train()
    found = sc.explain(model, images())
    assert found.layers == ("network.0", "network.2")
    assert model.before.training
    reference = copy.deepcopy(model).eval()
    assert_same_map(found["network.2"].raw[:, 0], gradcam(reference, images(), "network.2", highest))
    with pytest.raises(
        ValueError, match=r"layer before\.0 lies in a part in TorchScript.*the module that it was made of"
    ):
        sc.explain(model, images(), layers="before.0")
    assert sc.explain(torch.jit.script(small_network()), images(), method="input_gradient")["input"].raw.any()


def test_exported_graphs_say_that_they_have_no_layers():
    exported = torch.export.export(small_network().eval(), (images(),))
    with pytest.raises(
        ValueError, match=r'is an exported graph, whose layers cannot be observed.*method="input_gradient"'
    ):
        sc.explain(exported.module(), images())
    assert sc.explain(exported.module(), images(), method="input_gradient")["input"].raw.any()
    with pytest.raises(
        TypeError, match="ExportedProgram, which has no layers; give the module that was exported"
    ):
        sc.explain(exported, images())


def test_recurrent_layers_are_explained_in_evaluation_mode():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(5, 3)
            self.lstm = nn.LSTM(8, 5, num_layers=2, dropout=0.5, batch_first=True)

        def forward(self, x):
            return self.head(self.lstm(self.conv(x).mean(2).mT)[0][:, -1])

    torch.manual_seed(0)
    model = Recurrent().train()
    assert_same_map(sc.explain(model, images())["conv"].raw[:, 0], gradcam(model, images(), "conv", highest))
    assert model.lstm.training
    assert model.lstm.dropout == 0.5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.LazyConv2d(4, 3)), "lazy layers that were never run; call it once"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)).to("meta"), "on the meta device, where parameters have no values"),
    ],
)
def test_models_without_values_are_refused_in_words(model, message):
    with pytest.raises(ValueError, match=message):
        sc.explain(model, images())
