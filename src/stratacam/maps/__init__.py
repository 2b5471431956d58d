"""A trained model and prepared scans to stored maps of every layer, on the patient's own scan."""

from stratacam.cam.methods import LAYER_METHODS
from stratacam.maps.explain import (
    check_settings,
    explain_scan,
    maps_path,
    nifti_layers_of,
    predicted_class,
)
from stratacam.maps.nifti import entity
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps, find_maps, read_maps, remove_other_maps
from stratacam.maps.trained import (
    check_scan,
    differences_of,
    edges,
    edges_between,
    explained_sequence,
    part_in_training,
    picture_settings,
    prepared_sequences,
    trained_plane,
    trained_shape,
    within,
)

__all__ = [
    "LAYER_METHODS",
    "ExplainSettings",
    "ScanMaps",
    "check_scan",
    "check_settings",
    "differences_of",
    "edges",
    "edges_between",
    "entity",
    "explain_scan",
    "explained_sequence",
    "find_maps",
    "maps_path",
    "nifti_layers_of",
    "part_in_training",
    "picture_settings",
    "predicted_class",
    "prepared_sequences",
    "read_maps",
    "remove_other_maps",
    "trained_plane",
    "trained_shape",
    "within",
]
