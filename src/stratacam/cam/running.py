"""Which models can be explained, and where they are."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def explainable(model: nn.Module) -> nn.Module:
    """The module to explain: what `torch.compile` wrapped, or `model` itself.

    Raises:
        ValueError: if its layers cannot be observed, or it cannot be differentiated.
    """
    if isinstance(model, torch.export.ExportedProgram):
        raise TypeError(
            "model is an ExportedProgram, which has no layers; give the module that was exported, or save "
            "the program and open its file by stratacam.open_model."
        )
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a torch.nn.Module, whose layers have names."
        )
    inner = getattr(model, "_orig_mod", model)
    model = inner if isinstance(inner, nn.Module) else model
    parameters = list(model.parameters())
    if any(map(is_lazy, parameters)):
        raise ValueError(
            "the model has lazy layers that were never run; call it once with a batch of images."
        )
    quantised = next((type(module) for module in model.modules() if _is_quantised(module)), None)
    if quantised:
        raise ValueError(
            f"the model is quantised ({quantised.__name__}), which no gradient can pass; give the floating-point model "
            "that it was made of."
        )
    if any(parameter.is_inference() for parameter in parameters):
        raise ValueError(
            "the model's parameters were made in torch.inference_mode, which no gradient can pass; "
            "build or load it outside."
        )
    if any(parameter.is_meta for parameter in parameters):
        raise ValueError(
            "the model is on the meta device, where parameters have no values; load its weights first."
        )
    sharded = next((name for name in map(_sharding, [*parameters, *model.modules()]) if name), None)
    if sharded:
        raise ValueError(
            f"the model is sharded over processes ({sharded}); load its whole weights into the module that was sharded."
        )
    return model


def _is_quantised(module: nn.Module) -> bool:
    path = type(module).__module__.split(".")
    return path[0] == "torch" and "quantized" in path and "functional_modules" not in path


def _sharding(part: object) -> str:
    kind = type(part)
    sharded = kind.__module__.startswith("torch.distributed") and kind.__name__ in {
        "DTensor", "FullyShardedDataParallel", "FlatParameter"
    }  # fmt: skip
    return kind.__name__ if sharded else ""


def device_of(model: nn.Module) -> torch.device | None:
    """Where the model's first parameter is; None for a model without any."""
    return next((parameter.device for parameter in model.parameters()), None)
