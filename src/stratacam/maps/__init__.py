"""A trained model and prepared scans to stored maps of every layer, on the patient's own scan."""

from stratacam.maps.explain import check_settings, explain_scan, maps_path, trained_plane
from stratacam.maps.nifti import entity
from stratacam.maps.settings import LAYER_METHODS, ExplainSettings
from stratacam.maps.store import ScanMaps, find_maps, read_maps, remove_other_maps

__all__ = [
    "LAYER_METHODS",
    "ExplainSettings",
    "ScanMaps",
    "check_settings",
    "entity",
    "explain_scan",
    "find_maps",
    "maps_path",
    "read_maps",
    "remove_other_maps",
    "trained_plane",
]
