"""Maps of every layer of a network: model and batch in, maps of chosen layers and classes out."""

from stratacam.cam.explain import explain, explain_batches
from stratacam.cam.explanation import Explanation, LayerMaps, view
from stratacam.cam.layers import Layer, list_layers, match_layers

__all__ = [
    "Explanation",
    "Layer",
    "LayerMaps",
    "explain",
    "explain_batches",
    "list_layers",
    "match_layers",
    "view",
]
