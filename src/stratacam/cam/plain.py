"""Forwards of which an earlier one, of the same model and inputs of the same shapes, has shown all there is to watch.

Where a plain model treats each image by itself, lets no value decide what is run, and changes nothing in place that
was held, the operations are the same each time: only the outputs of the layers are kept then, and the graph tied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.cam.description import NUMBERS
from stratacam.cam.inputs import Inputs
from stratacam.cam.memory import storage_of
from stratacam.cam.recorder import Recorder, is_alias, tie
from stratacam.cam.repeated import HeldTensor, Repeat
from stratacam.cam.tap import Tap

Signature = tuple[Any, ...]


@dataclass(frozen=True)
class Shown:
    """What a forward has shown.

    Attributes:
        layers: by name, the twin's module, the shape of its output, and how the call is run again, if at all.
        output: shape of the scores.
        kind: origin of the scores, see `Origins.kind_of`.
    """

    layers: Mapping[str, tuple[nn.Module, torch.Size, Repeat | None]]
    output: torch.Size
    kind: str | None


def signature_of(inputs: Inputs, layers: Mapping[str, bool]) -> Signature | None:
    """All besides the model that decides which operations are run; None if not all of it is known."""
    values = [*inputs.args, *inputs.kwargs.values()]
    if not all(type(value) in NUMBERS or type(value) is Tensor for value in values):
        return None
    kind = inputs.image.device.type
    return (
        *(_lie_of(value) if isinstance(value, Tensor) else value for value in values),
        *inputs.kwargs,
        inputs.spatial,
        inputs.per_image,
        *layers,
        torch.is_grad_enabled(),
        torch.is_autocast_enabled(kind),
        torch.get_autocast_dtype(kind),
    )


def shown_by(recorder: Recorder, output: object, taps: Mapping[str, Tap], *, by_image: bool) -> Shown | None:
    """What a watched forward has shown; None if another has to be watched too."""
    origins, watch = recorder.origins, recorder.watch
    if not by_image or watch.changed or list(taps) != list(recorder.modules):
        return None
    if not isinstance(output, Tensor) or output.ndim != 2 or origins.logits_of(output) is not None:
        return None
    calls = {name: recorder.calls[module] for name, module in recorder.modules.items()}
    if any(len(found) != 1 for found in calls.values()) or len(recorder.calls) < len(calls):
        return None
    lasting = {
        storage_of(value)
        for part in (recorder.model.parameters(), recorder.model.buffers())
        for value in part
    }
    layers = {}
    for name, module in recorder.modules.items():
        tap = taps[name]
        constants = tap.again.constants if tap.again else ()
        if tap.tokens_to_grid or any(storage_of(held.tensor) not in lasting for held in constants):
            return None
        layers[name] = (module, recorder.shapes[module], tap.again)
    return Shown(layers, output.shape, origins.kind_of(output))


class PlainRun:
    """One forward: its taps by name, in the order of the layers, and the anchor of its graph."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.anchor = torch.zeros((), device="cpu", requires_grad=True)
        self.taps: dict[str, Tap] = {}
        self.as_shown = True
        self._tied: set[int] = set()

    def run(self, model: nn.Module, inputs: Inputs) -> Tensor | None:
        """The scores; None if the forward was not as the earlier one."""
        hooks = [
            module.register_forward_hook(partial(self._observe, name, shape, again))
            for name, (module, shape, again) in self.shown.layers.items()
        ]
        try:
            output = inputs.run(model)
        finally:
            for hook in hooks:
                hook.remove()
        if not self.as_shown or len(self.taps) < len(hooks):
            return None
        if not isinstance(output, Tensor) or output.shape != self.shown.output:
            return None
        self.taps = {name: self.taps[name] for name in self.shown.layers}
        return output

    def _observe(
        self,
        name: str,
        shape: torch.Size,
        again: Repeat | None,
        _module: nn.Module,
        inputs: tuple[Any, ...],
        output: object,
    ) -> object:
        if name in self.taps or not isinstance(output, Tensor) or output.shape != shape:
            self.as_shown = False
            return output
        tied = output
        if torch.is_grad_enabled():
            # A hook on the output itself will do where it has a graph and stands for this layer alone.
            if not output.requires_grad or id(output) in self._tied or is_alias(output, inputs):
                tied = tie(output, inputs, self.anchor)
            self._tied.add(id(tied))
        tap = Tap(name, HeldTensor((inputs[0] if again else tied).detach()), again, None)
        if torch.is_grad_enabled():
            tied.register_hook(tap.pass_on)  # type: ignore[no-untyped-call]
        self.taps[name] = tap
        return tied


def _lie_of(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device, tensor.requires_grad
