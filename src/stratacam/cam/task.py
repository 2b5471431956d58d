"""A batch to explain: one forward, a backward for each class, and the raw maps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stratacam.cam.capture import Captured, capture
from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.inputs import Inputs
from stratacam.cam.layers import split_call
from stratacam.cam.scores import Target
from stratacam.cam.tap import LayerError, Tap
from stratacam.cam.twin import Twin


@dataclass(frozen=True)
class Task:
    """One batch to explain."""

    twin: Twin  # of the model, in evaluation mode and frozen
    inputs: Inputs
    layers: Mapping[str, bool]  # name to whether it was named, and not only matched by a pattern
    target: Callable[[Captured], Target]  # finds the classes to explain in the first forward
    tokens_to_grid: TokensToGrid | None  # for layers whose output is not on the image as it is
    batch_size: int  # images that may go through the network at once
    mixing: bool  # the network mixes the images of a batch, so that each needs a backward of its own

    def named(self, name: str) -> bool:
        """Whether a layer, or the module of which it is one call, was named."""
        return self.layers.get(name, self.layers.get(split_call(name)[0], False))

    def capture(self) -> Captured:
        """One forward that records the outputs of the layers."""
        return capture(self.twin, self.inputs, self.layers, self.tokens_to_grid)

    def run(self, inputs: Inputs) -> Captured:
        """One forward of other inputs that keeps no layer."""
        return capture(self.twin, inputs, {}, None)


@dataclass
class RawMaps:
    """Raw maps of one batch."""

    target: Target
    raw: dict[str, Tensor]  # by layer, (B, C, *spatial)
    zero_gradient: dict[str, Tensor]  # by layer, (B, C): whether a map is blank because no gradient arrives
    refused: dict[str, str]  # layers matched by a pattern that have no map, and why


class Run:
    """One forward, and a backward for each class."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.captured = task.capture()
        self.target = task.target(self.captured)
        self.scores = self.target.score(self.captured, self.target.classes)
        self.classes = self.scores.shape[1]

    def backward(self, receive: Callable[[Tap, int, Tensor], None]) -> None:
        """Call `receive` with each layer's tap, the column of the class, and the gradient there as a feature map."""
        if not self.scores.requires_grad:
            if self.captured.taps:
                self._check_differentiable()
            return
        apart = self.task.mixing and len(self.scores) > 1
        for column in range(self.classes):
            last = column + 1 == self.classes
            if apart:
                self._image_by_image(receive, column, last=last)
                continue

            def pass_on(tap: Tap, gradient: Tensor, column: int = column) -> None:
                receive(tap, column, tap.as_grid(gradient))

            self._differentiate(self.scores[:, column].sum(), pass_on, last=last)

    def _image_by_image(
        self, receive: Callable[[Tap, int, Tensor], None], column: int, *, last: bool
    ) -> None:
        """The gradient of each image's score at what belongs to that image alone."""
        found: dict[str, Tensor] = {}
        for image, score in enumerate(self.scores[:, column]):

            def keep(tap: Tap, gradient: Tensor, image: int = image) -> None:
                grid = tap.as_grid(gradient)
                found.setdefault(tap.name, torch.zeros_like(grid))[image] = grid[image]

            self._differentiate(score, keep, last=last and image + 1 == len(self.scores))
        for tap in self.captured.unique_taps:
            if tap.name in found:
                receive(tap, column, found.pop(tap.name))

    def _differentiate(self, score: Tensor, receive: Callable[[Tap, Tensor], None], *, last: bool) -> None:
        taps = self.captured.unique_taps
        for tap in taps:
            tap.receive = partial(receive, tap)
        try:
            torch.autograd.grad(score, self.captured.anchor, retain_graph=not last, allow_unused=True)
        except RuntimeError as fault:
            if "checkpoint" not in str(fault):
                raise
            raise ValueError(
                "a layer lies in or before a block under torch.utils.checkpoint, which runs again in the backward "
                "without what was observed; name a layer after it, or turn checkpointing off."
            ) from fault
        finally:
            for tap in taps:
                tap.receive = None  # it holds the tap, and the tap it

    def _check_differentiable(self) -> None:
        """Refuse a model whose score does not even depend on the image through a gradient."""
        image = self.task.inputs.image.detach().clone().requires_grad_()
        run = self.task.run(self.task.inputs.with_image(image.clone()))
        if not self.target.score(run, self.target.classes).requires_grad:
            raise ValueError(
                "the score does not depend on the image through a gradient: the model detaches it, or runs inside "
                "torch.no_grad."
            )

    def maps(self, raw: dict[str, Tensor], zero_gradient: dict[str, Tensor]) -> RawMaps:
        """The maps in the order given; layers that no gradient reached are refused."""
        refused = self.captured.refused
        for name, tap in self.captured.taps.items():
            if tap.name in raw:
                continue
            reason = (
                "is not on the path to the score: nothing that the score depends on comes from it, or its gradient is "
                "cut off by a detach()."
            )
            if self.task.named(name):
                raise LayerError(name, reason)
            refused[name] = reason
        by_name = self.captured.by_name
        return RawMaps(self.target, by_name(raw), by_name(zero_gradient), refused)
