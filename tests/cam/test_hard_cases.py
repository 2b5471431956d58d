"""Networks that hold themselves in odd ways, write to themselves, or let images meet where it is hard to see."""

import functools
import gc
import types
import warnings
import weakref
from collections import UserDict
from dataclasses import dataclass

import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc
from stratacam.cam.origin import Origins
from stratacam.cam.watch import Watch


def images(count=4, size=12):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def highest(output):
    return output.amax(dim=1).sum()


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 3)

    def step(self, x):
        return self.norm(self.conv(x)).relu()

    def forward(self, x):
        return self.head(self.step(x).mean((2, 3)))


@dataclass
class Parts:
    first: nn.Module


class Slotted:
    __slots__ = ("first",)

    def __init__(self, first):
        self.first = first


class Runner:
    def __init__(self, model):
        self.model = model

    def __call__(self, x):
        return self.model.norm(self.model.conv(x)).relu()


class Wide(dict):
    __getattr__ = dict.__getitem__


def in_dataclass(model):
    parts = Parts(model.norm)
    model.held = parts
    model.step = lambda x: parts.first(model.conv(x)).relu()


def in_slots(model):
    model.held = Slotted(model.norm)
    model.step = types.MethodType(lambda self, x: self.held.first(self.conv(x)).relu(), model)


def in_a_dictionary_of_its_own(model):
    model.held = Wide(norm=model.norm)
    model.step = types.MethodType(lambda self, x: self.held.norm(self.conv(x)).relu(), model)


def in_a_user_dict(model):
    model.held = UserDict(norm=model.norm)
    model.step = types.MethodType(lambda self, x: self.held["norm"](self.conv(x)).relu(), model)


def in_a_list_of_a_closure(model):
    parts = [model.conv, model.norm]
    model.step = lambda x: parts[1](parts[0](x)).relu()


def in_a_keyword_default(model):
    model.step = lambda x, *, norm=model.norm: norm(model.conv(x)).relu()


def in_a_runner(model):
    model.step = Runner(model)


def in_a_weak_reference(model):
    parent = weakref.ref(model)
    model.step = functools.partial(lambda parent, x: parent().norm(parent().conv(x)).relu(), parent)


def in_a_weak_proxy(model):
    vars(model)["parent"] = weakref.proxy(model)
    model.step = types.MethodType(lambda self, x: self.parent.norm(self.parent.conv(x)).relu(), model)


def in_a_global(model):
    globals()["MODEL"] = model
    model.step = lambda x: MODEL.norm(MODEL.conv(x)).relu()  # noqa: F821


@pytest.mark.parametrize(
    "hold",
    [
        in_dataclass, in_slots, in_a_dictionary_of_its_own, in_a_user_dict, in_a_list_of_a_closure,
        in_a_keyword_default, in_a_runner, in_a_weak_reference, in_a_weak_proxy, in_a_global,
    ],
)  # fmt: skip
def test_parts_are_those_of_the_twin_however_they_are_reached(hold):
    """The caller's own modules ran, in training mode, and changed their statistics."""
    model = Base().train()
    hold(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = sc.explain(model, images())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert_same_map(found["conv"].raw[:, 0], gradcam(Base(), images(), "conv", highest))


def test_parts_that_cannot_be_followed_are_refused_with_their_name():
    registry = weakref.WeakValueDictionary()

    class Registered(Base):
        def step(self, x):
            return registry["norm"](self.conv(x)).relu()

    model = Registered().train()
    registry["norm"] = model.norm
    before = model.norm.running_mean.clone()
    with pytest.raises(ValueError, match="the model runs its part norm by a way that cannot be followed"):
        sc.explain(model, images())
    assert torch.equal(model.norm.running_mean, before)


@pytest.mark.parametrize("place", ["list", "closure", "teacher"])
def test_parameters_that_are_not_registered_where_they_are_written_stay_the_callers(place):
    class Clamping(Base):
        def __init__(self):
            super().__init__()
            self.values = [self.conv.weight]
            self.hidden = [Base()]

        def step(self, x):
            target = self.hidden[0].conv.weight if place == "teacher" else self.values[0]
            with torch.no_grad():
                target.clamp_(-0.05, 0.05)
            return super().step(x)

    model = Clamping()
    if place == "closure":
        weight = model.conv.weight
        model.values = []
        model.step = lambda x: (weight.data.clamp_(-0.05, 0.05), Base.step(model, x))[1]
    before, teacher = model.conv.weight.clone(), model.hidden[0].conv.weight.clone()
    found = sc.explain(model, images())
    assert torch.equal(model.conv.weight, before)
    assert torch.equal(model.hidden[0].conv.weight, teacher)
    reference = Base().eval()
    if place != "teacher":
        reference.conv.weight.data.clamp_(-0.05, 0.05)
    torch.testing.assert_close(found.logits, reference(images()).detach())


def test_views_of_a_buffer_are_views_of_its_copy():
    class Banked(Base):
        def __init__(self):
            super().__init__()
            self.register_buffer("bank", torch.zeros(3, 8))
            self.current = self.bank[0]

        def forward(self, x):
            pooled = self.step(x).mean((2, 3))
            self.bank[0] = pooled[0].detach()
            return self.head(pooled + self.current)

    model = Banked().eval()
    found = sc.explain(model, images())
    assert not model.bank.any()
    torch.testing.assert_close(found.logits, model(images()).detach())


def test_models_that_hold_themselves_leave_nothing_behind():
    model = Base()
    model.step = types.MethodType(Base.step, model)
    sc.explain(model, images())
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())
        for _ in range(5):
            sc.explain(model, images())
        after = sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert after == before


