"""Pictures of scans that were explained outside a study: one slice at every layer."""

from collections.abc import Collection
from pathlib import Path

from stratacam.maps import entity, find_maps, label_of
from stratacam.networks import ModelCard
from stratacam.networks.cards import CARD
from stratacam.report.figure import save_figure, style
from stratacam.report.figures.every_layer import layer_strip
from stratacam.scans.prepared import find_prepared


def write_strips(model: Path, prepared: Path, maps: Path, names: Collection[str]) -> list[Path]:
    """Draw, for every scan of `names` that has maps, one slice at every layer of the network, for each explained class.

    Args:
        model: folder of the model that made the maps.
        prepared: folder of the prepared scans.
        maps: folder of the maps; pictures go to `sub-*/figures` in it.
        names: of scans, such as "sub-01_ses-2".

    Returns:
        The pictures.
    """
    card = ModelCard.model_validate_json((model / CARD).read_text(encoding="utf-8"))
    scans = {scan.name: scan for scan in find_prepared(prepared)}
    pictures = []
    for found in find_maps(maps):
        if found.name not in names or found.name not in scans:
            continue
        scan = scans[found.name]
        folder = maps / f"sub-{scan.subject}" / "figures"
        for explained in found.every_explained:
            one = found.of(explained)
            picture = folder / f"{scan.name}{label_of(one)}_desc-layers_{entity(one.method)}.png"
            with style():
                save_figure(layer_strip(scan, one, card), picture)
            pictures.append(picture)
    return pictures
