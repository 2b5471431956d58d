"""Views of raw maps and pictures of them."""

import numpy as np
import pytest
import torch
from example_networks import Plain, images_for, make
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

import stratacam as sc


def test_a_blank_map_is_zero_in_every_view_and_never_nan():
    """M3d-Cam divides a blank map by its own maximum."""
    raw = torch.zeros(2, 1, 3, 3)
    raw[1] = -2.0
    for normalise in ("none", "map", "volume", "layer"):
        heat = sc.view(raw, size=(6, 6), normalise=normalise)
        assert heat.isfinite().all()
        assert heat.abs().max() == 0


def test_a_map_that_is_not_finite_is_named_and_left_out_of_the_view():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.ones(2, 1, 2, 2)
    images[0, 0, 0, 0] = torch.inf
    result = sc.explain(model, images, classes=1)
    assert result["0"].blank[0] == ("not finite",)
    assert result["0"].heatmap(normalise="layer")[0].abs().max() == 0


def test_highest_activation_is_hottest():
    """MONAI's normaliser maps the highest value to 0."""
    heat = sc.view(torch.tensor([[[[1.0, 5.0, 3.0]]]]))
    assert heat.argmax() == 1
    assert heat.max() == 1


def test_a_depth_axis_is_pooled_and_upsampled_like_the_others():
    """ClinicaDL 1.6 does not pool over depth and has no ReLU."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(1, 2, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    images = torch.rand(1, 1, 2, 3, 4)
    result = sc.explain(model, images, classes=0)
    expected = model[0](images)[:, 0].detach() / 24
    torch.testing.assert_close(result["0"].raw[:, 0], expected)
    heat = result["0"].heatmap(size=(4, 6, 8))
    assert heat.shape == (1, 1, 4, 6, 8)
    assert heat.min() >= 0


def test_axes_stay_where_they_are():
    """M3d-Cam permutes them."""
    model = nn.Sequential(nn.Conv3d(1, 1, 1, bias=False), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    nn.init.ones_(model[0].weight)
    image = torch.zeros(1, 1, 3, 5, 7)
    image[0, 0, 2, 1, 6] = 1
    raw = sc.explain(model, image, classes=1)["0"].raw[0, 0]
    assert np.unravel_index(int(raw.argmax()), raw.shape) == (2, 1, 6)


def test_wrong_views_are_refused():
    raw = torch.rand(1, 1, 3, 3)
    with pytest.raises(ValueError, match="normalise='max' is not known"):
        sc.view(raw, normalise="max")
    with pytest.raises(ValueError, match="is for 3 axes; the maps have 2"):
        sc.view(raw, size=(4, 4, 4))
    with pytest.raises(ValueError, match="how='sum' is not known"):
        sc.fuse([raw, raw], "sum")


def test_layers_are_fused_as_named():
    first, second = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.5, 0.5]]]])
    assert sc.fuse([first, second], "mean").flatten().tolist() == [0.25, 0.75]
    assert sc.fuse([first, second], "maximum").flatten().tolist() == [0.5, 1.0]
    assert sc.fuse([first, second], "product").flatten().tolist() == [0.0, 0.5]
    result = sc.explain(make(Plain), images_for(Plain))
    fused = result.fused(size=(20, 20), layers=["conv1", "conv2"], how="maximum")
    expected = torch.maximum(*(result[name].heatmap(size=(20, 20)) for name in ("conv1", "conv2")))
    torch.testing.assert_close(fused, expected)


def pixels(figure):
    figure.set_dpi(50)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float)


def test_overlay_is_hot_where_the_map_is_and_shows_the_image_elsewhere():
    image = torch.full((8, 8), 0.5)
    image[0, 0], image[7, 7] = 0, 1
    heat = torch.zeros(4, 4)
    heat[0, 3] = 1
    axes = sc.overlay(image, heat)
    axes.set_position([0, 0, 1, 1])
    axes.figure.set_layout_engine("none")
    drawn = pixels(axes.figure)
    colour = drawn.max(axis=2) - drawn.min(axis=2)
    height, width = colour.shape
    assert colour[: height // 4, -width // 4 :].max() > 60
    assert colour[height // 2 :, : width // 2].max() < 3
    with pytest.raises(ValueError, match=r"such as x\[0\] and heatmap\[0, 0\]"):
        sc.overlay(image, heat[None, None])


def test_montage_shows_every_layer_and_names_blank_ones():
    model, images = make(Plain), images_for(Plain)
    with torch.no_grad():
        model.head.weight[0] = 0
    result = sc.explain(model, images, classes=0)
    figure = sc.montage(images[0], result, columns=2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["image", "conv1", "conv2", "pool"]
    assert [axes.texts[0].get_text() for axes in figure.axes[1:]] == ["zero gradient"] * 3
    assert "class 0, gradcam, ReLU, normalised by: map" in figure.get_suptitle()
    assert len(pixels(figure))
