"""What is said of a store of maps: its networks, classes and probabilities, and what the rule says of every layer."""

from stratacam.cam.methods import REGISTRY
from stratacam.evidence.pick import JudgedMap
from stratacam.maps import ScanMaps
from stratacam.maps.consensus_store import UNIT
from stratacam.maps.fused import fused_title
from stratacam.report.content.recommended import Recommended
from stratacam.report.names import method_title
from stratacam.viewer.answers import LayerAnswer, StoreAnswer
from stratacam.viewer.names import networks_of, training_words


def store_answer(place: int, maps: ScanMaps, found: Recommended | None, recommended: bool) -> StoreAnswer:
    """All that is known of a store but its maps.

    Args:
        place: of the store in the list of stores.
        maps: in it.
        found: what the rule says of maps; None where that was not measured.
        recommended: whether the store is of the recommended map.
    """
    return StoreAnswer(
        id=place,
        method=method_title(maps.method),
        networks=networks_of(maps),
        members=len(maps.members) or 1,
        recommended=recommended,
        classes=maps.classes,
        explained=maps.every_explained,
        predicted=maps.predicted,
        probabilities=[maps.scan_probabilities[name] for name in maps.classes],
        in_training=training_words(maps.in_training),
        unit="network scales" if maps.members else REGISTRY[maps.method].unit,
        unit_meaning=f"{UNIT[0].upper()}{UNIT[1:]}." if maps.members else "",
        plane=maps.geometry.plane,
        slices=maps.slices.tolist(),
        slice_probabilities=maps.probabilities.tolist(),
        layers=[
            _layer(number, name, maps, _judged(found, maps, name)) for number, name in enumerate(maps.layers)
        ],
    )


def _layer(number: int, name: str, maps: ScanMaps, judged: JudgedMap | None) -> LayerAnswer:
    rows, columns = maps.size(name)
    return LayerAnswer(
        id=number,
        name=name,
        title=fused_title(name),
        rows=rows,
        columns=columns,
        verdict=judged.verdict if judged else "not judged",
        because=[*judged.faults, *judged.reasons] if judged else [],
        blank=[list(causes) for causes in maps.blank_of[name]],
        parts=["mean", "spread", "agreement"] if maps.members else ["mean"],
    )


def _judged(found: Recommended | None, maps: ScanMaps, layer: str) -> JudgedMap | None:
    """What the rule says of a map; None where it was not judged."""
    wanted = (bool(maps.members), maps.method, layer)
    judged = found.judged if found else ()
    return next((one for one in judged if (one.networks > 1, one.method, one.layer) == wanted), None)
