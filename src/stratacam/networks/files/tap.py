"""Modules that stand for the layers of a file's network, so that hooks see what each layer gives."""

from functools import partial
from typing import Any

from torch import Tensor, nn


class Tap(nn.Module):
    """A layer of another framework: it holds that layer's weights, and is called with what the layer gives."""

    kind = ""
    is_layer = False
    """Whether it has a map by default, such as a convolution, in place of what lies in it."""

    def forward(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def extra_repr(self) -> str:
        """The kind of the layer in its own framework."""
        return self.kind


class LayerTap(Tap):
    """One that has a map by default, such as a convolution."""

    is_layer = True


class Pool1d(Tap, nn.MaxPool1d):
    """A pool over one axis."""


class Pool2d(Tap, nn.MaxPool2d):
    """A pool over two axes."""


class Pool3d(Tap, nn.MaxPool3d):
    """A pool over three axes."""


POOL_TAPS = {1: Pool1d, 2: Pool2d, 3: Pool3d}
"""By the number of axes."""


def pool_tap(axes: int) -> Tap:
    """A tap of a pool over so many axes: no convolution, though it has a map."""
    return POOL_TAPS[axes](kernel_size=1)


def place(network: nn.Module, name: str, module: nn.Module) -> str:
    """Put a module into a network under a name with dots, or one like it where that is taken; return the name."""
    *path, last = [part for part in name.split(".") if part]
    home = network
    for number, part in enumerate(path):
        if part not in home._modules:
            path[number] = free_name(home, part)
            home.add_module(path[number], Tap())
        home = home.get_submodule(path[number])
    last = free_name(home, last)
    home.add_module(last, module)
    return ".".join([*path, last])


def put(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another."""
    home, _, last = name.rpartition(".")
    network.get_submodule(home)._modules[last] = module


def run_before(network: nn.Module, name: str, module: nn.Module) -> None:
    """Let a module make of images what a network takes; it is a child of the network, of this name or one like it."""
    name = free_name(network, name)
    if type(network).forward is nn.Sequential.forward:  # it runs its children, so this one comes first
        others = dict(network._modules)
        network._modules.clear()
        network._modules.update({name: module, **others})
        return
    network.add_module(name, module)
    network.register_forward_pre_hook(partial(_apply, name), prepend=True)


def _apply(name: str, network: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return (network.get_submodule(name)(arguments[0]), *arguments[1:])


def free_name(home: nn.Module, name: str) -> str:
    """A name, or one like it, that no attribute of a module has."""
    number, found = 1, name
    while hasattr(home, found):
        number += 1
        found = f"{name}_{number}"
    return found
