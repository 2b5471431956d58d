"""Other libraries, each used as its documentation shows, on the same model in evaluation mode.

Those that are not installed are left out and named in the table. `torchvision` is replaced while
pytorch-grad-cam is imported: it needs it for detection and for reading pictures only, and it pins torch.
"""

import copy
import importlib
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.contestants import CLASS, Contestant
from benchmarks.stand_in import stand_in

GRADCAM_AVERAGED = "pytorch-grad-cam, one averaged map of all layers"
GRADCAM_FROZEN = "pytorch-grad-cam, the same, parameters frozen by the caller"
GRADCAM_PER_LAYER = "pytorch-grad-cam, a call per layer"
CAPTUM = "captum, a call per layer"
MONAI = "MONAI, a call per layer"
TORCHCAM = "torch-cam, all layers in one call"

LEFT_OUT = {
    "M3d-Cam": "gives maps of several layers only as files; layer by layer it makes the passes that MONAI makes",
    "ClinicaDL": "version 2.0 has no Grad-CAM",
}


def find_peers() -> tuple[list[Contestant], dict[str, str]]:
    """The peers that are installed, and why the others are absent, by name."""
    libraries: dict[str, Callable[[], list[Contestant]]] = {
        "pytorch_grad_cam": _pytorch_grad_cam,
        "captum": _captum,
        "torchcam": _torchcam,
        "monai": _monai,
    }
    present = [peer for library, load in libraries.items() if find_spec(library) for peer in load()]
    absent = {library: "not installed" for library in libraries if not find_spec(library)}
    return present, absent | LEFT_OUT


def _pytorch_grad_cam() -> list[Contestant]:
    """One call gives one map, the mean of its layers' stretched maps; a layer's own map takes its own call."""
    with stand_in("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
        library: Any = importlib.import_module("pytorch_grad_cam")
    targets = importlib.import_module("pytorch_grad_cam.utils.model_targets")

    def one_call(model: nn.Module, images: Tensor, layers: Sequence[str]) -> np.ndarray:
        with library.GradCAM(model, [model.get_submodule(name) for name in layers]) as cam:
            wanted = [targets.ClassifierOutputTarget(CLASS)] * len(images)
            averaged: np.ndarray = cam(input_tensor=images, targets=wanted)
            return averaged

    def with_graph_from_images(model: nn.Module, images: Tensor, layers: Sequence[str]) -> np.ndarray:
        return one_call(model, images.detach().requires_grad_(), layers)

    def call_per_layer(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[np.ndarray]:
        return [one_call(model, images, [name]) for name in layers]

    return [
        Contestant(GRADCAM_AVERAGED, one_call, "averaged"),
        Contestant(GRADCAM_FROZEN, with_graph_from_images, "averaged", frozen=True),
        Contestant(GRADCAM_PER_LAYER, call_per_layer, "stretched", pass_per_layer=True),
    ]


def _captum() -> list[Contestant]:
    attribution: Any = importlib.import_module("captum.attr")

    def call_per_layer(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        maps = []
        for name in layers:
            cam = attribution.LayerGradCam(model, model.get_submodule(name))
            raw = cam.attribute(images, target=CLASS, relu_attributions=True)
            shown = attribution.LayerAttribution.interpolate(raw, tuple(images.shape[2:]), "bilinear")
            maps.append(shown[:, 0].detach())
        return maps

    return [Contestant(CAPTUM, call_per_layer, "rectified", pass_per_layer=True)]


def _torchcam() -> list[Contestant]:
    methods: Any = importlib.import_module("torchcam.methods")

    def one_call(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        with methods.GradCAM(model, list(layers)) as cam:
            maps = cam(class_idx=CLASS, scores=model(images), normalized=False)
        return [
            F.interpolate(raw[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
            for raw in maps
        ]

    return [Contestant(TORCHCAM, one_call, "rectified")]


def _monai() -> list[Contestant]:
    visualize: Any = importlib.import_module("monai.visualize")

    warnings.filterwarnings("ignore", message="Full backward hook is firing", module="monai")

    def call_per_layer(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        fresh = copy.deepcopy(model)  # its hooks are never removed
        cam = visualize.GradCAM(fresh, layers, postprocessing=lambda maps: maps)
        found = [cam(images, class_idx=CLASS, layer_idx=number) for number in range(len(layers))]
        return [maps[:, 0].detach() for maps in found]

    return [Contestant(MONAI, call_per_layer, "rectified", pass_per_layer=True)]
