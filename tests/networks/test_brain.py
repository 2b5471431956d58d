"""Networks that see the brain alone: nothing outside it counts, in any layer, map or method."""

import numpy as np
import pytest
import torch
from torch import nn

from stratacam import cam
from stratacam.cam.methods import METHODS
from stratacam.errors import InputError
from stratacam.networks import (
    ARCHITECTURES,
    ModelCard,
    build,
    default_frozen,
    frozen_prefix,
    inputs_of,
    load_model,
    made_of,
    make_network,
    save_model,
    takes_brain,
)
from stratacam.networks.layers import AveragePool, Convolution
from stratacam.networks.masked import cells_of

BY_FORWARDS = ("scorecam", "ablationcam")


def round_brain(count, rows, columns):
    """An ellipse, a little smaller in each picture, (count, 1, rows, columns)."""
    y, x = torch.linspace(-1, 1, rows)[:, None], torch.linspace(-1, 1, columns)
    return torch.stack([(y**2 + x**2 < 0.5 - 0.1 * number)[None].float() for number in range(count)])


def random_network(name, classes=2, **options):
    """A network with random weights, also in its normalisations, so that they shift what is 0."""
    model = build(name, classes, weights="none", brain="features", **options).eval()
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                values.data += 0.3 * torch.rand(values.shape, generator=generator)
    return model


def case(name, count=2):
    size = ARCHITECTURES[name].minimum_size
    pictures = torch.rand(count, 3, size, size + 32, generator=torch.Generator().manual_seed(1))
    return random_network(name), pictures, round_brain(count, size, size + 32)


