"""Honest classifiers of brain MRI, and maps of what every layer of the network looked at.

The names in `__all__` are public and stable, as `docs/support.md` says; modules below may change with any version.
They are loaded when they are first used, so that `import stratacam` costs nothing.
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
        explain_methods,
        fuse,
        list_layers,
        match_layers,
        view,
    )
    from stratacam.cam.drawing import montage, overlay
    from stratacam.errors import InputError
    from stratacam.maps import find_maps, read_maps
    from stratacam.networks import build, load_model, open_model
    from stratacam.results import Evidence, Study, open_study

__all__ = [
    "METHODS",
    "Evidence",
    "Explanation",
    "InputError",
    "Layer",
    "LayerMaps",
    "Study",
    "build",
    "explain",
    "explain_batches",
    "explain_methods",
    "find_maps",
    "fuse",
    "list_layers",
    "load_model",
    "match_layers",
    "montage",
    "open_model",
    "open_study",
    "overlay",
    "read_maps",
    "view",
]

_HOMES = {
    "stratacam.cam.drawing": ("montage", "overlay"),
    "stratacam.errors": ("InputError",),
    "stratacam.maps": ("find_maps", "read_maps"),
    "stratacam.networks": ("build", "load_model", "open_model"),
    "stratacam.results": ("Evidence", "Study", "open_study"),
}
"""Modules of the names that are not in `stratacam.cam`."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in __all__:
        raise AttributeError(f"module 'stratacam' has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "stratacam.cam")
    return getattr(importlib.import_module(home), name)
