"""What a layer gave is what the layer itself gave, whatever is done to it in place afterwards."""

import pytest
import torch
from example_networks import Careless, activation_and_gradient, images_for, make
from torch import nn

import stratacam as sc


def test_map_before_an_in_place_relu_is_the_convolutions_own():
    """torch-cam, pytorch-grad-cam and M3d-Cam give the map of the ReLU here."""
    images = images_for(Careless)
    maps = {}
    for in_place in (False, True):
        torch.manual_seed(1)
        model = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(in_place), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        maps[in_place] = sc.explain(model, images, layers=["0", "1"], classes=1)
    activation, _ = activation_and_gradient(nn.Sequential(*model), images, "2", torch.ones(3))
    assert activation.shape[2:] == (1, 1)
    for name in ("0", "1"):
        torch.testing.assert_close(maps[True][name].raw, maps[False][name].raw)
    assert maps[True]["0"].raw.min() < maps[True]["1"].raw.min() or not torch.equal(
        maps[True]["0"].raw, maps[True]["1"].raw
    )


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "eigencam"])
def test_every_method_sees_the_values_before_the_change(method):
    images = images_for(Careless)
    changed = sc.explain(make(Careless, in_place=True), images, classes=0, method=method)
    unchanged = sc.explain(make(Careless), images, classes=0, method=method)
    for name in unchanged.layers:
        torch.testing.assert_close(changed[name].raw, unchanged[name].raw, rtol=1e-3, atol=1e-5)


def test_identity_stands_for_itself_and_not_for_what_it_was_given():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.identity, self.other = nn.Conv2d(2, 3, 1), nn.Identity(), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = self.conv(x)
            return (self.identity(x) + self.other(x)).mean(dim=(2, 3))

    torch.manual_seed(0)
    model, images = Skip(), torch.rand(2, 2, 5, 5)
    result = sc.explain(model, images, layers=["conv", "identity"], classes=1)
    activation = model.conv(images)
    torch.testing.assert_close(result["identity"].raw[:, 0], activation[:, 1] / 25)  # its own path alone
    assert not torch.allclose(result["identity"].raw, result["conv"].raw)
    alone = sc.explain(model, images, layers="identity", classes=1)
    torch.testing.assert_close(alone["identity"].raw, result["identity"].raw)


def test_a_graph_spoilt_in_place_is_told_and_never_used():
    class Spoilt(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3, padding=1)

        def forward(self, x):
            x = self.conv(x).sigmoid()
            x.mul_(2)  # sigmoid needs its output for the gradient
            return x.mean(dim=(2, 3))

    with pytest.raises(RuntimeError, match="in place"):
        sc.explain(Spoilt(), torch.rand(1, 1, 96, 96))
