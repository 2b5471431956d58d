"""What a forward has shown of a plain model is not looked for again; what was changed in the model always counts."""

import copy
import functools
import gc
import threading
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import stratacam as sc
from stratacam.cam import capture
from stratacam.cam.description import description_of
from stratacam.cam.twin import LATEST
from stratacam.networks import SideBySide, build


def images(count=2, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def network(kind="small_cnn", seed=0):
    if kind == "consensus":
        return SideBySide([network(seed=seed) for seed in range(2)], shared=0)
    name, _, brain = kind.partition(", ")
    return build(name, 3, weights="none", seed=seed, brain="features" if brain else "off").eval()


def inputs_of(kind, count=2):
    size = 64 if kind.startswith("resnet") else 32
    brain = (torch.linspace(-1, 1, size)[:, None] ** 2 < 0.5).float().expand(count, 1, size, size)
    return (images(count, size), brain.contiguous()) if kind.endswith("brain") else images(count, size)


def same(found, expected):
    assert found.layers == expected.layers
    assert torch.equal(found.logits, expected.logits)
    assert all(torch.equal(found[name].raw, expected[name].raw) for name in expected.layers)
    assert all(found[name].blank == expected[name].blank for name in expected.layers)


@pytest.fixture
def watched(monkeypatch):
    """The number of forwards that were watched."""
    seen = []
    recorder = capture.Recorder
    monkeypatch.setattr(capture, "Recorder", lambda *given: seen.append(given) or recorder(*given))
    return seen


@pytest.mark.parametrize("kind", ["small_cnn", "resnet18", "small_cnn, brain", "consensus"])
@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam"])
def test_a_forward_that_is_not_watched_gives_the_same_maps_bit_for_bit(kind, method, watched):
    model, given = network(kind), inputs_of(kind)
    first = sc.explain(model, given, method=method, classes="all")
    assert watched
    watched.clear()
    same(sc.explain(model, given, method=method, classes="all"), first)
    assert not watched
    same(sc.explain(copy.deepcopy(model), given, method=method, classes="all"), first)


def scaled(model):
    with torch.no_grad():
        model.block1_conv1.weight.mul_(2)


def scaled_unseen(model):
    model.block2_conv1.weight.data *= 2  # which no counter of torch shows


def replaced(model):
    model.block1_conv2.weight = nn.Parameter(model.block1_conv2.weight.detach() * 0.5)


def shifted_buffer(model):
    model.input.shift += 1


def hooked(model):
    model.block2_conv2.register_forward_hook(lambda _module, _inputs, output: output * 2)


def hooked_before(model):
    model.block2_conv2.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 2,))


def exchanged(model):
    model.block1_pool = nn.AvgPool2d(2)


def set_otherwise(model):
    model.block3_conv1.padding, model.block3_conv1.dilation = (2, 2), (2, 2)


def patched(model):
    inner = model.block3_conv2.forward
    model.block3_conv2.forward = lambda features: 2 * inner(features)


def trained(model):
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    model.train()
    model(images()).square().sum().backward()
    optimiser.step()


def loaded(model):
    model.load_state_dict(network(seed=5).state_dict())


def doubled(model):
    model.double().float()


CHANGES = [
    scaled, scaled_unseen, replaced, shifted_buffer, hooked, hooked_before, exchanged, set_otherwise, patched, trained,
    loaded, doubled,
]  # fmt: skip


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_between_two_calls_counts_in_the_second(change, contiguous):
    model = network()
    if contiguous:  # the twin's kernels are then copies
        model.to(memory_format=torch.contiguous_format)
    for _ in range(2):
        before = sc.explain(model, images())
    change(model)
    found = sc.explain(model, images())
    same(found, sc.explain(copy.deepcopy(model), images()))
    assert change is doubled or not torch.equal(found.logits, before.logits)


def test_what_is_changed_between_two_batches_counts_in_the_next():
    model = network()
    parts = []
    for part in sc.explain_batches(model, images(3), batch_size=1):
        parts.append(part)
        scaled(model)
    fresh = network()
    for part, image in zip(parts, images(3), strict=True):
        same(part, sc.explain(copy.deepcopy(fresh), image[None]))
        scaled(fresh)


