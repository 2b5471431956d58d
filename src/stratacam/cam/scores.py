"""What is explained: the score of each image for each class asked."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stratacam.cam.capture import Captured

Classes = str | int | Sequence[int] | Sequence[Sequence[int]] | Tensor | Callable[[Any], Tensor]
"""What a caller may give as classes, see `stratacam.explain`."""


@dataclass(frozen=True)
class Target:
    """The classes of one batch.

    Attributes:
        logits: (B, K) the model's logits; the scores where a callable gives them.
        classes: (B, C) indices of the classes explained.
        score: a forward of images, and classes (B, C) of these images, to scores (B, C) with their graph.
    """

    logits: Tensor
    classes: Tensor
    score: Callable[[Captured, Tensor], Tensor]


def logits_of(captured: Captured) -> Tensor:
    """The logits (B, K) in a model's output: a tensor, or a `logits` in it; before a final softmax.

    Raises:
        ValueError: if there are none.
    """
    found = captured.output if captured.before_softmax is None else captured.before_softmax
    if isinstance(found, dict) and "logits" in found:
        found = found["logits"]
    found = getattr(found, "logits", found)
    if (
        isinstance(found, Tensor) and found.ndim < 2
    ):  # a head that squeezes gives () or (K,) for a single image
        found = found.reshape(1, -1) if captured.images == 1 else found.reshape(-1, 1)
    if not isinstance(found, Tensor) or found.ndim != 2:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"the model gives {shape}, not logits (B, classes); give classes as a function from what the model "
            "gives to the scores (B,) or (B, C) to explain, such as lambda output: output[:, 1].mean(dim=(1, 2))."
        )
    if len(found) != captured.images:
        raise ValueError(
            f"the model gives {len(found)} row(s) for {captured.images} image(s); it must give one for each, or "
            "classes be a function that makes them."
        )
    return found


def choose_target(captured: Captured, classes: Classes, *, images: int, start: int) -> Target:
    """The classes of the batch that starts at image `start` of `images`.

    Raises:
        ValueError: if the classes are not the model's, or there is not one for each image.
    """
    if callable(classes):
        scores = _given_scores(classes, captured)
        columns = torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1)
        return Target(scores.detach(), columns, lambda run, rows: _given_scores(classes, run).gather(1, rows))
    logits = logits_of(captured)
    if captured.before_softmax is None:
        _warn_of_probabilities(logits.detach(), squashed=captured.squashed)
    indices = _class_indices(classes, logits, images, start)
    return Target(logits.detach(), indices, lambda run, rows: class_scores(logits_of(run), rows))


def class_scores(logits: Tensor, rows: Tensor) -> Tensor:
    """Scores (B, C) of the classes `rows` (B, C); a single logit is class 1's, and its negative class 0's."""
    if logits.shape[1] == 1:
        return logits * (2 * rows - 1).to(logits.dtype)
    return logits.gather(1, rows)


def _given_scores(classes: Callable[[Any], Tensor], captured: Captured) -> Tensor:
    scores = classes(captured.output)
    if isinstance(scores, Tensor) and scores.ndim == 0 and captured.images == 1:
        scores = scores[None]
    if not isinstance(scores, Tensor) or scores.ndim not in {1, 2} or len(scores) != captured.images:
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise ValueError(
            f"the function given as classes gives {found} for {captured.images} image(s); it must give scores (B,) "
            "or (B, C): one, or one row, for each image of the batch."
        )
    return scores[:, None] if scores.ndim == 1 else scores


def _class_indices(classes: Any, logits: Tensor, images: int, start: int) -> Tensor:  # noqa: ANN401
    batch, outputs = logits.shape
    count = max(outputs, 2)
    if isinstance(classes, str):
        if classes == "predicted":
            return (logits > 0).long() if outputs == 1 else logits.argmax(dim=1, keepdim=True)
        if classes == "all":
            return torch.arange(count, device=logits.device).expand(batch, count)
        raise ValueError(
            f'classes={classes!r} is not known; choose "predicted", "all", class indices or a function.'
        )
    try:
        indices = torch.as_tensor(classes, device=logits.device)
    except (TypeError, ValueError, RuntimeError) as fault:
        raise ValueError(
            f'classes={classes!r} is not known; give "predicted", "all", a function, one class index, one for each '
            f"image, or a list of as many for each ({fault})."
        ) from fault
    if indices.ndim > 2 or (indices.ndim > 0 and len(indices) != images):
        raise ValueError(
            f"classes has {len(indices)} entries for {images} image(s); give one index for all, or one index (or "
            "list of indices) per image."
        )
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise ValueError(f"classes must be whole numbers; found {indices.dtype}.")
    if not indices.numel() or bool(((indices < 0) | (indices >= count)).any()):
        raise ValueError(f"classes must be from 0 to {count - 1}; found {indices.flatten().tolist()}.")
    mine = indices.expand(batch) if indices.ndim == 0 else indices[start : start + batch]
    return mine.long().reshape(batch, -1)


def _warn_of_probabilities(logits: Tensor, *, squashed: bool) -> None:
    """Tell that the model seems to give probabilities, whose gradients vanish where it is sure."""
    found = ""
    single = logits.shape[1] == 1
    within = bool(((logits >= 0) & (logits <= 1)).all())
    if within and single and len(logits) > 1 and bool(logits.any()):
        found = "its single outputs all lie between 0 and 1"
    elif not single and bool((logits >= 0).all()) and _is_one(logits.sum(dim=1)):
        found = "its rows are positive and sum to 1"
    elif not single and bool((logits <= 0).all()) and _is_one(logits.exp().sum(dim=1)):
        found = "its rows are logarithms of numbers that sum to 1"
    elif within and squashed:
        found = "its outputs lie between 0 and 1, after a softmax, sigmoid, exponential or the like"
    if found:
        warnings.warn(
            f"the model seems to give probabilities: {found}. Maps of logits are steadier, and a class is predicted "
            "where its logit is above 0; give the model without its softmax or sigmoid.",
            stacklevel=2,
        )


def _is_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < 1e-3).all())
