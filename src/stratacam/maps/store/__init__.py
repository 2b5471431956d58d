"""Maps of one scan on disk, in one Zarr group: a folder, or a URL.

The group holds `logits` (slice, class) and `layers/<name>`, maps at the layer's own resolution: (class, slice, height,
width), of several networks (statistic, class, slice, height, width) with mean, spread and agreement, and where they are
kept `members/<name>` (model, class, slice, height, width). An array is one shard, and so one file: its chunks, of a
class and a few slices, are read one by one. What cannot be computed again from the arrays is in the attributes;
`geometry` among them leads every map back to the scan, as prepared and as delivered.
"""

from stratacam.maps.store.check import check_store
from stratacam.maps.store.copying import Copied, copy_maps, others_at, remove_stores
from stratacam.maps.store.find import (
    FoundMaps,
    find_maps,
    maps_in,
    read_all,
    remove,
    remove_other_maps,
    scan_of,
)
from stratacam.maps.store.listing import StoredArray, StoredMaps, list_store
from stratacam.maps.store.places import Place, is_url, place_of, stores_at, stores_below
from stratacam.maps.store.scan_maps import ScanMaps, highest, read_maps

__all__ = [
    "Copied",
    "FoundMaps",
    "Place",
    "ScanMaps",
    "StoredArray",
    "StoredMaps",
    "check_store",
    "copy_maps",
    "find_maps",
    "highest",
    "is_url",
    "list_store",
    "maps_in",
    "others_at",
    "place_of",
    "read_all",
    "read_maps",
    "remove",
    "remove_other_maps",
    "remove_stores",
    "scan_of",
    "stores_at",
    "stores_below",
]
