"""A trained model and prepared scans to stored maps of every layer, on the patient's own scan."""

from stratacam.maps.explain import check_settings, explain_scan, maps_path
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps, find_maps, read_maps, remove_other_maps

__all__ = [
    "ExplainSettings",
    "ScanMaps",
    "check_settings",
    "explain_scan",
    "find_maps",
    "maps_path",
    "read_maps",
    "remove_other_maps",
]
