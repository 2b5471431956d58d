"""Views of raw maps and pictures of them."""

import numpy as np
import pytest
import torch
from example_networks import Plain, images_for, make
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

import stratacam as sc
from stratacam.cam.drawing import COLOURS, DIVERGING
from stratacam.cam.views import blank_cause


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
    with pytest.raises(ValueError, match="normalise: found 'max'; expected none"):
        sc.view(raw, normalise="max")
    with pytest.raises(ValueError, match="is for 3 axes; the maps have 2"):
        sc.view(raw, size=(4, 4, 4))
    with pytest.raises(ValueError, match="how: found 'sum'; expected mean"):
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
    assert titles == ["image", "conv1", "conv2", "pool", ""]
    assert [axes.texts[0].get_text() for axes in figure.axes[1:4]] == ["zero gradient"] * 3
    assert figure.axes[4].get_xlabel() == "share of the maximum of each map"
    assert "class 0, gradcam, ReLU, normalised by: map" in figure.get_suptitle()
    assert len(pixels(figure))


def test_montage_of_mri_is_grey_and_names_the_class_and_the_unit():
    """Sequences in three channels were drawn as red, green and blue, and classes as numbers."""
    model, images = make(Plain), images_for(Plain)
    result = sc.explain(model, images, classes=1)
    figure = sc.montage(
        images[0],
        result,
        channel=2,
        names=["control", "SPMS", "RRMS"],
        relu=False,
        normalise="none",
        layers="conv2",
    )
    image, _, bar = (axes for axes in figure.axes if axes.images or axes.get_xlabel())
    assert image.images[0].get_array().ndim == 2
    assert figure.get_suptitle().startswith("class SPMS, gradcam, signed")
    assert bar.get_xlabel() == "signed map (logit)"
    highest = result["conv2"].heatmap(size=images.shape[-2:], relu=False, normalise="none")[0, 0].abs().max()
    assert bar.get_xlim() == pytest.approx((-float(highest), float(highest)))
    with pytest.raises(ValueError, match="channel=7"):
        sc.overlay(images[0], result["conv2"].heatmap()[0, 0], channel=7)


def lightness_and_colour(name, *, blind=None):
    """CIELAB of 33 steps of a colour map, as seen, or without one kind of cones (Machado 2009)."""
    without = {
        "red": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "green": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    colours = colormaps[name](np.linspace(0, 1, 33))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.transpose(without[blind])).clip(0, 1) if blind else linear
    share = linear @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.stack(
        [116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1
    )


def test_colours_of_heat_grow_lighter_and_those_of_signed_maps_diverge_evenly():
    heat = lightness_and_colour(COLOURS)
    assert (np.diff(heat[:, 0]) > 0).all()
    signed = lightness_and_colour(DIVERGING)
    steps = np.linalg.norm(np.diff(signed, axis=0), axis=1)
    assert steps.std() < 0.05 * steps.mean()
    assert signed[:, 0].argmax() == 16
    np.testing.assert_allclose(signed[:16, 0], signed[:16:-1, 0], atol=2)
    for blind in ("red", "green"):  # ends stay far apart: 5 is a difference that is seen at a glance
        first, *_, last = lightness_and_colour(DIVERGING, blind=blind)
        assert np.linalg.norm(first - last) > 50
        assert (np.diff(lightness_and_colour(COLOURS, blind=blind)[:, 0]) > 0).all()


@pytest.mark.parametrize("normalise", ["none", "map", "volume", "layer"])
@pytest.mark.parametrize("relu", [True, False])
def test_constant_maps_are_zero_in_every_view(normalise, relu):
    """Positive ones, as of squeeze-and-excitation, were drawn 1 everywhere, and so was the maximum over layers."""
    raw = torch.tensor([[[[2.0, 2.0]], [[-1.0, -1.0]], [[1.0, 1.0 + 1e-6]], [[1.0, 3.0]]]])
    seen = sc.view(raw, relu=relu, normalise=normalise, size=(2, 4))
    assert not seen[:, :3].any()
    assert seen[:, 3].any()
    assert blank_cause(raw, torch.zeros(1, 4, dtype=torch.bool)) == (
        ("constant", "constant", "constant", ""),
    )


def test_layers_of_one_position_do_not_cover_the_others_in_a_fused_map():
    torch.manual_seed(0)
    squeeze = nn.Sequential(nn.AvgPool2d(10), nn.Conv2d(8, 8, 1), nn.Sigmoid())

    class Excited(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.squeeze, self.deep, self.head = (
                nn.Conv2d(3, 8, 3),
                squeeze,
                nn.Conv2d(8, 8, 3),
                nn.Linear(8, 3),
            )

        def forward(self, x):
            x = self.conv(x).relu()
            return self.head(self.deep(x * self.squeeze(x)).relu().mean((2, 3)))

    found = sc.explain(Excited(), torch.rand(2, 3, 12, 12))
    assert found.layers == ("conv", "squeeze.0", "squeeze.1", "deep")
    whole = found.fused(size=(12, 12), how="maximum")
    assert torch.equal(whole, found.fused(size=(12, 12), how="maximum", layers=["conv", "deep"]))


def test_views_and_noisy_copies_do_not_depend_on_the_default_device_and_type():
    model, images = make(Plain), images_for(Plain)
    expected = sc.explain(model, images, smooth=2)
    view_expected = expected["conv1"].heatmap(size=(9, 9))
    forward = ("scorecam", "ablationcam", "eigencam")
    others = {method: sc.explain(model, images, layers="conv2", method=method) for method in forward}
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        found = sc.explain(model, images, smooth=2)
        assert torch.equal(found["conv1"].raw, expected["conv1"].raw)
        assert torch.equal(found["conv1"].heatmap(size=(9, 9)), view_expected)
        assert found.fused(size=(9, 9)).dtype == torch.float32
        for method, plain in others.items():
            assert torch.equal(
                sc.explain(model, images, layers="conv2", method=method)["conv2"].raw, plain["conv2"].raw
            )
    finally:
        torch.set_default_device("cpu")
        torch.set_default_dtype(torch.float32)


def test_montage_of_a_volume_draws_the_plane_with_the_most_heat_or_the_one_that_is_asked_for():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(2, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(3, 2)
    )
    volumes = torch.zeros(1, 2, 6, 8, 10)
    volumes[0, :, 4, 3, 5] = 5.0
    result = sc.explain(network, volumes, layers="0", classes="all")
    hottest = int(result["0"].heatmap(size=(6, 8, 10))[0, 0].sum(dim=(1, 2)).argmax())
    assert sc.montage(volumes[0], result).axes[0].get_title() == f"image, plane {hottest}"
    figure = sc.montage(volumes[0], result, channel=1, plane=2, column=1)
    assert figure.axes[0].get_title() == "image, plane 2"
    assert np.array_equal(figure.axes[0].images[0].get_array(), np.zeros((8, 10)))
    for wrong, words in (({"plane": 6}, "0 to 5"), ({"channel": 2}, "planes, rows, columns")):
        with pytest.raises(ValueError, match=words):
            sc.montage(volumes[0], result, **wrong)
    with pytest.raises(ValueError, match="as many axes as its maps"):
        sc.montage(volumes, result)