class Meeting(nn.Module):
    """Images meet in the features (B, 8) of a batch."""

    def __init__(self, meet, end=lambda z: z):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.meet, self.end = nn.Conv2d(3, 8, 3), nn.Linear(8, 3), meet, end
        self.norm = nn.BatchNorm1d(8, track_running_stats=False)
        self.across = nn.Conv1d(8, 8, 3, padding=1)

    def forward(self, x):
        return self.end(self.head(self.meet(self, self.conv(x).relu().mean((2, 3)))))


def carried(h):
    h = h.clone()
    for place in range(1, len(h)):
        h[place].add_(h[place - 1])
    return h


MEETINGS = {
    "a graph over the batch": lambda _, h: (torch.ones(len(h), len(h)) / len(h)) @ h + h,
    "a convolution over the batch": lambda m, h: m.across(h.mT[None])[0].mT,
    "a pool over the batch": lambda _, h: F.avg_pool1d(h.mT[None], 3, 1, 1)[0].mT + h,
    "a norm over the batch": lambda _, h: F.layer_norm(h.mT, (len(h),)).mT + h,
    "a shift of the batch": lambda _, h: F.pad(h, (0, 0, 1, -1)) + h,
    "a state carried on": lambda _, h: carried(h),
    "the next image": lambda _, h: h + torch.cat([h[1:], h[-1:]]),
    "the last image as reference": lambda _, h: h - 0.5 * h[-1],
    "statistics that want two images": lambda m, h: m.norm(h),
}
ENDS = {
    "plain": lambda z: z,
    "one class masked": lambda z: torch.cat([z[:, :2], torch.full_like(z[:, 2:], -1e9)], dim=1),
    "one class at minus infinity": lambda z: torch.cat(
        [z[:, :2], torch.full_like(z[:, 2:], -torch.inf)], dim=1
    ),
    "an offset": lambda z: z + 20,
}


@pytest.mark.parametrize("meet", MEETINGS)
@pytest.mark.parametrize("end", ENDS)
def test_images_that_meet_are_noticed_wherever_and_whatever_the_scores_are(meet, end):
    model = Meeting(MEETINGS[meet], ENDS[end])
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        found = sc.explain(model, images(), classes=1)
    for place in range(4):
        expected = gradcam(model, images(), "conv", lambda z, place=place: z[place, 1])
        assert_same_map(found["conv"].raw[place], expected[place : place + 1], 1e-2)


def test_mixed_planes_have_maps_of_their_own_volume():
    class Planes(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 3)

        def forward(self, v):
            seen = (
                self.conv(v.transpose(1, 2).flatten(0, 1))
                .relu()
                .mean((2, 3))
                .unflatten(0, (len(v), -1))
                .amax(1)
            )
            return self.head((seen @ seen.mT).softmax(1) @ seen)

    volumes = torch.rand(3, 1, 6, 10, 10, generator=torch.Generator().manual_seed(0))
    unfold = {"tokens_to_grid": lambda values: values.unflatten(0, (-1, 6)).transpose(1, 2)}
    with pytest.warns(UserWarning, match="mixes the images"):
        found = sc.explain(Planes(), volumes, layers="conv", classes=0, **unfold)["conv"].raw
    assert all(bool(maps.any()) for maps in found)
    for place in range(3):

        def score(output, place=place):
            return output[place : place + 1, 0]

        one = sc.explain(
            Planes(), volumes, layers="conv", classes=lambda z, s=score: s(z).expand(3), **unfold
        )
        assert one["conv"].raw.shape == found.shape


