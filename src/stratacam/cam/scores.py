"""What is explained: the score of each image for each class to explain."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stratacam.cam.capture import Captured
from stratacam.cam.origin import PROBABILITIES, WEIGHED

Classes = str | int | Sequence[int] | Sequence[Sequence[int]] | Tensor | Callable[..., Tensor]
"""What a caller may give as classes, see `stratacam.explain`."""


@dataclass(frozen=True)
class Target:
    """The classes of one batch."""

    logits: Tensor  # (B, K) of the model; the scores where a function gives them
    classes: Tensor  # (B, C) indices of the classes explained
    score: Callable[[Captured, Tensor], Tensor]  # a forward and its classes to scores (B, C); of a bag (1, C)
    bag: bool  # all images have one score together
    by_image: bool  # each image's score is known to be made of that image alone
    doubt: "Doubt | None" = None  # whether the logits are probabilities, if that is yet to be read


def logits_of(captured: Captured) -> Tensor:
    """The logits (B, K) in a model's output: a tensor, or a `logits` in it; before a final softmax.

    A bag of several images has one row: (1, K).

    Raises:
        ValueError: if there are none.
    """
    found = captured.output
    if isinstance(found, dict) and "logits" in found:
        found = found["logits"]
    found = getattr(found, "logits", found)
    if isinstance(found, Tensor):
        behind = captured.origins.logits_of(found)
        found = _rows_of_scores(found if behind is None else behind, captured.images)
    if not isinstance(found, Tensor) or found.ndim != 2:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"the model gives {shape}, not logits (B, classes); give classes as a function from what the model "
            "gives to the scores (B,) or (B, C) to explain, such as lambda output: output[:, 1].mean(dim=(1, 2))."
        )
    if len(found) not in {1, captured.images}:
        raise ValueError(
            f"the model gives {len(found)} row(s) for {captured.images} image(s); expected one for each, or one for "
            "all: give classes as a function that makes them."
        )
    return found


def _rows_of_scores(found: Tensor, images: int) -> Tensor:
    """Logits as rows: heads also give (B, K, 1, 1), (B,), or for a single image (K,) or nothing but a number."""
    if found.ndim < 2:
        return found.reshape(1, -1) if images == 1 else found.reshape(-1, 1)
    return found.flatten(1) if found.ndim > 2 and found[0].numel() == found.shape[1] else found


def choose_target(captured: Captured, classes: Classes, *, images: int) -> Target:
    """The classes of a batch out of `images`.

    Raises:
        ValueError: if the classes are not the model's, or there is not one for each image.
    """
    if callable(classes):
        function = classes
        scores = _given_scores(function, captured)
        shown = scores.detach().expand(captured.images, -1)
        columns = torch.arange(scores.shape[1], device=scores.device).expand(len(shown), -1)

        def score(run: Captured, rows: Tensor) -> Tensor:
            found = _given_scores(function, run)
            return found.gather(1, rows[: len(found)])

        return Target(shown, columns, score, len(scores) < captured.images, captured.by_image)
    logits = logits_of(captured)
    bag = len(logits) < captured.images
    doubt: Doubt | None = _doubt_of(captured, logits)
    threshold = 0.0
    if doubt and doubt.single:  # which class is predicted depends on it
        threshold, doubt = 0.5 if doubt.settle() else 0.0, None
    shown = logits.detach().expand(captured.images, -1)
    indices = _class_indices(classes, shown, captured.positions, images, threshold=threshold)
    if bag and bool((indices != indices[:1]).any()):
        raise ValueError(
            "classes: the images are one bag with one score; give the same classes for all of them."
        )

    def class_score(run: Captured, rows: Tensor) -> Tensor:
        found = logits_of(run)
        return class_scores(found, rows[: len(found)])

    return Target(shown, indices, class_score, bag, captured.by_image, doubt)


def class_scores(logits: Tensor, rows: Tensor) -> Tensor:
    """Scores (B, C) of the classes `rows` (B, C); a single logit is class 1's, and its negative class 0's."""
    if logits.shape[1] == 1:
        return logits * (2 * rows - 1).to(logits.dtype)
    return logits.gather(1, rows)


def _given_scores(function: Callable[..., Tensor], captured: Captured) -> Tensor:
    """Scores (B, C) that a caller's function gives; (1, C) where it gives one value for all images."""
    images = captured.images
    try:
        given = (captured.output, captured.positions) if _takes_positions(function) else (captured.output,)
        scores = function(*given)
    except Exception as fault:
        fault.add_note(
            f"raised by the function given as classes, for the {images} image(s) at {captured.positions.tolist()} of "
            "all; a function of two arguments is given these positions too."
        )
        raise
    if isinstance(scores, Tensor) and scores.ndim == 0 and images == 1:
        scores = scores[None]
    if _has_rows(captured.output, images):
        rows = {images}
    else:
        rows = {1, images}
        if isinstance(scores, Tensor) and scores.ndim in {1, 2} and scores.stride(0) == 0:
            scores = scores[:1]  # the one value of a bag, laid out for its images
    if not isinstance(scores, Tensor) or scores.ndim not in {1, 2} or len(scores) not in rows:
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise ValueError(
            f"the function given as classes gives {found} for {images} image(s); expected scores (B,) or (B, C): "
            "one, or one row, for each image of the batch, or one for all images of a bag."
        )
    return scores[:, None] if scores.ndim == 1 else scores


