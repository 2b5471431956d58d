"""Stores of maps are found, in folders and at URLs, and removed."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError
from stratacam.maps.store.check import sizes_of
from stratacam.maps.store.places import FOLDERS, Place, inside, name_of, place_of, stores_below
from stratacam.maps.store.scan_maps import ScanMaps, read_maps


@dataclass(frozen=True)
class FoundMaps:
    """Maps below a folder.

    Attributes:
        maps: those that can be read, sorted by the scan's name.
        damaged: stores that cannot be read, or lack files, each with the reason, which does not name the place.
    """

    maps: tuple[ScanMaps, ...]
    damaged: Mapping[Place, str]


def read_all(folder: Path | str) -> FoundMaps:
    """All maps below `folder`; a damaged store does not hide the others."""
    maps, damaged = [], {}
    for store in stores_below(place_of(folder)):
        try:
            found = read_maps(store)
            sizes_of(store)
        except (InputError, OSError) as fault:
            damaged[store] = str(fault).removeprefix(f"{store}: ")
        else:
            maps.append(found)
    return FoundMaps(tuple(sorted(maps, key=lambda one: one.name)), damaged)


def find_maps(folder: Path | str) -> list[ScanMaps]:
    """All maps below `folder`, sorted by the scan's name.

    Args:
        folder: of maps, such as maps/ of a study, or its URL.

    Raises:
        InputError: there is no such folder, it holds no maps, or damaged ones.
    """
    folder = place_of(folder)
    if isinstance(folder, Path) and not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected one of maps, such as maps/ of a study: correct the path."
        )
    if not (found := maps_in(folder)):
        below = next((one for name in FOLDERS if stores_below(one := inside(folder, name))), None)
        remedy = f"name {below}" if below else "make them with `stratacam explain`"
        raise InputError(f"{folder}: holds no maps; expected sub-*/**/*.zarr in it: {remedy}.")
    return found


def maps_in(folder: Path | str) -> list[ScanMaps]:
    """As `find_maps`; none where there are none."""
    return sorted(map(read_maps, stores_below(place_of(folder))), key=lambda maps: maps.name)


def scan_of(store: Place) -> str:
    """The scan that a store is of, by its name.

    Example:
        >>> scan_of(Path("maps/sub-01/ses-2/anat/sub-01_ses-2_gradcam.zarr"))
        'sub-01_ses-2'
    """
    return name_of(store).rpartition("_")[0]


def remove_other_maps(folder: Path, names: Collection[str]) -> None:
    """Remove all that is below `folder` of scans not among `names`.

    Maps that an earlier model left would be taken for those of the present one.
    """
    for path in list(folder.glob("sub-*/**/anat/sub-*")):
        scan = "_".join(part for part in path.name.split("_") if part.startswith(("sub-", "ses-")))
        if scan not in names:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
