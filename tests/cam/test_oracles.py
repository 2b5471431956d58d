"""Other libraries as independent witnesses, where they are installed and right."""

import pytest
import torch
from example_networks import Plain, Residual, images_for, make

import stratacam as sc


@pytest.mark.parametrize("kind", [Plain, Residual], ids=lambda kind: kind.__name__)
def test_captum_agrees(kind):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed (benchmarks/peers.txt)")
    model, images = make(kind).eval(), images_for(kind)
    for name in sc.match_layers(model, "conv*"):
        layer = model.get_submodule(name)
        expected = attr.LayerGradCam(model, layer).attribute(images, target=1)[:, 0].detach()
        found = sc.explain(model, images, layers=name, classes=1)[name].raw[:, 0]
        assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
        products = attr.LayerGradientXActivation(model, layer).attribute(images, target=1).detach()
        for method, reference in (
            ("hirescam", products.sum(1)),
            ("gradient_x_activation", products.clamp_min(0).sum(1)),
        ):
            found = sc.explain(model, images, layers=name, classes=1, method=method)[name].raw[:, 0]
            assert (found - reference).abs().max() <= 1e-4 * reference.abs().max()
    slopes = attr.Saliency(model).attribute(images.clone().requires_grad_(), target=1, abs=True)
    found = sc.explain(model, images, classes=1, method="input_gradient")["input"].raw[:, 0]
    torch.testing.assert_close(found.abs(), slopes.amax(dim=1), rtol=1e-3, atol=1e-7)


def test_torch_cam_agrees():
    methods = pytest.importorskip(
        "torchcam.methods", reason="torch-cam is not installed (benchmarks/peers.txt)"
    )
    model, images = make(Plain).eval(), images_for(Plain)
    for method, ours in (
        (methods.GradCAM, "gradcam"),
        (methods.XGradCAM, "xgradcam"),
        (methods.LayerCAM, "layercam"),
    ):
        with method(model, "conv1") as extractor:
            expected = extractor(1, model(images), normalized=False)[0].detach()
        found = (
            sc.explain(model, images, layers="conv1", classes=1, method=ours)["conv1"].raw[:, 0].clamp_min(0)
        )
        assert (found - expected).abs().max() <= 1e-3 * expected.abs().max()
