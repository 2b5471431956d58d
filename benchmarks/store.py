"""Size of stored maps, and time to write and read them: codecs, chunks, float16, and one layer of one subject.

Codecs are compared on the maps of a finished study. What a scan of 1 mm takes is measured on one of its scans whose
maps are made as many and as fine as those of 160 slices of 224 x 224 pixels.

    python -m benchmarks.store demo/study
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc, Zstd
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.table import markdown
from stratacam.maps import ScanMaps, find_maps, read_maps
from stratacam.maps.store import arrays, check_store, list_store
from stratacam.maps.store.arrays import CLASS, HEIGHT, SLICE, STATISTIC, WIDTH, read_array, write_maps_array
from stratacam.maps.store.group import Explained, Filled, write_group
from stratacam.maps.store.stored_type import StoredType, pack

SLICES, FINEST = 160, 224
"""Of the scan of 1 mm: slices, and rows and columns of its finest maps."""
ROUNDS = 7
CODECS: dict[str, Any] = {
    "zstd 1": Zstd(1),
    "zstd 3": Zstd(3),
    "zstd 9": Zstd(9),
    "blosc lz4 5, shuffle": Blosc("lz4", 5, Blosc.SHUFFLE),
    "blosc lz4 5, bitshuffle": Blosc("lz4", 5, Blosc.BITSHUFFLE),
    "blosc zstd 1, shuffle": Blosc("zstd", 1, Blosc.SHUFFLE),
    "blosc zstd 1, bitshuffle": Blosc("zstd", 1, Blosc.BITSHUFFLE),
    "blosc zstd 5, shuffle": Blosc("zstd", 5, Blosc.SHUFFLE),
    "blosc zstd 5, bitshuffle": Blosc("zstd", 5, Blosc.BITSHUFFLE),
    "blosc zstd 9, shuffle": Blosc("zstd", 9, Blosc.SHUFFLE),
}


def values_of(maps: ScanMaps) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Name and raw values of every layer, as they are stored."""
    for layer in maps.layers:
        yield layer, read_array(maps.place, f"layers/{layer}")


def codecs(study: list[ScanMaps], dtype: StoredType) -> str:
    """Ratio, and millions of uncompressed bytes a CPU second, of every codec."""
    values = [pack(raw, dtype).values for maps in study for _, raw in values_of(maps)]
    size = sum(one.nbytes for one in values)
    rows = []
    for name, codec in CODECS.items():
        start = time.process_time()
        packed = [codec.encode(np.ascontiguousarray(one)) for one in values]
        written = time.process_time()
        for one in packed:
            codec.decode(one)
        read = time.process_time()
        rows.append(
            (
                name,
                f"{size / sum(map(len, packed)):.2f}",
                f"{size / 1e6 / (written - start):,.0f}",
                f"{size / 1e6 / (read - written):,.0f}",
            )
        )
    return markdown(("codec", "ratio", "write, MB/s", "read, MB/s"), rows)


def dtypes(study: list[ScanMaps]) -> str:
    """Bytes of stores in both types, and the error of maps, by layer."""
    rows = []
    for layer in study[0].layers:
        errors = [
            pack(raw, "float16").error for maps in study for name, raw in values_of(maps) if name == layer
        ]
        rows.append((layer, f"{100 * statistics.median(errors):.3f}", f"{100 * max(errors):.3f}"))
    return markdown(("layer", "median error, % of the maximum", "largest"), rows)


