"""What a forward has shown of a plain model is not looked for again; what was changed in the model always counts."""

import copy
import gc
import threading
import weakref

import pytest
import torch
from torch import nn

import stratacam as sc
from stratacam.cam import capture
from stratacam.cam.description import description_of
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
