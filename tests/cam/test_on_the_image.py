"""Which layers have maps: those whose positions are places on the image; others are left out, and why."""

import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc


def generator():
    return torch.Generator().manual_seed(1)


def highest(output):
    return output.amax(dim=1).sum()


class Frames(nn.Module):
    """A network of frames, folded into the batch, and a recurrent layer over them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3)
        )
        self.lstm, self.head = nn.LSTM(12, 10, batch_first=True), nn.Linear(10, 4)

    def forward(self, x):
        seen = self.network(x.flatten(0, 1)).relu().mean((2, 3)).unflatten(0, (len(x), -1))
        return self.head(self.lstm(seen)[0][:, -1])


class Planes(nn.Module):
    """An encoder of planes of a volume."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, volume):
        planes = volume.transpose(1, 2).flatten(0, 1)
        return self.head(self.encoder(planes).relu().mean((2, 3)).unflatten(0, (len(volume), -1)).amax(1))


class Sequences(nn.Module):
    """One encoder for every sequence of a scan."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(24, 3)

    def forward(self, x):
        seen = self.encoder(x.flatten(0, 1)[:, None]).relu().mean((2, 3))
        return self.head(seen.view(len(x), -1))


class Flipped(nn.Module):
    """The mean over an image and its mirror image, joined in one batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x):
        found = self.head(self.encoder(torch.cat([x, x.flip(3)])).relu().mean((2, 3)))
        return (found[: len(x)] + found[len(x) :]) / 2


FOLDED = [
    (Frames, (2, 5, 3, 16, 18), "network.3", 5, lambda v: v.unflatten(0, (-1, 5)).transpose(1, 2)),
    (Planes, (2, 1, 6, 12, 14), "encoder", 6, lambda v: v.unflatten(0, (-1, 6)).transpose(1, 2)),
    (Sequences, (2, 3, 12, 14), "encoder", 3, lambda v: v.unflatten(0, (-1, 3)).transpose(1, 2)),
    (Flipped, (4, 3, 12, 14), "encoder", 2, lambda v: v.unflatten(0, (2, -1)).movedim(0, 2)),
]


@pytest.mark.parametrize("folded", FOLDED)
@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam", "ablationcam"])
def test_frames_planes_and_sequences_are_unfolded_by_a_function(folded, method):
    kind, shape, layer, parts, unfold = folded
    model, x = kind(), torch.rand(shape, generator=generator())
    found = sc.explain(model, x, layers=layer, tokens_to_grid=unfold, method=method)[layer].raw
    assert found.shape[:3] == (shape[0], 1, parts)
    alone = sc.explain(model, x[1:2], layers=layer, tokens_to_grid=unfold, method=method)[layer].raw
    torch.testing.assert_close(found[1:2], alone, rtol=1e-3, atol=1e-6)
    if method == "gradcam":
        weighted = gradcam_unfolded(model, x, layer, unfold)
        assert_same_map(found[:, 0], weighted)


def gradcam_unfolded(model, x, layer, unfold):
    kept = {}

    def hook(_module, _inputs, output):
        output.register_hook(lambda gradient: kept.__setitem__("gradient", gradient))
        kept["activation"] = output.detach()

    handle = model.get_submodule(layer).register_forward_hook(hook)
    highest(model(x)).backward()
    handle.remove()
    activation, gradient = unfold(kept["activation"]), unfold(kept["gradient"])
    return torch.einsum("bk,bk...->b...", gradient.flatten(2).mean(2), activation)


@pytest.mark.parametrize(("kind", "shape", "layer", "parts", "_unfold"), FOLDED)
def test_folded_layers_are_left_out_with_the_remedy(kind, shape, layer, parts, _unfold):
    """They ended the whole call with a message about sizes of tensors."""
    x = torch.rand(shape, generator=generator())
    with pytest.raises(
        ValueError, match=rf"{layer} gives {shape[0] * parts} feature map.* for {shape[0]} image.*unfold them"
    ):
        sc.explain(kind(), x, layers=layer)

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.folded, self.plain = kind(), (nn.Conv3d if len(shape) == 5 else nn.Conv2d)(shape[1], 4, 1)

        def forward(self, x):
            return self.folded(x)[:, :3] + self.plain(x).flatten(2).mean(2)[:, :3]

    found = sc.explain(Beside(), x)
    assert found.layers == ("plain",)
    assert "unfold them with tokens_to_grid" in found.left_out[f"folded.{layer}"]


@pytest.mark.parametrize("batched", [True, False])
def test_a_loop_over_images_leaves_its_layers_out(batched):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv, self.head = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            parts = self.stem(x).split(1) if batched else self.stem(x).unbind()
            return self.head(torch.stack([self.conv(part).relu().mean((-2, -1)).flatten() for part in parts]))

    found = sc.explain(Loop(), torch.rand(8, 3, 12, 14, generator=generator()))  # as many images as channels
    assert found.layers == ("stem",)
    reason = "gives 1 feature map" if batched else "is given single images, without the batch's axis"
    assert reason in found.left_out["conv#1"]