def test_methods_that_repeat_an_image_run_copies_apart_where_they_would_mix():
    model = Meeting(lambda _, h: h - 0.5 * h.mean(0))
    for method in ("scorecam", "ablationcam"):
        options = {"layers": "conv", "method": method, "classes": 1}
        found = sc.explain(model, images(1), batch_size=8, **options)["conv"].raw
        assert_same_map(found, sc.explain(model, images(1), batch_size=1, **options)["conv"].raw, 1e-3)


def test_a_bag_is_one_whatever_the_batch_size():
    class Bag(Base):
        def forward(self, x):
            pooled = self.step(x).mean((2, 3))
            return self.head((pooled.softmax(0) * pooled).sum(0, keepdim=True))

    found = sc.explain(Bag(), images(5), batch_size=1, classes=1)
    assert_same_map(found["conv"].raw[:, 0], gradcam(Bag(), images(5), "conv", lambda z: z[0, 1]))


def aspp(x):
    return torch.cat([x, F.interpolate(F.adaptive_avg_pool2d(x, 1), x.shape[2:])], dim=1)


def expanded(x):
    return torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], dim=1)


def depth_to_space(x):
    x = x.unflatten(1, (4, 2, 1)).repeat(1, 1, 1, 2, 1, 1)
    return x.permute(0, 1, 4, 2, 5, 3).flatten(4).flatten(2, 3).repeat(1, 4, 1, 1)


def nearest(x):
    grown = x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2)
    return grown.reshape(len(x), 8, 2 * x.shape[2], 2 * x.shape[3]).repeat(1, 2, 1, 1)


@pytest.mark.parametrize("path", [aspp, expanded, depth_to_space, nearest])
def test_convolutions_after_global_features_and_regrouped_axes_are_on_the_image(path):
    """They were refused, and "last" took an earlier layer."""

    class Later(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.last, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(16, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.last(path(self.conv(x).relu())).relu().mean((2, 3)))

    found = sc.explain(Later(), images(), layers="last")
    assert found.layers == ("last",)
    assert_same_map(found["last"].raw[:, 0], gradcam(Later(), images(), "last", highest))


@pytest.mark.parametrize("weigh", [lambda p, w: w @ p, lambda p, w: torch.einsum("n,nb->b", w, p)])
def test_a_weighed_ensemble_of_sigmoids_gives_probabilities(weigh):
    class Ensemble(Base):
        def forward(self, x):
            logits = self.head(self.step(x).mean((2, 3)))[:, 0] * 0 - 2
            logits = logits + self.head(self.step(x).mean((2, 3)))[:, 0] * 0.01
            return weigh(torch.stack([logits.sigmoid(), (logits - 0.1).sigmoid()]), torch.tensor([0.3, 0.7]))

    with pytest.warns(UserWarning, match="seems to give probabilities"):
        assert not sc.explain(Ensemble(), images(3)).classes.any()


def test_a_constant_made_in_the_forward_is_no_feature_whatever_lay_at_its_address_before():
    origins, constant = Origins(), torch.tensor([0.3, 0.7])
    origins.start(constant, [], [])
    with Watch(origins, {}):
        torch.ops.aten.lift_fresh(constant)  # as `torch.tensor` calls it, for memory that was the image's
    assert origins.kind_of(constant) is None
    assert origins.axes_of(constant) is None


def test_sparse_matrices_and_additions_of_quantisable_networks_are_run():
    class Sparse(Base):
        def __init__(self):
            super().__init__()
            self.register_buffer("graph", torch.eye(8).to_sparse())
            self.register_buffer("packed", torch.quantize_per_tensor(torch.ones(8), 0.5, 0, torch.qint8))
            self.addition = torch.ao.nn.quantized.FloatFunctional()

        def forward(self, x):
            pooled = self.step(x).mean((2, 3))
            pooled = pooled * self.packed.dequantize()
            return self.head(self.addition.add(torch.sparse.mm(self.graph, pooled.mT).mT, pooled))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of quantisation
        model = Sparse()
        assert_same_map(
            sc.explain(model, images())["conv"].raw[:, 0], gradcam(model, images(), "conv", highest)
        )


def test_hooks_of_a_wrapper_are_run():
    wrapped = nn.DataParallel(Base())
    wrapped.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 2,))
    found = sc.explain(wrapped, images())
    torch.testing.assert_close(found.logits, Base().eval()(images() * 2).detach())


def test_a_list_of_entries_that_look_like_batches_is_cut_as_the_caller_says():
    class Ragged(Base):
        def forward(self, x, values):
            extra = torch.stack([values[place].sum() for place in range(len(x))])
            return self.head(self.step(x).mean((2, 3)) + extra[:, None])

    values = [torch.rand(length) for length in (1, 2, 3, 4)]
    found = sc.explain(Ragged(), (images(), values), per_image=[1], batch_size=2)
    torch.testing.assert_close(found.logits, Ragged().eval()(images(), values).detach())
