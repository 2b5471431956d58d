"""One forward that keeps what layers gave, with a graph that starts at the shallowest of them.

Each call of a captured layer is a `Tap`. It holds the layer's activation, or, where that is much smaller and
the graph keeps it anyway, the input that gives it again. A layer's value is what the layer itself gave: an
operation in place after it (such as `nn.ReLU(inplace=True)`) makes the tap keep its own copy first.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from stratacam.cam.compact_graph import CompactGraph
from stratacam.cam.feature_map import TokensToGrid, map_fault
from stratacam.cam.inputs import Inputs
from stratacam.cam.layers import CONVOLUTIONS, LAST, POOLS, candidate_layers, split_call
from stratacam.cam.watch import Kept, Watch, storage_of


class LayerError(ValueError):
    """A layer that has no map, and why."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"layer {layer} {reason}")
        self.layer = layer
        self.reason = reason


@dataclass
class Tap:
    """One call of a captured layer.

    Attributes:
        name: of the layer.
        kept: its output, or the input of `again`.
        again: the layer itself where its output is to be computed again from `kept`.
        tokens_to_grid: what makes a feature map of its output.
        receive: told the gradient at its output in every backward.
    """

    name: str
    kept: Kept | None
    again: nn.Module | None
    tokens_to_grid: TokensToGrid | None
    receive: Callable[[Tensor], None] | None = field(default=None, repr=False)

    def activation(self) -> Tensor:
        """The layer's output as a feature map (B, channels, *spatial)."""
        if self.kept is None:
            raise RuntimeError(f"{self.name}: its activation has been released.")
        with torch.no_grad():
            return self.as_grid(self.again.forward(self.kept.tensor) if self.again else self.kept.tensor)

    def as_grid(self, values: Tensor) -> Tensor:
        """Values at the layer's output, such as its gradient, as a feature map."""
        return self.tokens_to_grid(values) if self.tokens_to_grid else values

    def release(self) -> None:
        """Let go of the activation."""
        self.kept = None


@dataclass
class Captured:
    """What one forward gave.

    Attributes:
        output: of the model.
        anchor: where a backward has to end to reach every tap: the input of `torch.autograd.grad`.
        taps: by name, in the order asked.
        refused: layers matched by a pattern that have no map, and why.
        before_softmax: the values that a final softmax, log-softmax or sigmoid was given; None without one.
        squashed: whether the output seems to be made of what such a function gave.
        images: in the batch.
    """

    output: Any
    anchor: Tensor
    taps: dict[str, Tap]
    refused: dict[str, str]
    before_softmax: Tensor | None
    squashed: bool
    images: int


def capture(
    model: nn.Module,
    inputs: Inputs,
    layers: Mapping[str, bool],
    tokens_to_grid: TokensToGrid | None = None,
) -> Captured:
    """Run `model` once and keep what `layers` gave.

    Call it inside `evaluating`. With gradients enabled the graph ends at an anchor that the shallowest layers
    are tied to, so that nothing before them is differentiated, and it is a `CompactGraph`.

    Args:
        model: any network.
        inputs: one batch.
        layers: names of modules, and whether each was named, as `choose` gives them.
        tokens_to_grid: for layers of token models.

    Raises:
        LayerError: if a layer that was named was not run or does not give a feature map. One that was only
            matched by a pattern is left out and listed in `refused`.
    """
    recorder = _Recorder(model, inputs.image, layers, tokens_to_grid)
    with recorder.observing(), CompactGraph():
        output = inputs.run(model)
    return Captured(
        output, recorder.anchor, *recorder.select(), *recorder.watch.end(output), images=inputs.count
    )