class Bag(nn.Module):
    """Attention over instances to one prediction."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.attention, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, x):
        seen = self.conv(x).relu().mean((2, 3))
        return self.head((self.attention(seen).softmax(0) * seen).sum(0, keepdim=True))


@pytest.mark.parametrize("classes", ["predicted", 1, "all", lambda z: z[:, 1], lambda z: z[:, 1].expand(12)])
@pytest.mark.parametrize("batch_size", [4, 12])
def test_instances_of_a_bag_have_maps_of_its_one_score(classes, batch_size):
    """The score was refused, or counted once for each instance."""
    model, x = Bag(), torch.rand(12, 3, 10, 10, generator=generator())
    found = sc.explain(model, x, classes=classes, batch_size=batch_size)
    column = int(found.classes[0, -1]) if not callable(classes) else 1
    assert_same_map(found["conv"].raw[:, -1], gradcam(model, x, "conv", lambda z: z[0, column]))
    assert found.logits.shape[0] == 12


def test_a_bag_has_no_score_for_one_instance():
    model, x = Bag(), torch.rand(6, 3, 10, 10, generator=generator())
    with pytest.raises(ValueError, match=r"one score for all images together.*choose a method by gradients"):
        sc.explain(model, x, method="scorecam")
    with pytest.raises(ValueError, match="one bag with one score; give the same classes"):
        sc.explain(model, x, classes=[0, 1, 0, 1, 0, 1])
    given = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(given)[0, 1], given)
    found = sc.explain(model, x, classes=1, method="input_gradient")["input"].raw[:, 0]
    assert_same_map(found, expected.gather(1, expected.abs().argmax(1, keepdim=True))[:, 0])


class ChannelAttention(nn.Module):
    def __init__(self, axes):
        super().__init__()
        self.conv, self.axes = nn.Conv1d(1, 1, 3, padding=1), tuple(range(2, 2 + axes))

    def forward(self, x):
        weights = self.conv(x.mean(self.axes)[:, None]).sigmoid()[:, 0]
        return x * weights.reshape(*weights.shape, *[1] * len(self.axes))


class OverChannels(nn.Module):
    """A convolution over channels and columns, as triplet attention has it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x):
        turned = x.permute(0, 2, 1, 3)
        pooled = torch.cat([turned.amax(1, keepdim=True), turned.mean(1, keepdim=True)], dim=1)
        return (turned * self.conv(pooled).sigmoid()).permute(0, 2, 1, 3)


class Flattened(nn.Module):
    """A convolution over flattened positions, in a shape like an image's."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, (3, 1), padding=(1, 0))

    def forward(self, x):
        return self.conv(x.flatten(2)[..., None]).reshape(x.shape)


class Mixing(nn.Module):
    """A convolution over tokens."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(256, 256, 1)

    def forward(self, x):
        return self.conv(x.flatten(2).mT).mT.reshape(x.shape)


@pytest.mark.parametrize(("part", "axes"), [
    (ChannelAttention(2), 2), (ChannelAttention(1), 1), (OverChannels(), 2), (Flattened(), 2), (Mixing(), 2),
])  # fmt: skip
def test_convolutions_that_are_not_on_the_image_are_left_out_and_never_the_last(part, axes):
    """Their maps lay over channels, and `fused` and `montage` failed on them."""
    torch.manual_seed(0)
    conv = nn.Conv2d if axes == 2 else nn.Conv1d
    layers = [conv(3, 8, 3, padding=1), nn.ReLU(), part, nn.Flatten(2)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3))
    x = torch.rand(2, 3, *[16] * axes, generator=generator())
    found = sc.explain(model, x, layers=["0", "2.*"])
    assert found.layers == ("0",)
    assert (
        "does not lie on" in found.left_out["2.conv"] or "not places on the image" in found.left_out["2.conv"]
    )
    assert sc.explain(model, x, layers="last").layers == ("0",)
    assert found.fused(size=x.shape[2:]).shape == (2, 1, *x.shape[2:])
    assert sc.explain(model, x, layers="0", method="scorecam")["0"].raw.any()
    with pytest.raises(ValueError, match=r"layer 2\.conv gives"):
        sc.explain(model, x, layers="2.conv")