def other_air(values, cells):
    generator = torch.Generator().manual_seed(3)
    return torch.where(cells > 0, values, 1e3 * torch.randn(values.shape, generator=generator))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_outside_the_brain_changes_a_logit_by_one_bit_in_the_picture_or_in_any_layer(name):
    model, pictures, brain = case(name)
    with torch.no_grad():
        logits = model(pictures, brain)
        assert torch.equal(model(other_air(pictures, brain), brain), logits)
        assert torch.equal(model(torch.where(brain > 0, pictures, torch.nan), brain), logits)
        assert not torch.equal(model(pictures * 0.9, brain), logits)
        features = pictures
        for place in range(1, len(model) - 2):
            features = model[place - 1 : place](features, brain)
            cells = cells_of(brain, features)
            assert not features[(cells == 0).expand_as(features)].any()
            assert torch.equal(model[place:](other_air(features, cells), brain), logits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maps_of_every_layer_are_0_outside_the_brain_and_do_not_depend_on_the_air(name):
    model, pictures, brain = case(name)
    for method in ("gradcam", "layercam", "eigencam"):
        maps = cam.explain(model, (pictures, brain), classes=1, method=method)
        changed = cam.explain(model, (other_air(pictures, brain), brain), classes=1, method=method)
        assert len(maps.layers) >= 10
        for layer in maps.layers:
            outside = cells_of(brain, maps[layer].raw)[:, 0] == 0
            assert not maps[layer].raw[:, 0][outside].any(), (method, layer)
            assert torch.equal(maps[layer].raw, changed[layer].raw), (method, layer)


@pytest.mark.parametrize("method", METHODS)
def test_maps_of_every_method_are_0_outside_the_brain_and_do_not_depend_on_the_air(method):
    pictures, brain = torch.rand(3, 3, 64, 64), round_brain(3, 64, 64)
    model = random_network("small_cnn")
    options = {"classes": "all", "method": method, "batch_size": 2}
    if method in BY_FORWARDS:
        options["layers"] = "block1_pool"
    maps = cam.explain(model, (pictures, brain), **options)
    changed = cam.explain(model, (other_air(pictures, brain), brain), **options)
    for layer in maps.layers:
        outside = (cells_of(brain, maps[layer].raw) == 0).expand_as(maps[layer].raw)
        assert outside.any()
        assert not maps[layer].raw[outside].any()
        if method != "scorecam":  # which multiplies the picture, air and all, before the network sees it
            assert torch.equal(maps[layer].raw, changed[layer].raw)
        torch.testing.assert_close(maps[layer].raw, changed[layer].raw)


def test_smoothing_adds_no_noise_to_the_brain():
    seen = []

    class Watching(nn.Module):
        takes_brain = True

        def __init__(self):
            super().__init__()
            self.inner = random_network("small_cnn")

        def forward(self, pictures, brain):
            seen.append((pictures.clone(), brain.clone()))
            return self.inner(pictures, brain)

    pictures, brain = torch.rand(2, 3, 32, 32), round_brain(2, 32, 32)
    maps = cam.explain(Watching(), (pictures, brain), classes=0, method="layercam", smooth=3)
    assert len(seen) == 4
    assert all(torch.equal(given, brain) for _, given in seen)
    assert not any(torch.equal(given, pictures) for given, _ in seen[1:])
    for layer in maps.layers:
        assert not maps[layer].raw[(cells_of(brain, maps[layer].raw) == 0)].any()


def test_the_brain_is_cut_with_the_batch_and_costs_the_engine_no_further_run():
    model, runs = random_network("small_cnn"), []
    model.gap.register_forward_hook(lambda *_: runs.append(1))
    pictures, brain = torch.rand(5, 3, 32, 32), round_brain(5, 32, 32)
    together = cam.explain(model, (pictures, brain), classes=0, batch_size=2)
    assert len(runs) == 3
    for index in range(5):
        one = cam.explain(model, (pictures[index, None], brain[index, None]), classes=0)
        for layer in one.layers:
            torch.testing.assert_close(together[layer].raw[index], one[layer].raw[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_where_all_is_brain_a_network_is_the_plain_one_with_the_same_weights(name):
    masked = random_network(name)
    plain = build(name, 2, weights="none").eval()
    plain.load_state_dict(masked.state_dict())
    pooled = build(name, 2, weights="none", brain="pooling").eval()
    pooled.load_state_dict(masked.state_dict())
    size = ARCHITECTURES[name].minimum_size
    pictures, brain = torch.rand(1, 3, size, size), torch.ones(1, 1, size, size)
    with torch.no_grad():
        expected = plain(pictures)
        for model in (masked, pooled):
            torch.testing.assert_close(model(pictures, brain), expected, rtol=1e-4, atol=1e-5)


def test_pooling_over_the_brain_is_the_mean_of_the_last_features_in_its_cells():
    model = build("small_cnn", 2, weights="none", brain="pooling").eval()
    plain = build("small_cnn", 2, weights="none").eval()
    pictures, brain = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    brain[..., 17:33, 3] = 1  # of 4 x 4 cells of 16 pixels: rows 1 and 2 of the first column
    with torch.no_grad():
        features = plain[:-2](pictures)
        expected = plain.predictions((features[..., 1, 0] + features[..., 2, 0]) / 2)
        torch.testing.assert_close(model(pictures, brain), expected)
        assert not torch.equal(model(other_air(pictures, brain), brain), expected)


def test_a_slice_without_brain_has_finite_logits():
    model = random_network("resnet18")
    with torch.no_grad():
        logits = model(torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
    assert torch.equal(logits[0], model.predictions.bias)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_a_convolution_reads_zeros_outside_the_brain_and_gives_none_there(kernel, stride):
    layer = Convolution(2, 3, kernel, stride=stride)
    features, brain = torch.randn(1, 2, 12, 10), (torch.rand(1, 1, 12, 10) < 0.3).float()
    with torch.no_grad():
        expected = layer(torch.where(brain > 0, features, 0))
        found = layer(features, brain)
    for row, column in np.ndindex(found.shape[2:]):
        inside = brain[0, 0, row * stride : (row + 1) * stride, column * stride : (column + 1) * stride].any()
        wanted = expected[0, :, row, column] if inside else torch.zeros(3)
        torch.testing.assert_close(found[0, :, row, column], wanted)


def test_an_average_pool_averages_over_the_brain_in_its_window():
    features = torch.arange(16.0).reshape(1, 1, 4, 4)
    brain = torch.zeros(1, 1, 4, 4)
    brain[0, 0, 0, 1] = brain[0, 0, 1, 0] = brain[0, 0, 3, 3] = 1
    assert AveragePool(2)(features, brain)[0, 0].tolist() == [[2.5, 0.0], [0.0, 15.0]]


@pytest.mark.parametrize("brain", ["features", "pooling"])
def test_the_frozen_beginning_and_the_rest_take_the_brain_of_the_picture_too(brain):
    model = build("resnet18", 2, weights="none", brain=brain).eval()
    beginning, rest = frozen_prefix(model, default_frozen("resnet18", pretrained=True))
    pictures, mask = torch.rand(2, 3, 64, 64), round_brain(2, 64, 64)
    assert takes_brain(beginning)
    assert takes_brain(rest)
    with torch.no_grad():
        assert torch.equal(rest(beginning(pictures, mask), mask), model(pictures, mask))


def test_a_card_says_what_a_network_does_with_the_brain(tmp_path):
    model = random_network("small_cnn")
    card = ModelCard(architecture="small_cnn", classes=("a", "b"), input={}, training={}, brain="features")
    save_model(tmp_path, model, card)
    loaded, read = load_model(tmp_path)
    pictures, brain = torch.rand(1, 3, 32, 32), round_brain(1, 32, 32)
    assert read.brain == "features"
    assert torch.equal(loaded(pictures, brain), model(pictures, brain))
    text = (tmp_path / "card.json").read_text().replace('"brain": "features"', '"head": null')
    (tmp_path / "card.json").write_text(text)
    assert not takes_brain(load_model(tmp_path)[0])


def test_networks_that_differ_in_the_brain_are_not_made_of_the_same():
    made = {made_of("small_cnn", 2, weights="none", seed=0, brain=brain) for brain in ("features", "off")}
    assert len(made) == 2


def test_a_network_is_called_with_the_brain_only_if_it_takes_it():
    pictures, brain = torch.rand(2, 3, 32, 32), round_brain(2, 32, 32)
    (alone,) = inputs_of(build("small_cnn", 2), pictures, brain)
    assert alone is pictures
    _, given = inputs_of(build("small_cnn", 2, brain="pooling"), pictures, brain[:, 0] > 0)
    assert torch.equal(given, brain)


@pytest.mark.parametrize(
    ("brain", "message"),
    [
        (None, "without the brain in them; expected both"),
        (torch.ones(1, 1, 32, 32), r"found shape \(1, 1, 32, 32\).*expected \(2, 1, rows, columns\)"),
        (torch.ones(2, 3, 32, 32), r"found shape \(2, 3, 32, 32\)"),
        (torch.ones(2, 1, 16, 16), "at least as many along each axis"),
    ],
)
def test_a_brain_that_is_absent_or_does_not_fit_is_refused(brain, message):
    with pytest.raises(InputError, match=message):
        build("small_cnn", 2, brain="features")(torch.rand(2, 3, 32, 32), brain)


def test_a_custom_network_cannot_be_masked(tmp_path):
    with pytest.raises(InputError, match=r'network.brain: found "features".*expected "off"'):
        make_network(f"{tmp_path / 'mine.py'}:make", 2, brain="features")
