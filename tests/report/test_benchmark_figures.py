import numpy as np

from stratacam.evidence.planting.pick import BOTH, HALVES, Candidate, Pick, PickedScore
from stratacam.evidence.planting.score import BY_DECOYS, CONSENSUS, NONE, SINGLE, PlantedSlice, ScoredSlice
from stratacam.evidence.values import Summary
from stratacam.report import draw_benchmark

LAYERS, FUSED = ("shallow", "deep"), "shallow+deep"


def rows_of(keys):
    return [
        Summary(method, layer, measure, against, 0.5, 0.4, 0.6, 9)
        for method, layer in keys
        for measure in BY_DECOYS
        for against in ("", "decoys", "above decoys")
    ]


def test_scores_the_pick_and_examples_are_drawn(tmp_path):
    maps = [("gradcam", layer) for layer in (*LAYERS, FUSED)]
    references = [("truth at layer", layer) for layer in (*LAYERS, FUSED)]
    references += [(name, "") for name in ("edges", "intensity", "random")]
    tables = {
        SINGLE: rows_of([*maps, ("smoothgrad", "input")]),
        CONSENSUS: rows_of(maps),
        NONE: rows_of(references),
    }
    picked = Pick(
        ("regular",),
        (("sub-01",), ("sub-02",)),
        (Candidate(SINGLE, "gradcam", "deep"), Candidate(CONSENSUS, "gradcam", FUSED)),
        tuple(
            PickedScore(half, measure, against, 0.5, 0.4, 0.6, 1)
            for half in (*HALVES, BOTH)
            for measure in BY_DECOYS
            for against in ("", "decoys", "above decoys")
        ),
    )
    truth = np.zeros((32, 32), bool)
    truth[10:14, 8:15] = True
    image = np.random.default_rng(0).random((3, 32, 32), dtype=np.float32)
    heat = {(name, *one): image[0] for name in (SINGLE, CONSENSUS) for one in maps}
    heat |= {(SINGLE, "smoothgrad", "input"): np.zeros_like(image[0])}
    decoys = np.roll(truth, 12, axis=0)
    one = PlantedSlice("regular", "sub-01", image, image[2], truth, decoys, np.ones_like(truth), 2.0)
    scored = ScoredSlice({}, LAYERS, (FUSED,), heat)
    draw_benchmark(tmp_path, {"regular": tables, "irregular": tables}, picked, [(one, scored)] * 2)
    for name in ("scores.png", "picked.png", "examples.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
