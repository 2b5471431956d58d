"""The call: maps of chosen layers and classes for a batch of images."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from stratacam.cam.capture import evaluating, forward, gradients
from stratacam.cam.explanation import Explanation, LayerMaps, blank_cause
from stratacam.cam.layers import match_layers
from stratacam.cam.methods import gradcam


def explain(
    model: nn.Module,
    images: Tensor,
    *,
    layers: str | Sequence[str] = "all",
    classes: str | int | Sequence[int] | Tensor = "predicted",
    batch_size: int = 8,
) -> Explanation:
    """Grad-CAM maps of every chosen layer: one forward per batch, one backward per class.

    The model is used in evaluation mode with frozen parameters and put back as it was.

    Args:
        model: a network from images to logits (B, K).
        images: (B, channels, *spatial), on the model's device.
        layers: see `match_layers`.
        classes: "predicted", "all", one class index, or one index per image.
        batch_size: images that go through the network at once.

    Returns:
        Maps at each layer's own resolution, on the CPU.

    Raises:
        ValueError: if layers or classes are not the model's.
    """
    parts = list(explain_batches(model, images, layers=layers, classes=classes, batch_size=batch_size))
    return Explanation(
        logits=torch.cat([part.logits for part in parts]),
        classes=torch.cat([part.classes for part in parts]),
        maps={
            name: LayerMaps(
                name,
                torch.cat([part[name].raw for part in parts]),
                tuple(row for part in parts for row in part[name].blank),
            )
            for name in parts[0].layers
        },
    )


def explain_batches(
    model: nn.Module,
    images: Tensor,
    *,
    layers: str | Sequence[str] = "all",
    classes: str | int | Sequence[int] | Tensor = "predicted",
    batch_size: int = 8,
) -> Iterator[Explanation]:
    """Explain batch by batch, as `explain` does, so that only one batch of maps is held at a time."""
    names = match_layers(model, layers)
    with evaluating(model), torch.inference_mode(mode=False), torch.enable_grad():
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size].detach().clone()
            logits, activations = forward(model, batch, names)
            explained = _class_indices(classes, logits, len(images), start)
            columns: list[dict[str, Tensor]] = []
            blanks: list[dict[str, list[str]]] = []
            for column in range(explained.shape[1]):
                found = gradients(
                    logits,
                    explained[:, column],
                    activations,
                    keep_graph=column + 1 < explained.shape[1],
                )
                maps = {name: gradcam(activations[name].detach(), found[name]) for name in names}
                columns.append(maps)
                blanks.append({name: blank_cause(maps[name], found[name]) for name in names})
            yield Explanation(
                logits=logits.detach().float().cpu(),
                classes=explained.cpu(),
                maps={
                    name: LayerMaps(
                        name,
                        torch.stack([maps[name] for maps in columns], dim=1).cpu(),
                        tuple(zip(*(blank[name] for blank in blanks), strict=True)),
                    )
                    for name in names
                },
            )


def _class_indices(
    classes: str | int | Sequence[int] | Tensor, logits: Tensor, images: int, start: int
) -> Tensor:
    """Class indices (B, C) for the batch that starts at image `start`."""
    batch, count = logits.shape
    if isinstance(classes, str):
        if classes == "predicted":
            return logits.argmax(dim=1, keepdim=True)
        if classes == "all":
            return torch.arange(count, device=logits.device).expand(batch, count)
        raise ValueError(f'classes={classes!r} is not known; choose "predicted", "all" or class indices.')
    indices = torch.as_tensor(classes, device=logits.device)
    if indices.ndim > 1 or (indices.ndim == 1 and len(indices) != images):
        raise ValueError(f"classes has shape {tuple(indices.shape)}; expected one index, or {images}.")
    if bool(((indices < 0) | (indices >= count)).any()):
        raise ValueError(f"classes must be from 0 to {count - 1}; found {indices.flatten().tolist()}.")
    mine = indices.expand(batch) if indices.ndim == 0 else indices[start : start + batch]
    return mine.long()[:, None]
