"""What is explained is what the model gives: whatever its batches mix, choose, draw, or count on in memory."""

import warnings

import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc


def images(count=4, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


class Mixing(nn.Module):
    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.how, self.conv, self.deep = how, nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.norm, self.head = nn.BatchNorm2d(8, track_running_stats=how != "statistics"), nn.Linear(8, 3)
        self.lstm = nn.LSTM(8, 8)

    def forward(self, x):
        x = self.deep(self.norm(self.conv(x)).relu()).relu().mean((2, 3))
        if self.how == "attention":
            x = (x @ x.mT).softmax(1) @ x
        if self.how == "norm":
            x = (x - x.mean(0)) / (x.std(0) + 1e-3)
        if self.how == "gate":
            x = x * (x > x.mean(0)).float()
        if self.how == "sequence":
            x = self.lstm(x)[0]
        return self.head(x)


@pytest.mark.parametrize("how", ["statistics", "attention", "norm", "gate", "sequence"])
@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_a_network_that_mixes_images_is_said_to_and_each_map_is_of_its_own_score(how, method):
    """The map was that of the sum of all scores."""
    model = Mixing(how)
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        found = sc.explain(model, images(), classes=1, method=method)
    if method == "gradcam":
        for place in range(4):
            expected = gradcam(model, images(), "conv", lambda z, place=place: z[place, 1])
            assert_same_map(found["conv"].raw[place], expected[place : place + 1], 1e-3)
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        at_input = sc.explain(model, images(), classes=1, method="input_gradient")["input"].raw
    given = images().requires_grad_()
    (expected,) = torch.autograd.grad(model.eval()(given)[2, 1], given)
    strongest = expected.gather(1, expected.abs().argmax(1, keepdim=True))[2]
    assert_same_map(at_input[2], strongest, 1e-3)


class Cancelling(nn.Module):
    """Scores that are small differences of large terms, and so of rounding, which depends on the size of the batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        found = self.conv(x).relu().mean((2, 3))
        rounding = 1e-4 * (1 + len(x) % 2)  # as kernels for batches of other sizes have it
        return self.head(found) * 1e-3 + rounding * torch.roll(found, 1, 1)[:, :2]


@pytest.mark.filterwarnings("error")
def test_rounding_that_depends_on_the_size_of_the_batch_is_not_mixing():
    found = sc.explain(Cancelling(), images(), classes=1)
    assert found["conv"].raw.shape[0] == len(images())


class Separate(nn.Module):
    """Treats each image by itself, in ways that no rule on operations can see."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.how, self.conv, self.head = how, nn.Conv2d(3, 8, 3), nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        x = self.conv(x).relu()
        if self.how == "attention":
            tokens = x.flatten(2).mT
            return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))
        if self.how == "sort":
            return self.head(x.flatten(2).sort(2).values[..., -4:].mean(2))
        return self.head(torch.einsum("bchw->bc", x) / 100)


@pytest.mark.parametrize("how", ["attention", "sort", "einsum"])
def test_networks_that_treat_each_image_by_itself_are_explained_without_a_word(how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = sc.explain(Separate(how), images(), classes=1)["conv"].raw
    assert_same_map(together[:, 0], gradcam(Separate(how), images(), "conv", lambda z: z[:, 1].sum()))


def test_no_second_forward_where_the_operations_leave_no_doubt():
    runs = []

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [
                nn.Conv2d(3, 8, 3),
                nn.BatchNorm2d(8),
                nn.ReLU6(),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 8, 3),
                nn.SiLU(),
            ]
            self.body = nn.Sequential(*layers)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            runs.append(len(x))
            x = self.body(x)
            x = torch.cat([x, F.pad(x[:, :2], (0, 0))], dim=1)[:, :8] + 0.1 * x
            return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

    sc.explain(Counted(), images(), batch_size=2)
    assert runs == [2, 2]