def _has_rows(output: Any, images: int) -> bool:  # noqa: ANN401
    """Whether the model's first output has a row for each image."""
    while isinstance(output, dict | list | tuple) and output:
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return isinstance(output, Tensor) and output.ndim > 0 and len(output) == images


def _takes_positions(function: Callable[..., Tensor]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # a builtin
        return False
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return sum(one.kind in kinds and one.default is one.empty for one in parameters) == 2


def _class_indices(
    classes: Any,  # noqa: ANN401
    logits: Tensor,
    positions: Tensor,
    images: int,
    *,
    threshold: float,
) -> Tensor:
    batch, outputs = logits.shape
    count = max(outputs, 2)
    if isinstance(classes, str):
        if classes == "predicted":
            return (logits > threshold).long() if outputs == 1 else logits.argmax(dim=1, keepdim=True)
        if classes == "all":
            return torch.arange(count, device=logits.device).expand(batch, count)
        raise ValueError(
            f'classes: found {classes!r}; expected "predicted", "all", class indices or a function.'
        )
    try:
        indices = torch.as_tensor(classes)
    except (TypeError, ValueError, RuntimeError) as fault:
        raise ValueError(
            f'classes: found {classes!r}; expected "predicted", "all", a function, one class index, one for each '
            f"image, or a list of as many for each ({fault})."
        ) from fault
    if indices.ndim > 2 or (indices.ndim > 0 and len(indices) != images):
        raise ValueError(
            f"classes has {len(indices)} entries for {images} image(s); give one index for all, or one index (or "
            "list of indices) per image."
        )
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise ValueError(f"classes: found {indices.dtype}; expected whole numbers.")
    if not indices.numel() or bool(((indices < 0) | (indices >= count)).any()):
        raise ValueError(f"classes: found {indices.flatten().tolist()}; expected 0 to {count - 1}.")
    mine = indices.expand(batch) if indices.ndim == 0 else indices[positions.to(indices.device)]
    return mine.long().reshape(batch, -1).to(logits.device)


@dataclass(frozen=True)
class Doubt:
    """Whether logits are probabilities instead; a card is waited for only where this is settled.

    Attributes:
        kind: of the logits, see `Origins.kind_of`.
        count: of the images.
        single: each has one logit.
        checks: (4,) what the values say: they lie in [0, 1]; their rows are shares; or logarithms of shares; and they
            are not all 0.
    """

    kind: str | None
    count: int
    single: bool
    checks: Tensor

    def settle(self) -> bool:
        """Warn where they are; whether they are single ones, which speak for class 1 above 0.5."""
        bounded, shares, logarithms, some = self.checks.tolist()
        found = ""
        if self.kind == PROBABILITIES or (self.kind == WEIGHED and bounded):
            found = "its output is made of what a softmax, sigmoid, exponential or the like gave"
        elif not self.single and shares:
            found = "its rows are positive and sum to 1"
        elif not self.single and logarithms:
            found = "its rows are logarithms of numbers that sum to 1"
        elif self.kind is None and self.single and bounded and self.count > 1 and some:
            found = "its single outputs all lie between 0 and 1"
        if found:
            warnings.warn(
                f"the model seems to give probabilities: {found}. Their gradients fade where the model is sure; give "
                "the model without its softmax or sigmoid, or the scores to explain by a function as classes.",
                stacklevel=2,
            )
        return bool(found) and self.single and bounded


def _doubt_of(captured: Captured, logits: Tensor) -> Doubt:
    values = logits.detach()
    checks = (
        ((values >= 0) & (values <= 1)).all(),
        (values >= 0).all() & _are_one(values.sum(dim=1)),
        (values <= 0).all() & _are_one(values.exp().sum(dim=1)),
        values.any(),
    )
    kind = captured.origins.kind_of(logits)
    return Doubt(kind, len(values), values.shape[1] == 1, torch.stack(checks))


def _are_one(sums: Tensor) -> Tensor:
    return ((sums - 1).abs() < 1e-3).all()
