"""Evidence of a small study on disk, and its recommended map; all numbers are made up."""

import numpy as np
from small_study import KEPT, SIZE, layer_names, side_of

from stratacam.evidence import registry
from stratacam.evidence.by_class import ClassSummary
from stratacam.evidence.choice import CrossFitted
from stratacam.evidence.counterfactual.losses import LOSSES, StructureLoss
from stratacam.evidence.faithfulness.curves import ABOVE, ROAD
from stratacam.evidence.localisation import POINTING
from stratacam.evidence.pick import JudgedMap, Pick
from stratacam.evidence.recommendation import rule
from stratacam.evidence.rows import write_rows
from stratacam.evidence.sequences.by_class import SEQUENCES, SequenceSummary
from stratacam.evidence.strategies.tables import STRATEGIES
from stratacam.evidence.values import Summary
from stratacam.files import RECORDS, write_json, write_table
from stratacam.maps.consensus import MemberMaps
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.store import find_maps
from stratacam.maps.writing import Explained
from stratacam.study.map_reliability import RELIABILITY, write_reliability

FUSED = ("block1_conv2+block2_conv2", "block1_conv2+block2_conv2+block3_conv3")
PARTS = ("block1_conv2", "block2_conv2", "block3_conv3")
SINGLE, CONSENSUS = "vgg16_seed-3", "vgg16_consensus"
METHODS = ("gradcam", "layercam")
MEMBERS = 3
FAULT = "its heat is no more on the truth than maps of other subjects (0.01; -0.02 to 0.04)"
REASON = "heat of maps by another seed not measured"


def add_evidence(folders, *, verdict="recommended", layers=(), consensus=False):
    """Evidence of one network and of a consensus, and what is recommended of all their maps.

    Args:
        folders: of the study.
        verdict: on LayerCAM of the longer mean over layers, by the consensus; all other maps fail.
        layers: of the network; all if not given.
        consensus: whether the study's maps are of several networks too, and have means over layers.
    """
    layers = layers or layer_names()
    if consensus:
        for maps in find_maps(folders.maps):
            write_consensus_maps(folders.maps, maps, "gradcam", dict.fromkeys((*PARTS, *layers)))
        write_reliability(folders.reliability, find_maps(folders.maps))
    judged = []
    for name, networks in ((SINGLE, 1), (CONSENSUS, MEMBERS)):
        best = verdict if networks > 1 else ""
        write_folder(folders.evidence / name, networks, layers, best=best)
        judged += [
            JudgedMap(name, networks, method, layer, **verdict_on(method, layer, best))
            for method in METHODS
            for layer in (*layers, *FUSED)
        ]
    best = next(one for one in judged if is_best(one.method, one.layer) and one.networks > 1)
    numbers = (
        CrossFitted(ROAD.name, ABOVE, 0.21, 0.1, 0.32, 12),
        CrossFitted(POINTING.name, "", 0.9, 0.7, 1.0, 8),
    )
    passed = verdict == "recommended"
    picked = (
        Pick(tuple(judged), best, numbers, (best, best), None)
        if passed
        else Pick(tuple(judged), None, (), (None, None), best)
    )
    write_json(folders.recommended, picked.as_json())
    if passed:
        for maps in find_maps(folders.maps):
            write_consensus_maps(folders.recommended_maps, maps, "layercam", PARTS, fused=FUSED[-1:])
        write_reliability(folders.recommended_maps / RELIABILITY, find_maps(folders.recommended_maps))


def is_best(method, layer):
    return (method, layer) == ("layercam", FUSED[-1])


def verdict_on(method, layer, best):
    if best and is_best(method, layer):
        reasons = {"recommended": (), "cannot say": (REASON,), "not recommended": ()}[best]
        return {"verdict": best, "faults": (FAULT,) if best == "not recommended" else (), "reasons": reasons}
    return {"verdict": "not recommended", "faults": (FAULT,), "reasons": ()}