def strided(x):
    """Patches by the strides of a contiguous tensor."""
    rows, channels, height, width = x.shape
    shape = (rows, channels, height // 4, width // 4, 4, 4)
    strides = (channels * height * width, height * width, 4 * width, 4, width, 1)
    return x.as_strided(shape, strides).mean((2, 3)).flatten(1)


def flat(x):
    return x.as_strided((x.numel(),), (1,)).view(len(x), 8, -1).mean(2).repeat(1, 16)


def checked(x):
    if not x.is_contiguous():
        raise RuntimeError("input tensor has to be contiguous")
    return x.mean((2, 3)).repeat(1, 16)


def asserted(x):
    assert x.stride(-1) == 1
    return x.mean((2, 3)).repeat(1, 16)


def as_complex(x):
    return torch.view_as_complex(x.unflatten(3, (-1, 2))).abs().mean((2, 3)).repeat(1, 16)


def in_numpy_order(x):
    return x * torch.frombuffer(bytearray(x.detach().numpy().tobytes("A")), dtype=x.dtype).view(x.shape).mean(
        1, True
    )


def viewed(x):
    return x.view(len(x), 8, -1).mean(2).repeat(1, 16)


@pytest.mark.parametrize("code", [strided, flat, checked, asserted, as_complex, in_numpy_order, viewed])
@pytest.mark.parametrize("count", [1, 3])
def test_code_that_counts_on_the_order_in_memory_gives_the_models_own_logits(code, count):
    """With channels last it gave others, silently, or failed."""

    class Ordered(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(128, 3)

        def forward(self, x):
            found = code(self.conv(x).relu())
            return self.head(found if found.ndim == 2 else found.mean((2, 3)).repeat(1, 16))

    model = Ordered()
    found = sc.explain(model, images(count))
    torch.testing.assert_close(found.logits, model(images(count)).detach())
    assert_same_map(found["conv"].raw[:, 0], gradcam(model, images(count), "conv", lambda z: z.amax(1).sum()))


class Experts(nn.Module):
    """One expert for a batch, by its mean."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)
        self.experts = nn.ModuleList(nn.Conv2d(8, 8, 3) for _ in range(3))

    def forward(self, x):
        expert = self.experts[int(x.mean() * 3) % 3]
        return self.head(expert(self.stem(x).relu()).relu().mean((2, 3)))


def dark_and_bright():
    return torch.cat([images(2) * 0.3, images(2) * 0.3 + 0.6])


@pytest.mark.filterwarnings("ignore:the network mixes")
def test_layers_that_only_some_batches_run_are_mapped_there_and_blank_elsewhere():
    model, x = Experts(), dark_and_bright()
    found = sc.explain(model, x, batch_size=2)
    assert found.layers == ("stem", "experts.0", "experts.2")
    assert found["experts.0"].blank[2:] == (("not run",), ("not run",))
    assert not found["experts.0"].raw[2:].any()
    assert not found["experts.0"].heatmap(size=(16, 16))[2:].any()
    assert_same_map(
        found["experts.2"].raw[2:, 0], gradcam(model, x[2:], "experts.2", lambda z: z.amax(1).sum())
    )
    assert found.left_out == {"experts.1": "was not run on this input."}
    named = sc.explain(model, x, batch_size=2, layers=["experts.2", "experts.0"])
    assert set(named.layers) == {"experts.0", "experts.2"}
    assert set(sc.explain(model, x, batch_size=2, layers="last").layers) == {"experts.0", "experts.2"}
    with pytest.raises(ValueError, match=r"layer experts\.1 was not run on this input"):
        sc.explain(model, x, batch_size=2, layers=["stem", "experts.1"])


@pytest.mark.filterwarnings("ignore:the network mixes")
def test_calls_are_numbered_alike_where_batches_call_a_layer_differently_often():
    class Repeats(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 3)

        def forward(self, x):
            for _ in range(1 if x.mean() < 0.5 else 2):
                x = self.conv(x).relu()
            return self.head(x.mean((2, 3)))

    found = sc.explain(Repeats(), dark_and_bright(), batch_size=2)
    assert found.layers == ("conv#1", "conv#2")
    assert found["conv#2"].blank[:2] == (("not run",), ("not run",))


def test_an_expert_that_sees_some_of_the_images_is_left_out():
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.one, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Linear(8, 3)

        def forward(self, x):
            dark = x.mean((1, 2, 3)) < 0.5
            found = self.stem(x).relu()
            routed = torch.zeros_like(found)
            routed[dark] = self.one(found[dark])
            return self.head(routed.mean((2, 3)))

    found = sc.explain(Routed(), dark_and_bright())
    assert found.layers == ("stem",)
    assert "gives 2 feature map(s)" in found.left_out["one"]


def test_a_network_that_is_random_in_evaluation_says_so():
    class Drawing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(F.dropout(self.conv(x).flatten(2).sort(2).values.mean(2), 0.5, training=True))

    with pytest.warns(UserWarning, match="other scores for the same images each time"):
        sc.explain(Drawing(), images())