def fine_scan(maps: ScanMaps, path: Path, dtype: StoredType) -> ScanMaps:
    """A store of the same layers with maps of `SLICES` slices, the finest `FINEST` pixels wide."""
    factor = FINEST / max(maps.size(layer)[0] for layer in maps.layers)

    def fill(group: zarr.Group, _scratch: object) -> Filled:
        for layer, raw in values_of(maps):
            sizes = (SLICES, *(round(factor * length) for length in raw.shape[-2:]))
            zoom = (
                *(1 for _ in raw.shape[:-3]),
                *(new / old for new, old in zip(sizes, raw.shape[-3:], strict=True)),
            )
            fine = ndimage.zoom(raw, zoom, order=1)
            write_maps_array(
                group,
                f"layers/{layer}",
                fine,
                (STATISTIC, CLASS, SLICE, HEIGHT, WIDTH)[-raw.ndim :],
                dtype,
            )
        logits = np.resize(maps.logits, (SLICES, len(maps.classes)))
        blank = {layer: [[""] * SLICES for _ in maps.every_explained] for layer in maps.layers}
        return Filled(blank, logits, {"members": [dict(one) for one in maps.members]} if maps.members else {})

    known = Explained(
        maps.name, maps.method, 0, maps.classes, maps.scan_probabilities, maps.every_explained,
        replace(maps.geometry, slices=tuple(range(SLICES))),
        dtype=dtype,
    )  # fmt: skip
    return write_group(path, known, fill)


def forget(folder: Path) -> None:
    """Take files out of the system's memory, so that they are read from the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            opened = os.open(path, os.O_RDONLY)
            os.fsync(opened)
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(opened)


def timed(read: Callable[[], object], folder: Path, *, cold: bool) -> list[str]:
    """Minimum and median of milliseconds, and median of CPU milliseconds: the last does not feel what else runs."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        if cold:
            forget(folder)
        wall, cpu = time.perf_counter(), time.process_time()
        read()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return [f"{min(walls):.0f}", f"{statistics.median(walls):.0f}", f"{statistics.median(cpus):.0f}"]


def reading(maps: ScanMaps) -> str:
    """Milliseconds to open a store and read of it."""
    finest, coarsest = maps.layers[0], maps.layers[-1]
    wanted: dict[str, Callable[[], object]] = {
        f"whole layer {finest}": lambda: read_maps(maps.path).raw(finest),
        f"one slice of {finest}": lambda: read_maps(maps.path).raw(finest, slice(80, 81)),
        f"whole layer {coarsest}": lambda: read_maps(maps.path).raw(coarsest),
    }
    rows = [
        (what, "cold" if cold else "warm", *timed(read, maps.path, cold=cold))
        for what, read in wanted.items()
        for cold in (True, False)
    ]
    return markdown(("read", "", "minimum, ms", "median, ms", "CPU, ms"), rows)


def main() -> None:
    """Measure, and print tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("study", type=Path)
    arguments.add_argument("--scans", type=int, default=5, help="how many scans codecs are compared on")
    arguments.add_argument("--part", choices=("codecs", "float16", "reading"), help="all if absent")
    given = arguments.parse_args()
    study = find_maps(given.study / "maps")[: given.scans]
    listed = list_store(study[0].place)
    print(f"{len(study)} scans, such as {listed.name}: {listed.files} files, {listed.bytes / 1e6:.2f} MB\n")
    if given.part in {None, "codecs"}:
        for dtype in ("float32", "float16"):
            print(f"{dtype}\n\n{codecs(study, dtype)}\n", flush=True)
    if given.part in {None, "float16"}:
        print(f"{dtypes(study)}\n", flush=True)
    if given.part in {None, "reading"}:
        with tempfile.TemporaryDirectory(dir=given.study.parent) as folder:
            for dtype, megabytes in (("float32", 0.25), ("float32", 1), ("float32", 4), ("float16", 1)):
                show_fine_scan(study[0], Path(folder), dtype, megabytes)


def show_fine_scan(maps: ScanMaps, folder: Path, dtype: StoredType, megabytes: float) -> None:
    """Print what a scan of 1 mm takes with chunks of so many megabytes."""
    arrays.CHUNK_BYTES = round(megabytes * 2**20)
    fine = fine_scan(maps, folder / "fine.zarr", dtype)
    listed = list_store(fine.place)
    start = time.process_time()
    faults = check_store(fine.place)
    print(
        f"1 mm, {dtype}, chunks of {megabytes} MB: {listed.files} files, {listed.bytes / 1e6:.0f} MB, "
        f"ratio {listed.raw_bytes / listed.bytes:.2f}; checked in {time.process_time() - start:.1f} CPU s, "
        f"{len(faults)} faults\n"
    )
    print(f"{reading(fine)}\n", flush=True)


if __name__ == "__main__":
    main()
