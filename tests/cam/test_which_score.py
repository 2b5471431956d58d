"""Which score is explained: logits behind a final softmax or sigmoid, else a warning that probabilities are."""

import warnings

import pytest
import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc


def images(count=4):
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(1))


class Ended(nn.Module):
    """A small network whose three values go through `end`."""

    def __init__(self, end, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.end = nn.Conv2d(3, 8, 3), nn.Linear(8, outputs), end

    def forward(self, x):
        return self.end(self.head(self.conv(x).relu().mean((2, 3))))


PROBABILITIES = {
    "softmax of each half": lambda z: torch.cat([z[:, :2].softmax(1), z[:, 2:].sigmoid()], dim=1),
    "mean of two softmaxes": lambda z: (z.softmax(1) + (2 * z).softmax(1)) / 2,
    "mean of sigmoids": lambda z: torch.stack([z.sigmoid(), (z / 2).sigmoid()]).mean(0),
    "a softmax that is scaled": lambda z: z.softmax(1) * 0.9 + 0.1 / 3,
    "one class of a softmax": lambda z: z.softmax(1)[:, 1],
    "written into zeros": lambda z: torch.zeros_like(z).copy_(z.sigmoid()),
    "sigmoid in place": lambda z: z.clone().sigmoid_(),
    "exponentials over their sum": lambda z: z.exp() / z.exp().sum(1, keepdim=True),
    "hard sigmoid by hand": lambda z: (z / 6 + 0.5).clamp(0, 1),
    "noisy or": lambda z: 1 - (1 - z.sigmoid()).prod(dim=1, keepdim=True),
    "a percentage": lambda z: 100 * z.sigmoid(),
}

LOGITS = {
    "plain": lambda z: z,
    "scaled by a gate": lambda z: z * z.mean(1, keepdim=True).sigmoid(),
    "log of mean of exponentials": lambda z: torch.stack([z, 2 * z]).exp().mean(0).log(),
    "weights of attention": lambda z: (z.softmax(1) * z) + z,
    "a tanh before a linear layer": lambda z: F.linear(z.tanh(), torch.eye(3) * 5),
    "residual of a sigmoid": lambda z: z + z.sigmoid(),
    "centred": lambda z: z - z.mean(1, keepdim=True),
}


@pytest.mark.parametrize("end", PROBABILITIES)
@pytest.mark.parametrize("count", [1, 4])
def test_probabilities_are_never_explained_without_a_word(end, count):
    """Heads joined after their own softmax, and averaged sigmoids, were."""
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        sc.explain(Ended(PROBABILITIES[end]), images(count))


@pytest.mark.parametrize("end", LOGITS)
@pytest.mark.parametrize("count", [1, 4])
def test_logits_are_explained_without_a_warning(end, count):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.explain(Ended(LOGITS[end]), images(count))


@pytest.mark.parametrize(
    "wrap", [lambda z: z[:, :, None, None].softmax(1), lambda z: {"logits": z.softmax(1)}]
)
def test_the_logits_behind_a_final_softmax_are_explained_whatever_holds_it(wrap):
    found = sc.explain(Ended(wrap), images())
    plain = Ended(lambda z: z)
    torch.testing.assert_close(found.logits, plain(images()).detach())
    expected = gradcam(plain, images(), "conv", lambda z: z.amax(1).sum())
    assert_same_map(found["conv"].raw[:, 0], expected)


def test_a_softmax_that_is_changed_in_place_is_no_longer_the_end():
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        found = sc.explain(Ended(lambda z: z.softmax(1).add_(0.5)), images(), method="scorecam")
    torch.testing.assert_close(found.logits.sum(1), torch.full((4,), 2.5))


@pytest.mark.parametrize("chance", [0.12, 0.88])
@pytest.mark.parametrize("count", [1, 4])
def test_single_probabilities_speak_for_class_one_above_one_half(chance, count):
    """The mean of an ensemble's sigmoids at 0.12 was explained as class 1."""
    model = Ended(lambda z: torch.stack([z.sigmoid(), z.sigmoid()]).mean(0), outputs=1)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(torch.logit(torch.tensor(chance)))
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        found = sc.explain(model, images(count))
    assert found.classes.flatten().tolist() == [int(chance > 0.5)] * count


@pytest.mark.parametrize("shape", [(1, 1), (3, 1, 1), (3, 1, 1, 1)])
def test_logits_may_have_axes_of_one_position(shape):
    model = Ended(lambda z: z[:, : shape[0]].reshape(len(z), *shape), outputs=shape[0])
    found = sc.explain(model, images(), classes="all")
    assert found.logits.shape == (4, shape[0])
    expected = gradcam(model, images(), "conv", lambda z: z.flatten(1)[:, -1].sum())
    assert_same_map(found["conv"].raw[:, -1], expected)


def test_a_function_of_two_arguments_is_told_which_images_it_is_given():
    model, labels = Ended(lambda z: (z,)), torch.tensor([0, 1, 2, 2, 1])
    found = sc.explain(
        model,
        images(5),
        batch_size=2,
        classes=lambda output, positions: output[0].gather(1, labels[positions][:, None])[:, 0],
    )
    expected = gradcam(model, images(5), "conv", lambda z: z[0].gather(1, labels[:, None]).sum())
    assert_same_map(found["conv"].raw[:, 0], expected)
    with pytest.raises(IndexError) as fault:
        sc.explain(model, images(5), batch_size=2, classes=lambda output: output[0][range(5), labels])
    assert "a function of two arguments is given these positions too" in fault.value.__notes__[0]


def test_guided_backpropagation_takes_relu6_and_names_what_it_does_not_change():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)]
    model = nn.Sequential(*layers)
    x = images(1) * 8
    found = sc.explain(model, x, method="guided_backprop", classes=0)["input"].raw
    given = x.clone().requires_grad_()
    before = model[0](given)
    passing = ((before > 0) & (before < 6)).float() * (model[4].weight[0] / 100)[
        None, :, None, None
    ].clamp_min(0)
    (expected,) = torch.autograd.grad(before, given, passing.detach())
    strongest = expected.gather(1, expected.abs().argmax(1, keepdim=True))
    torch.testing.assert_close(found, strongest)
    layers[1] = nn.Sequential(nn.ReLU(), nn.GELU())
    with pytest.warns(UserWarning, match="changes ReLUs alone; the network also ran gelu"):
        sc.explain(nn.Sequential(*layers), x, method="guided_backprop")
