"""Which maps of a study are exported."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stratacam.errors import InputError
from stratacam.evidence.claims import last_convolution
from stratacam.export.trust import Trust, read_trust
from stratacam.maps import ScanMaps, maps_in
from stratacam.maps.fused import is_fused
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.folders import StudyFolders
from stratacam.study.recommended import recommended_map

ALL = "all"


@dataclass(frozen=True)
class Wanted:
    """What is to be exported; what is empty is not restricted, but for the layer.

    Attributes:
        subjects: subjects or scans, such as "sub-01" or "sub-01_ses-2".
        methods: of the maps.
        layers: names or patterns; "all" for every layer. If empty: the recommended map, or, where none is, that of
            the last convolution.
        classes: "all" for every class that was explained. If empty: the class predicted, where that was explained.
        recommended: the map that the study recommends, and no other.
        sequences: over whose scans, as delivered, maps are laid.
        signed: draw what speaks against the class too, in a second colour.
    """

    subjects: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    recommended: bool = False
    sequences: tuple[str, ...] = ("T1w",)
    signed: bool = False


@dataclass(frozen=True)
class ChosenMap:
    """One map to export.

    Attributes:
        scan: as prepared.
        maps: of the class.
        layer: the layer.
        trust: what the study's evidence says of the map.
    """

    scan: PreparedScan
    maps: ScanMaps
    layer: str
    trust: Trust


def choose_maps(folders: StudyFolders, wanted: Wanted) -> tuple[list[ChosenMap], str]:
    """The maps that are wanted, sorted by scan; and a remark on how they were chosen, or "".

    Raises:
        InputError: the study has no maps, or none of those; or no map is recommended, where that one is wanted.
    """
    layers, remark = wanted.layers, ""
    if wanted.recommended:
        if wanted.methods or wanted.layers:
            raise InputError(
                "--recommended: found --method or --layer beside it; expected neither, as the study decides; leave out "
                "one or the other."
            )
        wanted = _recommended(folders, wanted)
    elif not layers and not wanted.methods:
        try:
            wanted = _recommended(folders, wanted)
            remark = f"The recommended map is exported: {wanted.methods[0]}, {wanted.layers[0]}."
        except InputError as fault:
            remark = f"No map is recommended, so that of the last convolution is exported. {fault}"
    found = _stored(folders, wanted)
    scans = {scan.name: scan for scan in find_prepared(folders.prepared)}
    chosen = [
        ChosenMap(scans[maps.name], of_class, layer, read_trust(folders, maps, layer))
        for maps in found
        if maps.name in scans
        for of_class in _classes(maps, wanted.classes)
        for layer in _layers(maps, wanted.layers)
    ]
    if not chosen:
        raise InputError(
            f"{folders.prepared}: lacks the scans that there are maps of; expected those of the study: run it again."
        )
    return chosen, remark


def _recommended(folders: StudyFolders, wanted: Wanted) -> Wanted:
    found = recommended_map(folders)
    return replace(wanted, methods=(found.method,), layers=(found.layer,), recommended=True)


def _stored(folders: StudyFolders, wanted: Wanted) -> list[ScanMaps]:
    """The stores of maps of the wanted subjects and methods."""
    places = [folders.recommended_maps] if wanted.recommended else [folders.maps]
    if wanted.methods and not wanted.recommended:
        places.append(folders.recommended_maps)
    stored = [maps for place in places for maps in maps_in(place)]
    if not stored:
        raise InputError(
            f"{places[0]}: holds no maps; expected those of a study: make them with `stratacam run`."
        )
    _check("--subject", wanted.subjects, {name for maps in stored for name in _names(maps)})
    _check("--method", wanted.methods, {maps.method for maps in stored})
    return sorted(
        (
            maps
            for maps in stored
            if (not wanted.subjects or set(wanted.subjects) & set(_names(maps)))
            and (not wanted.methods or maps.method in wanted.methods)
        ),
        key=lambda maps: maps.name,
    )


def _names(maps: ScanMaps) -> tuple[str, str]:
    return maps.name, maps.name.split("_")[0]


def _check(option: str, asked: Sequence[str], known: set[str]) -> None:
    if unknown := [one for one in asked if one not in known]:
        raise InputError(
            f"{option}: found {', '.join(unknown)}; expected {', '.join(sorted(known))}: choose of these."
        )


def _classes(maps: ScanMaps, classes: Sequence[str]) -> list[ScanMaps]:
    if not classes:
        return [maps]
    if ALL in classes:
        return [maps.of(one) for one in maps.every_explained]
    _check("--class", classes, {*maps.classes})
    return [maps.of(one) for one in classes]


def _layers(maps: ScanMaps, layers: Sequence[str]) -> list[str]:
    if not layers:
        own = [layer for layer in maps.layers if not is_fused(layer)] or list(maps.layers)
        return [last_convolution(own, [layer for layer in own if layer.endswith("pool")])]
    if ALL in layers:
        return list(maps.layers)
    found = [one for one in maps.layers if any(fnmatch.fnmatchcase(one, pattern) for pattern in layers)]
    for pattern in layers:
        if not any(fnmatch.fnmatchcase(one, pattern) for one in maps.layers):
            raise InputError(
                f"--layer: found {pattern}, which {maps.path} lacks; expected one of {', '.join(maps.layers)}: choose "
                "of these, or explain again."
            )
    return found
