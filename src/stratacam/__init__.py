"""Honest classifiers of brain MRI, and maps of what every layer of the network looked at.

The public names are loaded when they are first used, so that `import stratacam` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratacam.cam import (
        METHODS,
        Explanation,
        Layer,
        LayerMaps,
        explain,
        explain_batches,
        fuse,
        list_layers,
        match_layers,
        view,
    )
    from stratacam.cam.drawing import montage, overlay
    from stratacam.errors import InputError
    from stratacam.networks import build, load_model

__all__ = [
    "METHODS",
    "Explanation",
    "InputError",
    "Layer",
    "LayerMaps",
    "build",
    "explain",
    "explain_batches",
    "fuse",
    "list_layers",
    "load_model",
    "match_layers",
    "montage",
    "overlay",
    "view",
]

_CAM = (
    "METHODS", "Explanation", "Layer", "LayerMaps", "explain", "explain_batches", "fuse", "list_layers",
    "match_layers", "view",
)  # fmt: skip
_HOMES = {
    **dict.fromkeys(_CAM, "stratacam.cam"),
    **dict.fromkeys(("montage", "overlay"), "stratacam.cam.drawing"),
    **dict.fromkeys(("build", "load_model"), "stratacam.networks"),
    "InputError": "stratacam.errors",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module 'stratacam' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