class Counting(nn.Module):
    """Adds how often it has been run: as a number, in a buffer, or in a list."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.number, self.every = kind, 0, []
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        if self.kind == "buffer":
            self.seen += 1
        elif self.kind == "number":
            self.number += 1
        else:
            self.every.append(1)
        return self.head(self.conv(x).relu().mean((2, 3))) * (self.number + self.seen + len(self.every))


@pytest.mark.parametrize("kind", ["number", "buffer", "list"])
def test_a_model_that_counts_its_runs_is_explained_as_at_its_first(kind):
    torch.manual_seed(0)
    model = Counting(kind).eval()
    first = sc.explain(model, images())
    for _ in range(3):
        same(sc.explain(model, images()), first)
    same(sc.explain(copy.deepcopy(model), images()), first)


class Deciding(nn.Module):
    """Runs a second layer for bright images only."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        features = self.first(x).relu()
        return self.head((self.second(features) if x.mean() > 0.4 else features).mean((2, 3)))


def test_a_model_whose_values_decide_what_is_run_is_always_watched(watched):
    torch.manual_seed(0)
    model = Deciding().eval()
    assert sc.explain(model, images()).layers == ("first", "second")
    assert sc.explain(model, images() * 0.1).layers == ("first",)
    watched.clear()
    assert sc.explain(model, images()).layers == ("first", "second")
    assert watched


def test_a_layer_that_is_changed_in_place_is_always_watched(watched):
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ]
    model = nn.Sequential(*layers).eval()
    first = sc.explain(model, images())
    assert bool((first["0"].raw < 0).any())
    watched.clear()
    same(sc.explain(model, images()), first)
    assert watched


def test_other_shapes_precisions_and_layers_are_watched_anew(watched):
    model = network()
    for given, layers in ((images(2), "all"), (images(3), "all"), (images(2), "block1_*")):
        watched.clear()
        sc.explain(model, given, layers=layers)
        assert watched
    watched.clear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sc.explain(model, images(2))
    assert watched


SWITCHES = {"global": 1}


class Switched(nn.Module):
    """Where a switch is on, gives probabilities of doubled scores, and changes a layer in place.

    Maps are then doubled too: they are of the scores before the softmax, and of the layer before it is changed.
    """

    __slots__ = ("slot",)
    of_class = 1

    def __init__(self, switch):
        super().__init__()
        self.switch, self.number, self.slot = switch, 1, 1
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.register_buffer("flag", torch.zeros((), dtype=torch.bool))
        self.weight = nn.Parameter(torch.ones(1))

    def is_on(self):
        return {
            "item of a buffer": self.flag.item,
            "truth of a buffer": lambda: bool(self.flag),
            "sign of a parameter": lambda: self.weight.item() < 0,
            "1 and True": lambda: self.number is True,
            "attribute of the class": lambda: type(self).of_class == 2,
            "slot": lambda: self.slot == 2,
            "global": lambda: SWITCHES["global"] == 2,
        }[self.switch]()

    def forward(self, x):
        on = self.is_on()
        features = self.conv(x)
        scores = self.head((features.relu_() if on else features.relu()).mean((2, 3)))
        return (2 * scores).softmax(1) if on else scores


def turn_on(model, monkeypatch):
    if "buffer" in model.switch:
        model.flag.fill_(True)
    elif "parameter" in model.switch:
        model.weight.data.neg_()
    monkeypatch.setattr(model, "number", True)
    monkeypatch.setattr(model, "slot", 2)
    monkeypatch.setattr(Switched, "of_class", 2)
    monkeypatch.setitem(SWITCHES, "global", 2)


@pytest.mark.parametrize(
    "switch",
    [
        "item of a buffer", "truth of a buffer", "sign of a parameter", "1 and True", "attribute of the class", "slot",
        "global",
    ],
)  # fmt: skip
def test_a_switch_that_a_forward_of_the_users_reads_counts_in_the_next_call(switch, monkeypatch):
    torch.manual_seed(0)
    model = Switched(switch).eval()
    for _ in range(3):
        before = sc.explain(model, images())
    turn_on(model, monkeypatch)
    assert model.is_on()
    found = sc.explain(model, images())
    assert torch.equal(found.logits, 2 * before.logits)
    assert torch.equal(found["conv"].raw, 2 * before["conv"].raw)


def in_place(_module, x):
    return x.relu_()


class InheritedForward(nn.Conv2d):
    """Has the forward of torch, which runs a method of this class."""

    def _conv_forward(self, *given):
        return super()._conv_forward(*given).relu_()


