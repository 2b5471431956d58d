"""A layer's value is what it gave in that call, also where it is computed again instead of being held."""

import torch
from plain_autograd import assert_same_map, gradcam
from torch import nn
from torch.nn import functional as F

import stratacam as sc
from stratacam.cam import repeated


def images():
    return torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(1))


def first(output):
    return output[:, 0].sum()


class Around(nn.Module):
    """A wide first layer, which is worth computing again, and a head."""

    def __init__(self, conv, **given):
        super().__init__()
        self.conv, self.head, self.given = conv, nn.Linear(64, 3), given

    def forward(self, x):
        return self.head(self.conv(x, **self.given).relu().mean((2, 3)))


class Masked(nn.Conv2d):
    def forward(self, input, mask=None):  # noqa: A002 - as nn.Conv2d has it
        return super().forward(input) * mask


class ByDomain(nn.Conv2d):
    domain = 0

    def forward(self, input):  # noqa: A002
        return super().forward(input) * (1 + self.domain)


class Random(nn.Conv2d):
    def forward(self, input):  # noqa: A002
        return F.dropout(super().forward(input), 0.5, training=True)


def counting(monkeypatch):
    """How many layers are computed again."""
    made = []
    original = repeated.repeat
    monkeypatch.setattr(
        "stratacam.cam.recorder.repeat", lambda *args: made.append(original(*args)) or made[-1]
    )
    return made


def test_a_plain_first_convolution_is_computed_again(monkeypatch):
    made = counting(monkeypatch)
    torch.manual_seed(0)
    model = Around(nn.Conv2d(1, 64, 3))
    assert_same_map(
        sc.explain(model, images(), classes=0)["conv"].raw[:, 0], gradcam(model, images(), "conv", first)
    )
    assert [one is not None for one in made] == [True]


def test_arguments_by_name_belong_to_the_call():
    torch.manual_seed(0)
    model = Around(Masked(1, 64, 3), mask=(torch.rand(46, 46) > 0.5).float())
    assert_same_map(
        sc.explain(model, images(), classes=0)["conv"].raw[:, 0], gradcam(model, images(), "conv", first)
    )


def test_what_a_layer_was_set_to_belongs_to_the_call():
    class Switching(Around):
        def forward(self, x):
            self.conv.domain = 2
            found = super().forward(x)
            self.conv.domain = 0
            return found

    torch.manual_seed(0)
    model = Switching(ByDomain(1, 64, 3))
    assert_same_map(
        sc.explain(model, images(), classes=0)["conv"].raw[:, 0], gradcam(model, images(), "conv", first)
    )


def test_weights_that_change_between_two_calls_belong_to_each_call():
    class Halving(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 64, 3), nn.Linear(64, 3)

        def forward(self, x):
            one = self.conv(x).relu().mean((2, 3))
            self.conv.weight.data.mul_(-0.5)
            other = self.conv(x).relu().mean((2, 3))
            self.conv.weight.data.mul_(-2)
            return self.head(one + other)

    torch.manual_seed(0)
    model = Halving()
    found = sc.explain(model, images(), classes=0)
    for call in (1, 2):
        expected = gradcam(model, images(), "conv", first, call=call)
        assert_same_map(found[f"conv#{call}"].raw[:, 0], expected)


def test_random_numbers_of_a_call_are_not_drawn_again(monkeypatch):
    made = counting(monkeypatch)
    torch.manual_seed(0)
    model = Around(Random(1, 64, 3))
    torch.manual_seed(3)
    found = sc.explain(model, images()[:1], classes=0)["conv"].raw[:, 0]
    torch.manual_seed(3)
    assert_same_map(
        found, gradcam(model, images()[:1].to(memory_format=torch.channels_last), "conv", first), 0.5
    )
    assert made == [None]


def test_global_hooks_are_part_of_a_call():
    def double(module, _inputs, output):
        return output * 2 if isinstance(module, nn.Conv2d) else None

    torch.manual_seed(0)
    model = Around(nn.Conv2d(1, 64, 3))
    hook = nn.modules.module.register_module_forward_hook(double)
    try:
        found = sc.explain(model, images(), classes=0)["conv"].raw[:, 0]
    finally:
        hook.remove()
    doubled = Around(nn.Conv2d(1, 64, 3))
    doubled.load_state_dict(model.state_dict())
    doubled.conv.weight.data *= 2
    doubled.conv.bias.data *= 2
    assert_same_map(found, gradcam(doubled, images(), "conv", first))
