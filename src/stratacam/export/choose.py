"""Which maps of a study are exported."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from stratacam.errors import InputError
from stratacam.evidence.claims import last_convolution
from stratacam.export.trust import Trust, read_trust
from stratacam.files import read_json
from stratacam.maps import ScanMaps, entity, read_all
from stratacam.maps.fused import is_fused
from stratacam.maps.store.places import name_of
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.folders import StudyFolders
from stratacam.study.recommended import EXPLAIN_RECOMMENDED, recommended_map

ALL = "all"
EXPLAIN = "explain"


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
        recommended: whether it is from the study's folder of recommended maps.
        step: of the study, that makes such maps.
        made: when that step last ended (UTC); None where the study does not say.
    """

    scan: PreparedScan
    maps: ScanMaps
    layer: str
    trust: Trust
    recommended: bool
    step: str
    made: datetime | None


def choose_maps(folders: StudyFolders, wanted: Wanted) -> tuple[list[ChosenMap], str, dict[str, str]]:
    """The maps that are wanted, sorted by scan.

    Returns:
        The maps; a remark on how they were chosen, or ""; and scans that lack what is wanted, each with the reason.

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
    found, left_out = _stored(folders, wanted)
    scans = {scan.name: scan for scan in find_prepared(folders.prepared)}
    chosen: list[ChosenMap] = []
    for maps in found:
        try:
            chosen += _of_scan(folders, maps, scans, wanted)
        except InputError as fault:
            left_out[maps.name] = str(fault)
    if not chosen:
        raise InputError(next(iter(left_out.values())))
    return chosen, remark, left_out


def _of_scan(
    folders: StudyFolders, maps: ScanMaps, scans: Mapping[str, PreparedScan], wanted: Wanted
) -> list[ChosenMap]:
    """The wanted maps of one store."""
    if maps.name not in scans:
        raise InputError(
            f"{folders.prepared}: lacks {maps.name}, of which there are maps; expected every scan of the study: run it "
            "again."
        )
    recommended = folders.recommended_maps in maps.path.parents
    step = EXPLAIN_RECOMMENDED if recommended else EXPLAIN
    return [
        ChosenMap(
            scans[maps.name],
            of_class,
            layer,
            read_trust(folders, maps, layer),
            recommended,
            step,
            _made(folders, step),
        )
        for of_class in _classes(maps, wanted.classes)
        for layer in _layers(maps, wanted.layers)
    ]


def _made(folders: StudyFolders, step: str) -> datetime | None:
    """When a step last ended, in whole seconds, by the study's provenance; times of files change in copies."""
    steps = read_json(folders.provenance).get("steps", {})
    try:
        return datetime.fromisoformat(steps[step]["finished"]).astimezone(UTC).replace(microsecond=0)
    except (KeyError, TypeError, ValueError):
        return None


def _recommended(folders: StudyFolders, wanted: Wanted) -> Wanted:
    found = recommended_map(folders)
    return replace(wanted, methods=(found.method,), layers=(found.layer,), recommended=True)


def _stored(folders: StudyFolders, wanted: Wanted) -> tuple[list[ScanMaps], dict[str, str]]:
    """The stores of maps of the wanted subjects and methods, and scans whose store is damaged."""
    places = [folders.recommended_maps] if wanted.recommended else [folders.maps]
    if wanted.methods and not wanted.recommended:
        places.append(folders.recommended_maps)
    stored: list[ScanMaps] = []
    damaged: dict[tuple[str, str], str] = {}
    for found in map(read_all, places):
        stored += found.maps
        for path, fault in found.damaged.items():
            scan, _, method = name_of(path).removesuffix(".zarr").rpartition("_")
            damaged[scan, method] = (
                f"{path}: cannot be read ({fault}); expected whole maps: make them again with `stratacam run "
                f"--force explain`, or with `stratacam evidence` those in {folders.recommended_maps.name}/."
            )
    if not stored and not damaged:
        raise InputError(
            f"{places[0]}: holds no maps; expected those of a study: make them with `stratacam run`."
        )
    scans = {*(maps.name for maps in stored), *(scan for scan, _ in damaged)}
    _check("--subject", wanted.subjects, {name for scan in scans for name in _names(scan)})
    if stored:
        _check("--method", wanted.methods, {maps.method for maps in stored})
    chosen = [
        maps
        for maps in stored
        if _is_wanted(maps.name, wanted) and (not wanted.methods or maps.method in wanted.methods)
    ]
    left_out = {
        scan: reason
        for (scan, method), reason in damaged.items()
        if _is_wanted(scan, wanted) and (not wanted.methods or method in map(entity, wanted.methods))
    }
    if not chosen and not left_out:
        raise InputError(
            f"{places[0]}: holds no maps of {', '.join(wanted.subjects)} by {', '.join(wanted.methods)}; expected "
            "some: choose others."
        )
    return sorted(chosen, key=lambda maps: maps.name), left_out


def _is_wanted(scan: str, wanted: Wanted) -> bool:
    return not wanted.subjects or bool({*wanted.subjects} & {*_names(scan)})


def _names(scan: str) -> tuple[str, str]:
    return scan, scan.split("_", maxsplit=1)[0]


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
