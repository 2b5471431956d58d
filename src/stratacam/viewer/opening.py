"""A finished study is opened: which maps there are, of which scans, and whether what the study says is about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.maps import FoundMaps, ScanMaps, find_maps, read_all
from stratacam.maps.store.places import name_of
from stratacam.report.content import read_study
from stratacam.study.folders import StudyFolders
from stratacam.viewer.content import Viewed, ViewedScan, ViewedStore, mark_of


def open_viewed(folders: StudyFolders, further: Sequence[Path] = ()) -> Viewed:
    """Open a finished study.

    Args:
        folders: of the study.
        further: folders of other maps of its scans, as `stratacam explain` writes them.

    Raises:
        InputError: a part of the study is missing or damaged, or there are no maps of its scans.
    """
    content = read_study(folders)
    chosen = content.recommended and content.recommended.chosen
    own = list(content.maps.values())
    networks = [one for maps in own for one in _networks(maps)]
    found = [_found(maps, recommended=True) for maps in content.recommended_maps.values()]
    found += [_found(maps) for maps in own]
    damaged = dict(content.damaged_maps)
    for more in map(_further, further):
        found += [_found(maps, judged=all(one in networks for one in _networks(maps))) for maps in more.maps]
        damaged |= more.damaged
    scans = []
    for name, scan in sorted(content.scans.items()):
        stores = tuple(place for place, one in enumerate(found) if one.maps.name == name)
        if stores:
            scans.append(ViewedScan(name, scan, stores))
    if not scans:
        raise InputError(
            f"{folders.maps}: holds maps of other scans than were prepared; make them again with `stratacam run`."
        )
    if chosen and not any(one.recommended for one in found):
        raise InputError(
            f"{folders.recommended_maps}: holds no maps; make them again with `stratacam evidence`."
        )
    return Viewed(
        content,
        tuple(scans),
        tuple(found),
        without_maps=len(content.scans) - len(scans),
        damaged=tuple(f"{name_of(store)}: {fault}".replace("`", "") for store, fault in damaged.items()),
    )


def _further(folder: Path) -> FoundMaps:
    """Maps of a folder.

    Raises:
        InputError: it holds none.
    """
    found = read_all(folder)
    return found if found.maps or found.damaged else FoundMaps(tuple(find_maps(folder)), {})


def _networks(maps: ScanMaps) -> Sequence[Mapping[str, Any]]:
    """The networks that made maps, as their cards tell."""
    return maps.members or (maps.model,)


def _found(maps: ScanMaps, *, recommended: bool = False, judged: bool = True) -> ViewedStore:
    return ViewedStore(maps, recommended, judged, mark_of(maps.path))
