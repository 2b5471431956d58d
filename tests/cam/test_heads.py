"""How networks end: logits, probabilities in every disguise, and heads that squeeze."""

import warnings

import pytest
import torch
from example_networks import Plain, images_for, make
from torch import nn
from torch.nn import functional as F

import stratacam as sc


class Sure(nn.Module):
    """A binary network that says no: its single logit is about -3."""

    def __init__(self, end):
        super().__init__()
        self.conv, self.head, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, 1), end
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, x):
        return self.end(self.head(self.conv(x).relu().mean(dim=(2, 3))))


SHAPES = {
    "view": lambda z: torch.sigmoid(z).view(-1),
    "squeeze": lambda z: torch.sigmoid(z).squeeze(1),
    "flatten": lambda z: torch.sigmoid(z).flatten(),
    "column": lambda z: torch.sigmoid(z)[:, 0],
    "hard": lambda z: F.hardsigmoid(z).view(-1),
}


@pytest.mark.parametrize("end", SHAPES.values(), ids=SHAPES)
def test_a_sigmoid_in_another_shape_is_followed_to_its_logit(end):
    torch.manual_seed(0)
    model = Sure(end)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sc.explain(model, torch.rand(4, 3, 12, 12))
    assert result.classes.flatten().tolist() == [0, 0, 0, 0]
    assert (result.logits < -1).all()


HIDDEN = {
    "clamp": lambda z: torch.sigmoid(z).clamp(1e-6, 1 - 1e-6),
    "times one": lambda z: torch.sigmoid(z) * 1,
    "by hand": lambda z: 1 / (1 + torch.exp(-z)),
    "saturated": lambda z: torch.sigmoid(200 * z) * 1,
    "half a softmax": lambda z: torch.cat([-z, z], dim=1).softmax(1)[:, 1],
    "several labels": lambda z: torch.cat([z - 1, z, z + 1], dim=1).sigmoid().clamp(1e-6, 1 - 1e-6),
    "two columns": lambda z: torch.cat([1 - torch.sigmoid(z), torch.sigmoid(z)], dim=1),
    "logarithms": lambda z: torch.cat([F.logsigmoid(-z), F.logsigmoid(z)], dim=1),
}


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("end", HIDDEN.values(), ids=HIDDEN)
def test_probabilities_that_hide_are_warned_of(end, images):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        sc.explain(Sure(end), torch.rand(images, 3, 12, 12))


def test_log_probabilities_in_another_shape_are_followed_to_their_logits():
    torch.manual_seed(0)
    model, images = make(Plain), images_for(Plain, count=3)

    class Ends(Plain):
        def forward(self, x):
            return super().forward(x).log_softmax(1).view(len(x), -1)[:, :]

    ends = Ends()
    ends.load_state_dict(model.state_dict())
    torch.testing.assert_close(sc.explain(ends, images).logits, sc.explain(model, images).logits)


def test_logits_that_happen_to_lie_between_0_and_1_are_not_warned_of():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 4)
            nn.init.zeros_(self.head.weight)
            nn.init.constant_(self.head.bias, 0.5)

        def forward(self, x):
            z = self.conv(x)
            z = (
                z * self.gate(z.mean(dim=(2, 3), keepdim=True)).sigmoid()
            )  # as many values as there are logits
            return self.head(z.mean(dim=(2, 3)))

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.explain(Gated(), torch.rand(4, 3, 12, 12), classes=0)


def test_a_head_that_squeezes_gives_one_logit_for_a_last_image_alone():
    torch.manual_seed(0)
    model = Sure(lambda z: z.squeeze())
    assert sc.explain(model, torch.rand(5, 3, 12, 12), batch_size=2).logits.shape == (5, 1)
    model.head = nn.Linear(4, 3)
    assert sc.explain(model, torch.rand(5, 3, 12, 12), batch_size=2).logits.shape == (5, 3)
