"""Networks whose features lie on the last axis: tokens, and norms and linear layers on (B, rows, columns, features)."""

import pytest
import torch
from example_networks import FeaturesLast
from torch import nn
from torch.nn import functional as F

import stratacam as sc


def test_features_on_the_last_axis_are_refused_with_the_remedy_that_works():
    torch.manual_seed(0)
    model, images = FeaturesLast(), torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match="features on the last axis"):
        sc.explain(model, images, layers=["norm", "mix"])
    moved = sc.explain(
        model, images, layers=["norm", "mix"], classes=1, tokens_to_grid=lambda z: z.movedim(-1, 1)
    )
    assert moved["mix"].raw.shape == (2, 1, 8, 8)
    z = model.mix(model.norm(model.conv(images).permute(0, 2, 3, 1))).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.head(z.relu().mean(dim=(1, 2)))[:, 1].sum(), z)
    expected = (gradient.mean(dim=(1, 2), keepdim=True) * z).sum(dim=-1).detach()
    torch.testing.assert_close(moved["mix"].raw[:, 0], expected, rtol=1e-4, atol=1e-6)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        return x + self.mix(self.norm(x))


class NormFirst(nn.LayerNorm):
    """A layer norm of the channels of (B, channels, rows, columns)."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def test_a_block_with_features_last_is_refused_and_norms_with_channels_first_are_not():
    class Swin(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.first, self.whole = (
                nn.Conv2d(3, 8, 4, stride=4),
                NormFirst(8),
                nn.LayerNorm([8, 6, 6]),
            )
            self.block, self.head = Block(), nn.Linear(8, 2)

        def forward(self, x):
            z = self.whole(self.first(self.conv(x)))
            return self.head(self.block(z.permute(0, 2, 3, 1)).tanh().mean(dim=(1, 2)))

    torch.manual_seed(0)
    model, images = Swin(), torch.rand(2, 3, 24, 24)
    with pytest.raises(ValueError, match=r"block gives \(2, 6, 6, 8\) with its features on the last axis"):
        sc.explain(model, images, layers="block")
    assert sc.explain(model, images, layers=["first", "whole"]).layers == ("first", "whole")


class ClassToken(nn.Module):
    """Nine tokens of an image after one for the class, or after `others`."""

    def __init__(self, others=1):
        super().__init__()
        self.embed, self.block, self.head = nn.Conv2d(3, 8, 4, stride=4), Block(), nn.Linear(8, 2)
        self.others = nn.Parameter(torch.rand(1, others, 8))

    def tokens(self, x):
        z = self.embed(x).flatten(2).mT
        return self.block(torch.cat([self.others.expand(len(z), -1, -1), z], dim=1))

    def end(self, tokens):
        return self.head(tokens.tanh().mean(dim=1))

    def forward(self, x):
        return self.end(self.tokens(x))


def test_ablation_of_tokens_sets_a_feature_of_the_grid_to_zero():
    torch.manual_seed(0)
    model, image = ClassToken(), torch.rand(1, 3, 12, 12)
    options = {"layers": "block", "classes": 1, "method": "ablationcam"}
    found = sc.explain(model, image, tokens_to_grid=(3, 3), **options)["block"].raw[0, 0]
    with torch.no_grad():
        tokens = model.tokens(image)
        expected = torch.zeros(3, 3)
        for feature in range(8):
            without = tokens.clone()
            without[:, 1:, feature] = 0
            weight = (model.end(tokens) - model.end(without))[0, 1]
            expected += weight * tokens[0, 1:, feature].reshape(3, 3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_registers_are_left_out_by_a_function_and_never_silently():
    torch.manual_seed(0)
    model, images = ClassToken(others=3), torch.rand(2, 3, 12, 12)
    with pytest.raises(
        ValueError, match=r"12 tokens for the 9 places.*lambda tokens: tokens\[:, 3:\]\.mT\.unflatten"
    ):
        sc.explain(model, images, layers="block", tokens_to_grid=(3, 3))
    options = {"layers": "block", "tokens_to_grid": lambda tokens: tokens[:, 3:].mT.unflatten(2, (3, 3))}
    assert sc.explain(model, images, **options)["block"].raw.shape == (2, 1, 3, 3)
    with pytest.raises(ValueError, match=r"tokens_to_grid: found \(0, 3\); expected the grid"):
        sc.explain(model, images, layers="block", tokens_to_grid=(0, 3))
    with pytest.raises(ValueError, match="gives NoneType after tokens_to_grid"):
        sc.explain(model, images, layers="block", tokens_to_grid=lambda _: None)


def test_a_grid_of_the_wrong_number_of_axes_or_tokens_is_refused():
    model, images = FeaturesLast(), torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"expected a feature map .* with 1 to 3 axes"):
        sc.explain(model, images, layers="mix", tokens_to_grid=lambda z: z.flatten(1))

    class Seventeen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 2)

        def forward(self, x):
            tokens = F.adaptive_avg_pool2d(x, (8, 17)).mean(dim=1).mT
            return self.head(self.norm(tokens).mean(dim=1))

    with pytest.raises(ValueError, match=r"17 tokens for the 9 places of \(3, 3\).*tokens\[:, 8:\]"):
        sc.explain(Seventeen(), images, layers="norm", tokens_to_grid=(3, 3))
