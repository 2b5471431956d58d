"""Packages that tests need and that may be absent, or of which only Python's part suits the torch that is here."""

import importlib

import pytest
import torch

SMALL_NETWORKS = (
    "timm:test_resnet",
    "timm:test_convnext",
    "timm:test_efficientnet",
    "torchvision:squeezenet1_1",
    "torchvision:resnet18",
    "monai:resnet10",
    "monai:DenseNet121",
    "transformers:resnet",
    "transformers:mobilenet_v2",
)
"""One or more of each package."""

OPERATIONS = ("nms", "qnms")
"""Of torchvision's compiled part; it declares their shapes when it is imported, and no classifier runs them."""

_declared = []
"""Declarations hold as long as they are kept."""


def needed(*names):
    """Import packages; skip the test, with the reason, where one is absent."""
    if {"torchvision", "timm", "transformers", "lightning"} & set(names):
        _let_torchvision_be_imported()
    found = [pytest.importorskip(name, reason=f"{name} is not installed; pip install it") for name in names]
    return found[0] if len(found) == 1 else found


def _let_torchvision_be_imported():
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        pass
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in OPERATIONS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        importlib.import_module("torchvision")
