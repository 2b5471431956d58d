"""Arrays of a store: named dimensions, one shard of chunks that are read by themselves, each with a checksum."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import StorePath

from stratacam.maps.store.places import Place, zarr_store
from stratacam.maps.store.stored_type import StoredType, pack, unpack

STATISTIC, MODEL, CLASS, SLICE, HEIGHT, WIDTH = "statistic", "model", "class", "slice", "height", "width"

CHUNK_BYTES = 2**20
"""Uncompressed bytes of a chunk, about: slices of a fine layer come one by one, a coarse layer comes whole."""

SHARD_BYTES = 2**30
"""Uncompressed bytes above which an array has a file for each class, statistic or model."""

LEVEL = 1
"""Of zstd; higher levels gain nothing on maps, see `benchmarks/store.py`."""


def write_maps_array(
    group: zarr.Group,
    name: str,
    raw: NDArray[np.float32],
    dimensions: Sequence[str],
    dtype: StoredType,
) -> None:
    """Write maps (..., slices, rows, columns) as an array of the group."""
    packed = pack(raw, dtype)
    *leading, slices, rows, columns = raw.shape
    each = min(slices, max(1, CHUNK_BYTES // (rows * columns * packed.values.itemsize)))
    whole = [1] * len(leading) if packed.values.nbytes > SHARD_BYTES else leading
    write_array(
        group,
        name,
        packed.values,
        dimensions,
        chunks=(*(1 for _ in leading), each, rows, columns),
        shards=(*whole, each * math.ceil(slices / each), rows, columns),
        attributes={"scale_factor": packed.scale_factor, "error": packed.error},
    )


def write_array(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dimensions: Sequence[str],
    *,
    chunks: tuple[int, ...] | None = None,
    shards: tuple[int, ...] | None = None,
    attributes: dict[str, Any] | None = None,
) -> None:
    """Write an array; without chunks it is one.

    Every chunk is written, even if it is 0 all over. zarr reads a file that has gone as if every value were the fill
    value: that is minus infinity, which no whole map is.
    """
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks or values.shape,
        shards=shards,
        compressors=(ZstdCodec(level=LEVEL), Crc32cCodec()),
        fill_value=-math.inf,
        dimension_names=tuple(dimensions),
        attributes=attributes,
        config={"write_empty_chunks": True},
    )
    array[...] = values


def read_array(
    place: Place, name: str, metadata: Mapping[str, Any], chosen: tuple[Any, ...] = (...,)
) -> NDArray[np.float32]:
    """Part of an array of a store as float32: only the chunks that hold it are read.

    Args:
        place: of the store.
        name: of the array.
        metadata: of the array, from the root file, which has a checksum; the array's own file has none.
        chosen: index of the part.
    """
    known: Any = dict(metadata)
    array = zarr.Array(zarr.AsyncArray(known, StorePath(zarr_store(place), name)))
    return unpack(np.asarray(array[chosen]), metadata["attributes"].get("scale_factor", 1.0))