@pytest.mark.parametrize("form", ["view", "expand", "pool"])
def test_gates_of_one_position_and_regrouped_tokens_stay_on_the_image(form):
    """Convolutions that come back from tokens, or gate channels at 1 x 1, are no strangers to the image."""

    class Regrouping(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.gate, self.conv = (
                nn.Conv2d(3, 8, 3, padding=1),
                nn.Conv2d(8, 8, 1),
                nn.Conv2d(8, 8, 3),
            )
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            x = self.stem(x)
            pooled = {
                "view": lambda: x.mean((2, 3)).view(len(x), 8, 1, 1),
                "expand": lambda: x.mean((2, 3))[:, :, None, None],
                "pool": lambda: F.adaptive_avg_pool2d(x, 1),
            }[form]()
            x = self.gate(pooled).sigmoid() * x
            tokens = x.flatten(2).mT
            x = self.conv(tokens.mT.reshape(x.shape))
            return self.head(x.mean((2, 3)))

    model, x = Regrouping(), torch.rand(2, 3, 12, 14, generator=generator())
    found = sc.explain(model, x)
    assert found.layers == ("stem", "gate", "conv")
    for layer in found.layers:
        assert_same_map(found[layer].raw[:, 0], gradcam(model, x, layer, highest))


def test_images_without_a_channel_axis_have_maps_on_their_axes():
    class AddsTheAxis(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.conv(x[:, None]).relu().mean((2, 3)))

    x = torch.rand(3, 12, 14, generator=generator())
    assert_same_map(
        sc.explain(AddsTheAxis(), x)["conv"].raw[:, 0], gradcam(AddsTheAxis(), x, "conv", highest)
    )


def test_complex_layers_and_layers_under_vmap_give_their_true_reasons():
    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 8, 3, dtype=torch.complex64), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.conv(torch.complex(x, x)).abs().mean((2, 3)))

    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(torch.vmap(lambda one: self.conv(one[None])[0].mean((1, 2)))(x))

    x = torch.rand(2, 1, 10, 10, generator=generator())
    with pytest.raises(ValueError, match=r"conv gives torch\.complex64; a map needs real values"):
        sc.explain(Complex(), x)
    with pytest.raises(ValueError, match=r"conv is run inside torch\.vmap"):
        sc.explain(Mapped(), x)


class Asking(nn.Module):
    """Something requires a gradient before the layer."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.deep, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)
        self.how, self.prompt = how, torch.zeros(3, 1, 1, requires_grad=True)
        if how == "hook":
            self.conv.register_forward_pre_hook(lambda _module, inputs: inputs[0].requires_grad_())

    def forward(self, x):
        if self.how == "inside":
            x = x.detach().requires_grad_()
        if self.how == "prompt":
            x = x + self.prompt
        return self.head(F.relu(self.deep(F.relu(self.conv(x), inplace=True))).mean((2, 3)))


@pytest.mark.parametrize("how", ["hook", "inside", "prompt"])
def test_what_requires_a_gradient_before_a_layer_does_not_hide_it(how):
    """All layers were said not to be on the path to the score."""
    model, x = Asking(how), torch.rand(2, 3, 12, 12, generator=generator())
    found = sc.explain(model, x, method="gradcam")
    assert found.layers == ("conv", "deep")
    for layer in found.layers:
        assert_same_map(found[layer].raw[:, 0], gradcam(model, x, layer, highest))
    assert not model.prompt.grad_fn
    assert model.prompt.grad is None


def test_gradients_inside_a_forward_are_followed_to_its_layers():
    class Step(nn.Module):
        """A step down an energy's gradient, then a layer."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.energy, self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            with torch.enable_grad():
                given = x.detach().requires_grad_()
                energy = self.energy(given).tanh().square().sum()
                (gradient,) = torch.autograd.grad(energy, given, create_graph=True)
            return self.head(self.conv(x - 0.1 * gradient).relu().mean((2, 3)))

    model, x = Step().double(), torch.rand(1, 3, 9, 9, generator=generator(), dtype=torch.float64)
    found = sc.explain(model, x, classes=0, method=lambda _, gradient: gradient[:, 2])
    values = []
    for by in (1e-5, -1e-5):
        change = torch.zeros(1, 8, 7, 7, dtype=torch.float64)
        change[0, 2, 3, 4] = by
        hook = model.energy.register_forward_hook(lambda _m, _i, output, change=change: output + change)
        values.append(float(model(x)[0, 0]))
        hook.remove()
    assert float(found["energy"].raw[0, 0, 3, 4]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4)


def test_one_module_of_two_names_has_a_map_under_each_that_is_asked():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, 3, 3, padding=1)
            self.second, self.head = self.first, nn.Linear(3, 3)

        def forward(self, x):
            return self.head(self.second(self.first(x).relu()).relu().mean((2, 3)))

    x = torch.rand(2, 3, 12, 12, generator=generator())
    found = sc.explain(Shared(), x, layers=["first", "second#2"])
    assert found.layers == ("first#1", "first#2", "second#2")
    assert torch.equal(found["first#2"].raw, found["second#2"].raw)
    for call in (1, 2):
        assert_same_map(found[f"first#{call}"].raw[:, 0], gradcam(Shared(), x, "first", highest, call=call))
    assert sc.explain(Shared(), x).layers == ("first#1", "first#2")
