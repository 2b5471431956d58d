"""Networks from files that write in place, compute their weights, or do more in a module than its operation."""

import pytest
import torch
from plain_autograd import assert_same_map
from torch import nn
from torch.nn import functional as F

from saved_networks import images_for, save
from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import open_model

KINDS = ("exported", "exported for one image", "traced")


class Classifier(nn.Module):
    """A convolution and a head; what is between is a subclass's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(2, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.between(images).mean(dim=(2, 3)))


class ScalesItsImages(Classifier):
    """Normalises a channel of the images that it is given, where they lie."""

    def between(self, images):
        images[:, 0] = (images[:, 0] - 0.485) / 0.229
        return self.first(images).relu()


class ScalesACopy(Classifier):
    def between(self, images):
        images = images.clone()
        first, _ = images.unbind(dim=1)
        first.sub_(0.485).div_(0.229)
        return self.first(images).relu()


class ClearsAPart(Classifier):
    def between(self, images):
        found = self.first(images)
        found.flatten(2)[:, 1:, 5:50] = 0
        F.dropout(found, training=self.training)[:, :, :2].fill_(0.5)
        return found.relu()


class DropsAResult(Classifier):
    def between(self, images):
        found = self.first(images)
        F.relu_(found)
        return found


class Cleared(nn.Conv2d):
    """A convolution that writes on its result."""

    def forward(self, images):
        found = super().forward(images)
        found[:, :2] = found[:, :2].relu()
        return found


class RectifiedConv(nn.Conv2d):
    def forward(self, images):
        return F.relu(super().forward(images)) - 0.3


class Wholes(Classifier):
    """Modules that are more than the operation in them, and weights that are computed."""

    def __init__(self):
        super().__init__()
        self.cleared = Cleared(4, 4, 3)
        self.rectified = RectifiedConv(4, 4, 3)
        self.pool = nn.LPPool2d(2, 2)
        self.norm = nn.LocalResponseNorm(3, alpha=0.5)
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))
        nn.init.uniform_(self.last.parametrizations.weight.original0, 0.5, 2)

    def between(self, images):
        found = self.pool(self.rectified(self.cleared(self.first(images))))
        return self.last(self.norm(found)).relu()


def opened(network, kind, folder):
    return open_model(save(kind, network, images_for(), folder))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [ScalesItsImages, ScalesACopy, ClearsAPart, DropsAResult])
def test_writes_to_a_view_are_seen_in_what_it_is_a_view_of(make, kind, tmp_path):
    """Writes whose result nothing takes were left out: other scores, and other maps."""
    network, images = make().eval(), images_for(count=3)
    model = opened(network, kind, tmp_path)
    expected = network(images.clone())
    torch.testing.assert_close(model(images), expected)
    assert torch.equal(images, images_for(count=3)), "the images are the caller's"
    found, wanted = (cam.explain(one, images.clone(), classes=1) for one in (model, network))
    assert found.layers == wanted.layers == ("first",)
    assert_same_map(found["first"].raw[:, 0], wanted["first"].raw[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_maps_under_a_modules_name_are_those_of_its_output(kind, tmp_path):
    """They were those of the convolution or pool in it; layers with computed weights were not among all."""
    network, images = Wholes().eval(), images_for()
    model = opened(network, kind, tmp_path)
    names = ("first", "cleared", "rectified", "pool", "norm", "last")
    wanted = cam.explain(network, images, layers=names, classes=1)
    found = cam.explain(model, images, layers=names, classes=1)
    for name in names:
        assert_same_map(found[name].raw[:, 0], wanted[name].raw[:, 0])
    assert set(cam.match_layers(model)) == set(names) - {"norm"}
    assert list(cam.explain(model, images, layers="last").layers) == ["last"]
    assert [layer.name for layer in cam.list_layers(model, images)] == [
        layer.name for layer in cam.list_layers(network, images)
    ]


class Counts(Classifier):
    """Counts its runs in a buffer."""

    def __init__(self, *, used):
        super().__init__()
        self.used = used
        self.register_buffer("runs", torch.zeros(1))

    def between(self, images):
        self.runs += 1
        return self.first(images) + (self.runs if self.used else 0)


@pytest.mark.parametrize("kind", ["exported"])
def test_a_network_that_changes_with_every_run_is_refused(kind, tmp_path):
    network = Counts(used=False).eval()
    model = opened(network, kind, tmp_path)
    torch.testing.assert_close(model(images_for()), network(images_for()))
    with pytest.raises(InputError, match="changes runs in place, a weight that is used elsewhere; expected"):
        opened(Counts(used=True).eval(), kind, tmp_path)