def of_torch_alone(first=nn.Conv2d):
    torch.manual_seed(0)
    layers = first(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(*layers).eval()


def test_a_model_of_modules_of_torch_alone_is_not_watched_again(watched):
    model = of_torch_alone()
    first = sc.explain(model, images())
    watched.clear()
    same(sc.explain(model, images()), first)
    assert not watched


@pytest.mark.parametrize("first", [Switched, InheritedForward])
def test_a_model_with_code_of_the_users_is_always_watched(first, watched):
    model = Switched("global").eval() if first is Switched else of_torch_alone(first)
    assert description_of(model) is None
    sc.explain(model, images())
    watched.clear()
    sc.explain(model, images())
    assert watched


@pytest.mark.parametrize(
    "forward",
    [
        in_place,
        functools.wraps(nn.ReLU.forward)(lambda _module, x: x.relu_()),  # named as torch's own
        nn.Tanh.forward,
        staticmethod(torch.relu_),
        staticmethod(lambda x: x.relu_()),
    ],
)
def test_a_forward_of_torch_that_is_exchanged_counts_in_the_next_call(forward, monkeypatch):
    model = of_torch_alone()
    for _ in range(2):
        before = sc.explain(model, images())
    monkeypatch.setattr(nn.ReLU, "forward", forward)
    found = sc.explain(model, images())
    same(found, sc.explain(copy.deepcopy(model), images()))
    if forward is nn.Tanh.forward:
        assert not torch.equal(found["0"].raw, before["0"].raw)
    else:  # of the layer before it is changed in place
        same(found, before)
    monkeypatch.undo()
    same(sc.explain(model, images()), before)


def test_a_forward_of_the_users_own_class_that_is_exchanged_counts_in_the_next_call(monkeypatch):
    torch.manual_seed(0)
    model = Switched("global").eval()
    for _ in range(2):
        before = sc.explain(model, images())
    plain = Switched.forward
    monkeypatch.setattr(Switched, "forward", lambda module, x: plain(module, x).softmax(1))
    same(sc.explain(model, images()), before)


class InPlace(TorchFunctionMode):
    """Makes every ReLU one in place."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {})) if func is not F.relu else args[0].relu_()


def test_a_mode_of_torch_that_exchanges_operations_counts_in_the_next_call():
    model = of_torch_alone()
    before = sc.explain(model, images())
    with InPlace():
        found = sc.explain(model, images())
        same(found, sc.explain(copy.deepcopy(model), images()))
    same(sc.explain(model, images()), before)


@pytest.mark.parametrize("size", [1, 3])
def test_convolutions_that_share_a_weight_are_explained_anew_after_it_was_changed(size, watched):
    """The twin's kernels, laid channels-last, are two copies of one weight, which were taken for one."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 3, size), nn.Conv2d(3, 3, size)
    second.weight = first.weight
    layers = first, nn.ReLU(), second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    model = nn.Sequential(*layers).eval()
    for factor in (1, -2):
        with torch.no_grad():
            first.weight.mul_(factor)
        same(sc.explain(model, images()), sc.explain(copy.deepcopy(model), images()))
    watched.clear()
    sc.explain(model, images())
    assert not watched


def test_what_forwards_have_shown_is_remembered_of_the_latest_shapes_only(watched):
    model = of_torch_alone()
    for size in range(8, 8 + LATEST + 1):
        sc.explain(model, images(1, size))
        sc.explain(model, images(1, 8))  # used again and again
    watched.clear()
    for size in (8, *range(10, 8 + LATEST + 1)):
        sc.explain(model, images(1, size))
    assert not watched
    sc.explain(model, images(1, 9))
    assert watched


def test_a_twin_goes_with_its_model():
    model = network()
    sc.explain(model, images())
    gone = weakref.ref(model), weakref.ref(model.block1_conv1.weight)
    del model
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_one_model_is_explained_in_several_threads_at_once():
    model, found, faults = network(), {}, []
    expected = [sc.explain(copy.deepcopy(model), images(1 + number)) for number in range(4)]

    def run(number):
        try:
            for _ in range(5):
                found[number] = sc.explain(model, images(1 + number))
        except Exception as fault:  # noqa: BLE001 - told below
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    for number, one in enumerate(expected):
        same(found[number], one)


def test_a_model_that_holds_a_tensor_as_an_attribute_is_not_plain():
    """It was asked for its truth, which several values have not."""
    model = network()
    model.block1_conv1.note = torch.ones(2)
    assert description_of(model) is None
    assert description_of(network()) is not None
