"""Maps of every layer of networks of other packages, against plain autograd."""

import pytest
import torch
from plain_autograd import assert_same_map, gradcam

from other_packages import SMALL_NETWORKS, needed
from stratacam import cam
from stratacam.networks import make_network


@pytest.mark.parametrize("architecture", SMALL_NETWORKS)
def test_maps_of_every_layer_are_those_of_plain_autograd(architecture):
    needed(architecture.partition(":")[0])
    model = make_network(architecture, 3)
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    found = cam.explain(model, image, classes=1)
    assert len(found.layers) >= 10
    for maps in found:
        module, _, call = maps.name.partition("#")
        expected = gradcam(model, image, module, lambda logits: logits[:, 1].sum(), call=int(call or 1))
        assert_same_map(maps.raw[:, 0], expected, share=1e-3)
