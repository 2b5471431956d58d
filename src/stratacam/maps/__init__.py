"""A trained model and prepared scans to stored maps of every layer, on the patient's own scan."""

from stratacam.cam.methods import LAYER_METHODS
from stratacam.maps.consensus import Consensus
from stratacam.maps.explain import (
    check_settings,
    explain_scan,
    maps_path,
    nifti_layers_of,
)
from stratacam.maps.member_maps import LayerConsensus
from stratacam.maps.nifti import entity, label_of
from stratacam.maps.pictures import (
    classify_scan,
    cut_pictures_for,
    explained_pictures,
    frame_of,
    larger_pictures,
    network_images,
    network_inputs,
    predicted_class,
)
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import (
    FoundMaps,
    ScanMaps,
    find_maps,
    maps_in,
    read_all,
    read_maps,
    remove_other_maps,
    scan_of,
)
from stratacam.maps.trained import (
    differences_of,
    edges,
    edges_between,
    explained_sequence,
    part_in_training,
    prepared_sequences,
    trained_plane,
    within,
)

__all__ = [
    "LAYER_METHODS",
    "Consensus",
    "ExplainSettings",
    "FoundMaps",
    "LayerConsensus",
    "ScanMaps",
    "check_settings",
    "classify_scan",
    "cut_pictures_for",
    "differences_of",
    "edges",
    "edges_between",
    "entity",
    "explain_scan",
    "explained_pictures",
    "explained_sequence",
    "find_maps",
    "frame_of",
    "label_of",
    "larger_pictures",
    "maps_in",
    "maps_path",
    "network_images",
    "network_inputs",
    "nifti_layers_of",
    "part_in_training",
    "predicted_class",
    "prepared_sequences",
    "read_all",
    "read_maps",
    "remove_other_maps",
    "scan_of",
    "trained_plane",
    "within",
]