class _Recorder:
    """The hooks of one forward."""

    def __init__(
        self, model: nn.Module, image: Tensor, layers: Mapping[str, bool], tokens_to_grid: TokensToGrid | None
    ) -> None:
        every = dict(model.named_modules(remove_duplicate=False))
        self.layers = layers
        self.modules = {name: every[split_call(name)[0]] for name in layers if name in every or name != LAST}
        self.image = image
        self.tokens_to_grid = tokens_to_grid
        self.differentiable = torch.is_grad_enabled()
        self.anchor = torch.zeros((), requires_grad=True)
        self.watch = Watch()
        self.calls: dict[nn.Module, list[Tap | str]] = {module: [] for module in self.modules.values()}
        self.last: Tap | None = None
        self.last_call: tuple[nn.Module, int] = (model, 0)
        self.last_candidates: dict[nn.Module, str] = {}
        self.last_calls: Counter[nn.Module] = Counter()
        if len(self.modules) < len(layers):
            for name, module in candidate_layers(model).items():
                if isinstance(module, CONVOLUTIONS):
                    self.last_candidates[module] = name

    @contextmanager
    def observing(self) -> Iterator[None]:
        hooks = [module.register_forward_hook(self.observe) for module in self.calls]
        hooks += [module.register_forward_hook(self.observe_last) for module in self.last_candidates]
        try:
            with self.watch:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def observe(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep what a call of the layer gave, or why that has no map."""
        fault = self._fault(module, output)
        if fault:
            self.calls[module].append(fault)
            return output
        tap, output = self._tap(module, inputs, output)
        self.calls[module].append(tap)
        return output

    def observe_last(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Take this convolution for the last until there is a later one; the graph starts at it then."""
        self.last_calls[module] += 1
        if self._fault(module, output) or output[0, 0].numel() == 1 < self.image[0, 0].numel():
            return output
        if not any(isinstance(call, Tap) for calls in self.calls.values() for call in calls):
            output = output.detach()
        self.last, output = self._tap(module, inputs, output)
        self.last_call = (module, self.last_calls[module])
        return output

    def _tap(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> tuple[Tap, Tensor]:
        """A tap at a layer's output, and the output as the network is to go on with it."""
        if not self.differentiable:
            return self._kept(module, output, again=False), output
        single = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], Tensor) else None
        again = single is not None and _cheaper_to_repeat(module, single, output)
        tied = self._tie(output, inputs)
        tap = self._kept(module, single if single is not None and again else tied, again=again)
        tied.register_hook(lambda gradient: tap.receive(gradient) if tap.receive else None)  # type: ignore[no-untyped-call]
        return tap, tied

    def select(self) -> tuple[dict[str, Tap], dict[str, str]]:
        """Taps in the order asked, `name#1`, `name#2` where a module was called more than once; and refusals."""
        taps: dict[str, Tap] = {}
        refused: dict[str, str] = {}
        for name, named in self.layers.items():
            if name not in self.modules:
                if self.last is None:
                    raise LayerError(
                        name, "does not exist: no convolution with a feature map was run on this input."
                    )
                last, call = self.last_call
                label = self.last_candidates[last]
                self.last.name = f"{label}#{call}" if self.last_calls[last] > 1 else label
                taps[self.last.name] = self.last
                continue
            module, wanted = split_call(name)
            calls = self.calls[self.modules[name]]
            if wanted is not None and not 1 <= wanted <= len(calls):
                reason = f"does not exist: {module} was called {len(calls)} time(s) on this input."
                if named:
                    raise LayerError(name, reason)
                refused[name] = reason
                continue
            found = list(enumerate(calls, 1)) if wanted is None else [(wanted, calls[wanted - 1])]
            for number, tap in found or [(1, "was not run on this input.")]:
                label = f"{module}#{number}" if wanted or len(calls) > 1 else module
                if isinstance(tap, Tap):
                    tap.name = label
                    taps[label] = tap
                elif named:
                    raise LayerError(label, tap)
                else:
                    refused[label] = tap
        return taps, refused

    def _kept(self, module: nn.Module, value: Tensor, *, again: bool) -> Tap:
        kept = Kept(value.detach())
        self.watch.keep(kept)
        grid_maker = None if isinstance(module, CONVOLUTIONS + POOLS) else self.tokens_to_grid
        return Tap("", kept, module if again else None, grid_maker)

    def _fault(self, module: nn.Module, output: Any) -> str | None:
        """Why an output has no map; None if it has one."""
        if self.differentiable and not torch.is_grad_enabled():
            return "is run inside torch.no_grad by the model itself, so that no gradient reaches it."
        return map_fault(module, output, self.image, self.tokens_to_grid)

    def _tie(self, output: Tensor, inputs: Sequence[Any]) -> Tensor:
        """The output as a tensor of the graph that stands for this layer alone."""
        if not output.requires_grad:
            return cast("Tensor", _Anchored.apply(output, self.anchor))  # type: ignore[no-untyped-call]
        given = {storage_of(value) for value in inputs if isinstance(value, Tensor)}
        return output.clone() if output._is_view() or storage_of(output) in given else output


class _Anchored(torch.autograd.Function):
    """A tensor without a graph, as the start of one; unlike a leaf it may be changed in place later."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, anchor: Tensor) -> Tensor:  # noqa: ARG004
        return tensor.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, None]:  # noqa: ARG004
        return None, None


def _cheaper_to_repeat(module: nn.Module, given: Tensor, output: Tensor) -> bool:
    """Whether to keep a layer's input instead of its output.

    True for a pool, whose input the graph keeps anyway; and for a convolution where the graph starts, if its
    input is much smaller: its output is then in nobody's memory, and a few input channels are quick to convolve.
    """
    hooked = module._forward_pre_hooks or len(module._forward_hooks) > 1
    autocast = torch.is_autocast_enabled(given.device.type)  # which does not reach the threads of a backward
    if hooked or autocast:
        return False
    if isinstance(module, POOLS):
        return given.requires_grad and not isinstance(module, nn.FractionalMaxPool2d | nn.FractionalMaxPool3d)
    return (
        isinstance(module, CONVOLUTIONS) and not given.requires_grad and 8 * given.numel() <= output.numel()
    )