def write_folder(folder, networks, layers, *, best):
    """What `stratacam evidence` leaves of one network or consensus."""
    write_json(
        folder / "about.json",
        {
            "model": folder.name, "networks": networks, "learnt_from": [], "learnt": True, "trained": {},
            "methods": METHODS, "layers": layers, "fused": FUSED, "last_convolution": "block5_conv3", "subjects": 12,
            "scans": 12, "slices": 108, "slices_again": 4, "explained": "the class that the network gives",
            "warning": "", "statements": [], "truth": {}, "truth_remark": "",
        },
    )  # fmt: skip
    write_json(folder / "scans" / RECORDS / "seconds" / "sub-01.json", {"focus": 1.0})
    write_rows(folder / "layers.tsv", summaries(layers), Summary)
    write_rows(folder / "layers_by_class.tsv", [], ClassSummary)
    write_rows(folder / LOSSES, [], StructureLoss)
    write_rows(folder / SEQUENCES, [], SequenceSummary)
    write_table(folder / "comparison.tsv", [("explained", "q")])
    write_json(folder / "groups.json", {"statement": "Too few subjects.", "voxelwise": []})
    write_json(folder / "claims.json", {"methods": {method: [] for method in METHODS}})
    write_json(folder / STRATEGIES, {"analyses": [], "statement": "Too few subjects."})
    passed = {
        method: [FUSED[-1]] if best == "recommended" and is_best(method, FUSED[-1]) else []
        for method in METHODS
    }
    write_json(
        folder / "recommendation.json",
        {
            "methods": [
                {
                    "method": method, "rule": rule()._asdict(), "recommended": passed[method],
                    "choices": [{"layer": layer, "of_halves": [layer] * 2, "numbers": []} for layer in passed[method]],
                    "layers": [
                        {"layer": layer, "alike": [layer], **verdict_on(method, layer, best)}
                        for layer in (*layers, *FUSED)
                    ],
                }
                for method in METHODS
            ]
        },
    )  # fmt: skip


def summaries(layers):
    """A value for every chart: it rises with depth and is best for means over layers."""
    rows = []
    for measure in registry.measures():
        if measure.panel is None:
            continue
        for method in METHODS:
            for against in measure.panel.against:
                for place, layer in enumerate((*layers, *FUSED)):
                    value = (0.4 + 0.4 * METHODS.index(method)) * place / (len(layers) + len(FUSED))
                    rows.append(
                        Summary(method, layer, measure.name, against, value, value - 0.1, value + 0.1, 12)
                    )
    return rows


def write_consensus_maps(folder, maps, method, layers, *, fused=FUSED, members=MEMBERS):
    """The consensus of networks that agree on the left half of the brain, and of which one shows heat on the right."""
    count = len(KEPT)
    picture = np.ones((count, SIZE, SIZE), dtype=bool)
    raw = {}
    for layer in layers:
        side = side_of(layer)
        half = np.zeros((members, 1, count, side, side), dtype=np.float32)
        ramp = np.linspace(0.6, 1, side, dtype=np.float32)
        half[..., : side // 2] = ramp[:, None]
        half[0, ..., side // 2 :] = ramp[:, None]
        raw[layer] = half
    logits = np.repeat(maps.logits[None], members, axis=0)
    explained = Explained(
        name=maps.name, method=method, smooth=0, classes=maps.classes, scan_probabilities=maps.scan_probabilities,
        every_explained=(maps.explained,), geometry=maps.geometry,
    )  # fmt: skip
    unreached = {layer: np.zeros((members, 1, count), dtype=bool) for layer in layers}
    write_consensus(
        folder / maps.name / "anat" / f"{maps.name}_{method}.zarr",
        explained,
        [MemberMaps(logits, raw, unreached)],
        picture,
        [{"seed": seed} for seed in range(members)],
        fused=fused,
    )
