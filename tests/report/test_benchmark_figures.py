import numpy as np

from stratacam.evidence.planting.score import PlantedSlice, ScoredSlice
from stratacam.evidence.values import Summary
from stratacam.report import draw_benchmark

LAYERS = ("shallow", "deep")


def test_scores_and_examples_are_drawn(tmp_path):
    rows = [(method, layer) for method in ("gradcam", "truth at layer") for layer in LAYERS]
    rows += [("smoothgrad", "input"), *((name, "") for name in ("edges", "intensity", "random"))]
    table = [
        Summary(method, layer, "average_precision", "above decoys", 0.5, 0.4, 0.6, 9)
        for method, layer in rows
    ]
    truth = np.zeros((32, 32), bool)
    truth[10:14, 8:15] = True
    image = np.random.default_rng(0).random((3, 32, 32), dtype=np.float32)
    heat = {("gradcam", layer): image[0] for layer in LAYERS} | {
        ("smoothgrad", "input"): np.zeros_like(image[0])
    }
    decoys = np.roll(truth, 12, axis=0)
    one = PlantedSlice("regular", "sub-01", image, image[2], truth, decoys, np.ones_like(truth), 2.0)
    draw_benchmark(
        tmp_path, {"regular": table, "irregular": table}, [(one, ScoredSlice([], LAYERS, heat))] * 2
    )
    for name in ("scores.png", "examples.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
