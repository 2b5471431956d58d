"""Fast arithmetic, on a CPU autocast to bfloat16: where it is in effect, and how far maps may be from exact ones."""

import numpy as np
import pytest
import torch

from stratacam import cam
from stratacam.errors import InputError
from stratacam.learning.forward import compute_logits, forward
from stratacam.maps.precision import BOUND, check_precision, map_errors
from stratacam.networks import build
from stratacam.networks.precision import computing, current_precision, half


def pictures(count=2, size=64):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


@pytest.fixture(scope="module")
def model():
    return build("vgg16", 3, weights="none").eval()


def test_precision_is_exact_unless_it_is_said_and_again_afterwards():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    assert current_precision() == "exact"
    with computing("fast", "cuda"):
        assert (current_precision(), cudnn.allow_tf32, matmul.allow_tf32) == ("fast", True, True)
        with computing("exact", "cuda:1"):
            assert (current_precision(), cudnn.allow_tf32, matmul.allow_tf32) == ("exact", False, False)
        assert (current_precision(), cudnn.allow_tf32, matmul.allow_tf32) == ("fast", True, True)
    with pytest.raises(KeyError), computing("fast", "cpu"):
        raise KeyError
    assert (cudnn.allow_tf32, matmul.allow_tf32) == before
    assert current_precision() == "exact"


def test_what_is_predicted_fast_is_made_in_bfloat16():
    seen = []
    layer = torch.nn.Conv2d(3, 4, 3)
    layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    for precision in ("exact", "fast"):
        with computing(precision, "cpu"):
            assert forward(layer, (pictures(),), "cpu").dtype == torch.float32
    assert seen == [torch.float32, torch.bfloat16]
    with half(torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")


def test_probabilities_of_fast_arithmetic_are_close(model):
    def read(rows):
        return (pictures()[rows],)

    exact = torch.from_numpy(compute_logits(model, read, 2)).softmax(dim=1)
    with computing("fast", "cpu"):
        fast = torch.from_numpy(compute_logits(model, read, 2)).softmax(dim=1)
    assert 0 < float((fast - exact).abs().max()) < 0.02


def test_the_error_of_a_map_is_the_norm_of_its_difference_over_its_own(model):
    found = map_errors(model, [pictures()], layers="block5_*")
    exact = cam.explain(model, pictures(), layers="block5_*")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = cam.explain(model, pictures(), layers="block5_*", classes=exact.classes.tolist())
    for name, error in found.items():
        expected = np.linalg.norm(fast[name].raw - exact[name].raw) / np.linalg.norm(exact[name].raw)
        assert error == pytest.approx(expected, rel=1e-5)
    assert set(map_errors(model, [pictures()], precision="exact", layers="block5_*").values()) == {0.0}


def test_bfloat16_keeps_maps_of_the_last_block_and_is_refused_for_shallow_ones(model):
    given = {"precision": "fast", "classes": 1, "method": "gradcam"}
    found = check_precision([model], [pictures()], "sub-01", layers=["block5_conv3", "block5_pool"], **given)
    assert 0 < found <= BOUND
    with pytest.raises(
        InputError, match=r'^sub-01, run\.precision: found "fast", with which the maps of block[1-4]'
    ):
        check_precision([model], [pictures()], "sub-01", **given)


def test_exact_maps_are_compared_with_nothing():
    assert check_precision([], [pictures()], "sub-01", precision="exact", classes=0, method="gradcam") == 0
