"""Is a store as it was written? Every file by its size and SHA-256, every chunk by its checksum and by decoding it."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from stratacam.errors import InputError
from stratacam.maps.store.arrays import CLASS, MODEL, SLICE, STATISTIC
from stratacam.maps.store.places import ROOT, Place, files_below, inside, read_file, zarr_store
from stratacam.maps.store.root import MADE_AGAIN, Root, digest_of, read_root
from stratacam.maps.store.scan_maps import LAYERS, MEMBERS, STATISTICS


def check_store(place: Place, *, quick: bool = False) -> list[str]:
    """What is wrong with a store, a sentence each; nothing where it is as it was written.

    Args:
        place: of the store.
        quick: compare names and sizes of files alone, without reading maps.
    """
    try:
        root = read_root(place)
    except InputError as fault:
        return [str(fault).removeprefix(f"{place}: ")]
    of_files = _faults_of_files(place, root, quick=quick)
    faults = [*of_files.values(), *_faults_of_attributes(root)]
    if not quick:
        for name in root.arrays:
            lost = [file for file in of_files if file.startswith(f"{name}/")]
            faults += _faults_of_chunks(place, name, root, at_all=not lost)
    return faults


def sizes_of(place: Place) -> None:
    """Raise InputError unless a store has all its files, in their sizes; what is in them is not read."""
    if faults := check_store(place, quick=True):
        raise InputError(f"{place}: {'; '.join(faults)}; {MADE_AGAIN}")


def content_of(place: Place) -> Root:
    """The root of a store whose files are as they were written.

    Files of this machine are compared by their SHA-256, those at a URL, which would have to be fetched, by their size.

    Raises:
        InputError: some are not.
    """
    root = read_root(place)
    if faults := _faults_of_files(place, root, quick=not isinstance(place, Path)):
        raise InputError(f"{place}: {'; '.join(faults.values())}; {MADE_AGAIN}")
    return root


def _faults_of_files(place: Place, root: Root, *, quick: bool) -> dict[str, str]:
    """By file, what is wrong with it."""
    found = {name: size for name, size in files_below(place).items() if name != ROOT}
    faults = {name: f"{name} is missing" for name in root.files if name not in found}
    faults |= {name: f"{name} does not belong to the store" for name in found if name not in root.files}
    for name, (size, digest) in root.files.items():
        if name in faults:
            continue
        if found[name] != size:
            faults[name] = f"{name} has {found[name]:,} bytes; expected {size:,}"
        elif not quick and digest_of(read_file(inside(place, name))) != digest:
            faults[name] = f"{name} was changed after it was written"
    return faults


def _faults_of_attributes(root: Root) -> Iterator[str]:
    """Where attributes and shapes of arrays disagree."""
    known = root.attributes
    classes, n = len(known["explained"]), len(known["geometry"]["slices"])
    expected: dict[str, dict[str, int]] = {"logits": {SLICE: n, CLASS: len(known["classes"])}}
    members = len(known.get("members", ()))
    for layer in known["layers"]:
        expected[f"{LAYERS}/{layer}"] = {CLASS: classes, SLICE: n} | (
            {STATISTIC: len(STATISTICS)} if members else {}
        )
        expected[f"{MEMBERS}/{layer}"] = {MODEL: members, CLASS: classes, SLICE: n}
    for name, lengths in expected.items():
        if name not in root.arrays:
            if not name.startswith(f"{MEMBERS}/"):
                yield f"{name} is missing"
            continue
        array = root.arrays[name]
        shape = dict(zip(array["dimension_names"], array["shape"], strict=True))
        if any(shape.get(one) != length for one, length in lengths.items()):
            yield f"{name} has the shape {shape}; expected {lengths}"
    yield from (f"{name} does not belong to the store" for name in root.arrays if name not in expected)


def _faults_of_chunks(place: Place, name: str, root: Root, *, at_all: bool) -> Iterator[str]:
    """The chunks of an array that cannot be read, by class and slices."""
    metadata = root.arrays[name]
    sizes = _chunk_of(metadata)
    starts = [range(0, length, size) for length, size in zip(metadata["shape"], sizes, strict=True)]
    try:
        array = zarr.open_array(zarr_store(place), path=name, mode="r", zarr_format=3)
        if at_all:
            whole = np.asarray(array[...])
            if not np.isneginf(whole).all():
                return
    except (InputError, OSError, ValueError, KeyError, TypeError, RuntimeError) as fault:
        if at_all:
            yield f"{name} cannot be read ({type(fault).__name__}: {fault})"
        return
    for corner in product(*starts):
        chosen = tuple(slice(start, start + size) for start, size in zip(corner, sizes, strict=True))
        try:
            lost = np.isneginf(np.asarray(array[chosen])).all()
        except (OSError, ValueError, RuntimeError) as fault:
            yield f"{_where(name, metadata, chosen, root)} cannot be read ({fault})"
        else:
            if lost:
                yield f"{_where(name, metadata, chosen, root)} is missing"


def _chunk_of(metadata: Mapping[str, Any]) -> list[int]:
    """Shape of the smallest part of an array that can be read."""
    (codec, *_) = metadata["codecs"]
    if codec["name"] == "sharding_indexed":
        return list(codec["configuration"]["chunk_shape"])
    return list(metadata["chunk_grid"]["configuration"]["chunk_shape"])


def _where(name: str, metadata: Mapping[str, Any], chosen: tuple[slice, ...], root: Root) -> str:
    """A part of an array in words."""
    places = dict(zip(metadata["dimension_names"], chosen, strict=True))
    words = [name]
    if STATISTIC in places:
        words.append(STATISTICS[places[STATISTIC].start])
    if MODEL in places:
        words.append(f"network {places[MODEL].start + 1}")
    if CLASS in places and name != "logits":
        words.append(f"class {root.attributes['explained'][places[CLASS].start]}")
    slices = root.attributes["geometry"]["slices"][places[SLICE]]
    words.append(f"slices {slices[0]} to {slices[-1]}")
    return ", ".join(words)
