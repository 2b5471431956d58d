"""The hooks of one forward: they keep what layers give, and tie the graph to an anchor at the shallowest of them.

A tap holds a layer's activation, or, where that is much smaller and the graph keeps it anyway, the input of the call
and the operations that it was, which give it again. A layer's value is what the layer itself gave: an operation in
place after it (such as `nn.ReLU(inplace=True)`) makes the tap keep its own copy first.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from stratacam.cam.feature_map import TokensToGrid, grid_of, map_fault
from stratacam.cam.inputs import Inputs
from stratacam.cam.layers import (
    CONVOLUTIONS,
    LAST,
    POOLS,
    TO_GRID,
    candidate_layers,
    is_composite,
    may_be_last,
    spatial_axes,
    split_call,
)
from stratacam.cam.memory import storage_of
from stratacam.cam.origin import Origins
from stratacam.cam.repeated import HeldTensor, Repeat, repeat
from stratacam.cam.tap import LayerError, Tap
from stratacam.cam.watch import Inquiries, Watch


class Recorder:
    """The hooks of one forward."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        layers: Mapping[str, bool],
        tokens_to_grid: TokensToGrid | None,
        shared: Mapping[int, str],
    ) -> None:
        every = dict(model.named_modules(remove_duplicate=False))
        self.model = model
        self.layers = layers
        self.modules = {name: every[split_call(name)[0]] for name in layers if name in every or name != LAST}
        self.scripted = {name for name, module in every.items() if isinstance(module, torch.jit.ScriptModule)}
        self.image = inputs.image
        self.tokens_to_grid = tokens_to_grid
        self.differentiable = torch.is_grad_enabled()
        self.anchor = torch.zeros((), device="cpu", requires_grad=True)
        self.origins = Origins()
        self.origins.start(self.image, inputs.beside(), inputs.tensors())
        self.watch = Watch(self.origins, shared)
        self.shapes: dict[nn.Module, torch.Size] = {}
        self.calls: dict[nn.Module, list[Tap | str]] = {module: [] for module in self.modules.values()}
        self.last: Tap | None = None
        self.why_no_last = "does not exist: no convolution was run on this input."
        self.last_call: tuple[nn.Module, int] = (model, 0)
        self.last_candidates: dict[nn.Module, str] = {}
        self.last_calls: Counter[nn.Module] = Counter()
        if len(self.modules) < len(layers):
            for name, module in candidate_layers(model).items():
                if may_be_last(module):
                    self.last_candidates[module] = name

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Hooks and a watch, while the model runs."""
        # 1. Before a convolution: an image without the batch's axis is refused.
        hooks = [
            module.register_forward_pre_hook(self.check_batch)
            for module in self.model.modules()
            if isinstance(module, CONVOLUTIONS) and spatial_axes(module) + 1 == self.image.ndim
        ]
        # 2. Before a convolution or pool that is wanted: its operations are recorded.
        hooks += [
            module.register_forward_pre_hook(self.before)
            for module in (*self.calls, *self.last_candidates)
            if isinstance(module, CONVOLUTIONS + POOLS) and not list(module.children())
        ]
        # 3. After a layer: record its output.
        observed = [module for module in self.calls if not isinstance(module, torch.jit.ScriptModule)]
        hooks += [module.register_forward_hook(self.observe) for module in observed]
        hooks += [module.register_forward_hook(self.observe_last) for module in self.last_candidates]
        try:
            with self.watch, Inquiries(self.origins):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def check_batch(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Refuse one image without the batch's axis, which convolutions of torch take."""
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].shape == self.image.shape:
            raise ValueError(
                f"the image has shape {tuple(self.image.shape)}, which a {type(module).__name__} takes for one image "
                "without the batch's axis; expected (B, channels, *spatial), so give image[None]."
            )

    def before(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        """Record the call, if it may be cheaper to repeat than to keep."""
        if self.differentiable:
            self.watch.start_recording()

    def observe(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Record the output of a call, or why it has no map."""
        with torch._C.DisableTorchFunction():  # these reads are not the model's
            call: Tap | str | None = self._fault(module, output)
            if call is None:
                self.shapes[module] = output.shape
                call, output = self._tap(module, inputs, output)
            self.calls[module].append(call)
        return output

    def observe_last(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Take this convolution for the last until there is a later one; the graph starts at it then."""
        with torch._C.DisableTorchFunction():
            return self._observe_last(module, inputs, output)

    def _observe_last(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        self.last_calls[module] += 1
        fault = self._fault(module, output)
        if not fault and output[0, 0].numel() == 1 < self.image[0, 0].numel():
            fault = "gives a single position."
        if fault:
            self.why_no_last = f"does not exist: {self.last_candidates[module]} {fault}"
            return output
        if not any(isinstance(call, Tap) for calls in self.calls.values() for call in calls):
            output = output.detach()
        self.last, output = self._tap(module, inputs, output)
        self.last_call = (module, self.last_calls[module])
        return output

    def _tap(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> tuple[Tap, Tensor]:
        """A tap at a layer's output, and the output that the network continues with."""
        if not self.differentiable:
            return self._hold(module, output, output, None), output
        steps, again = self.watch.recorded(), None
        given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
        if given is not None and steps and _cheaper_to_repeat(module, given, output):
            again = repeat(given, output, steps)
        tied = tie(output, inputs, self.anchor)
        tap = self._hold(module, output, given if given is not None and again else tied, again)
        tied.register_hook(tap.pass_on)  # type: ignore[no-untyped-call]
        return tap, tied

    def select(self) -> tuple[dict[str, Tap], dict[str, str]]:
        """Taps in the order given, `name#1`, `name#2` where a module was called more than once; and refusals."""
        taps: dict[str, Tap] = {}
        refused: dict[str, str] = {}
        for name, named in self.layers.items():
            for label, call in self._calls(name):
                if isinstance(call, Tap):
                    call.name = call.name or label  # a module may have two names
                    taps[label] = call
                elif named and not isinstance(call, _NotRun):
                    raise LayerError(label, call)
                else:
                    refused[label] = call
        return taps, refused

    def _calls(self, name: str) -> list[tuple[str, Tap | str]]:
        """The calls that a name means, each with its own name."""
        if name not in self.modules:
            if self.last is None:
                raise LayerError(name, self.why_no_last)
            last, number = self.last_call
            label = self.last_candidates[last]
            return [(f"{label}#{number}" if self.last_calls[last] > 1 else label, self.last)]
        module, wanted = split_call(name)
        calls = self.calls[self.modules[name]]
        if wanted is not None and not 1 <= wanted <= len(calls):
            return [
                (name, _NotRun(f"does not exist: {module} was called {len(calls)} time(s) on this input."))
            ]
        if not calls:
            return [(name, self._not_run(module))]
        numbers = range(1, len(calls) + 1) if wanted is None else [wanted]
        several = wanted is not None or len(calls) > 1
        return [(f"{module}#{number}" if several else module, calls[number - 1]) for number in numbers]

    def _not_run(self, module: str) -> str:
        above = next(
            (name for name in self.scripted if not name or f"{module}.".startswith(f"{name}.")), None
        )
        if above is None:
            return _NotRun("was not run on this input.")
        return "lies in a part in TorchScript, whose layers cannot be observed; give the module that it was made of."

    def _hold(self, module: nn.Module, output: Tensor, given: Tensor, again: Repeat | None) -> Tap:
        """A tap that holds `given`: the output itself, or the input that `again` computes it from."""
        held = HeldTensor(given.detach())
        for tensor in (held, *(again.constants if again else ())):
            self.watch.hold(tensor)
        lying = self.origins.axes_of(output)
        return Tap("", held, again, grid_of(module, output, self.image, self._to_grid(module), lying))

    def _fault(self, module: nn.Module, output: Any) -> str | None:
        """Why an output has no map; None if it has one."""
        if self.differentiable and not torch.is_grad_enabled():
            return "is run inside torch.no_grad by the model itself, so that no gradient reaches it."
        lying = self.origins.axes_of(output) if isinstance(output, Tensor) else None
        return map_fault(module, output, self.image, self._to_grid(module), lying)

    def _to_grid(self, module: nn.Module) -> TokensToGrid | None:
        """The caller's function from tokens to a feature map, or the module's own."""
        own = getattr(module, TO_GRID, None) if is_composite(module) else None
        return self.tokens_to_grid or (own and partial(own, shape=tuple(self.image.shape[2:])))


def tie(output: Tensor, inputs: Sequence[Any], anchor: Tensor) -> Tensor:
    """The output of a layer as a tensor of the graph that stands for this layer alone, on a way to the anchor."""
    if output.requires_grad:
        output = output.clone() if is_alias(output, inputs) else output
    return cast("Tensor", _Anchored.apply(output, anchor))  # type: ignore[no-untyped-call]


def is_alias(output: Tensor, inputs: Sequence[Any]) -> bool:
    """Whether an output of a layer is a view, or what it was given itself."""
    given = {storage_of(value) for value in inputs if isinstance(value, Tensor)}
    return output._is_view() or storage_of(output) in given


class _Anchored(torch.autograd.Function):
    """A tensor on a way to the anchor; unlike a leaf it may be changed in place later."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, anchor: Tensor) -> Tensor:  # noqa: ARG004
        ctx.set_materialize_grads(False)  # what no gradient reaches is not differentiated
        return tensor.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, None]:
        return gradients[0] if ctx.needs_input_grad[0] else None, None


class _NotRun(str):
    """Why a layer has no map for this batch, though it may have one for another."""

    __slots__ = ()


def _cheaper_to_repeat(module: nn.Module, given: Tensor, output: Tensor) -> bool:
    """Whether to keep a layer's input instead of its output.

    True for a pool, whose input the graph keeps anyway; and for a convolution where the graph starts, if its
    input is much smaller: nothing else holds its output then, and a few input channels are quick to convolve.
    Not on a graphics card, which moves values faster than it computes them.
    """
    if given.is_cuda:
        return False
    if isinstance(module, POOLS):
        return given.requires_grad
    return (
        isinstance(module, CONVOLUTIONS) and not given.requires_grad and 8 * given.numel() <= output.numel()
    )
