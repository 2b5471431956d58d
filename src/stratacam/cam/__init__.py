"""Maps of every layer of a network: model and batch in, maps of chosen layers and classes out."""

from stratacam.cam.describe import Layer, list_layers
from stratacam.cam.explain import explain, explain_batches
from stratacam.cam.explanation import Explanation, LayerMaps
from stratacam.cam.layers import match_layers
from stratacam.cam.methods import METHODS
from stratacam.cam.views import fuse, upsample, view

__all__ = [
    "METHODS",
    "Explanation",
    "Layer",
    "LayerMaps",
    "explain",
    "explain_batches",
    "fuse",
    "list_layers",
    "match_layers",
    "upsample",
    "view",
]
