"""Custom networks: a user's functions, named by reference: `my_networks:make` or `path/to/networks.py:make`."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from stratacam.errors import InputError, did_you_mean
from stratacam.networks.layers import Dimensions
from stratacam.networks.registry import is_given
from stratacam.networks.seeded import seeded

PROBES: dict[Dimensions, tuple[int, ...]] = {2: (64, 64), 3: (64, 64, 64)}
"""Sizes of the pictures, and of the volumes, that a custom network is tried with."""

PROBED = 2
"""Their number."""


def load_network(
    reference: str, classes: int, *, channels: int = 3, seed: int = 0, dimensions: Dimensions = 2
) -> nn.Module:
    """Call a user's function that makes a network, and try the network once.

    The function is `make(classes) -> nn.Module`, with parameters `channels` and `seed` if it wants them; the network
    takes pictures (B, channels, H, W) in [0, 1], or volumes (B, channels, D, H, W), and gives logits (B, classes). The
    random numbers of torch, numpy and Python are seeded while the function runs, and are then as they were.

    Args:
        reference: `module:function` of a module that Python can import, or `path/to/file.py:function`.
        classes: number of outputs.
        channels: of the pictures.
        seed: of the random numbers.
        dimensions: 2 for pictures, 3 for volumes.

    Returns:
        The network in evaluation mode.

    Raises:
        InputError: if the module or the function is not there or fails, or what it returns is no such network.
    """
    options = {"channels": channels, "seed": seed}
    with seeded(seed):
        function = find_function(reference)
        try:
            wanted = inspect.signature(function).parameters
            model = function(classes, **{name: options[name] for name in options if name in wanted})
        except Exception as fault:
            raise InputError(
                f"network: {reference} failed with {type(fault).__name__} ({fault}); it is called with the number of "
                "classes, and with channels=... and seed=... if it has parameters of these names."
            ) from fault
        if not isinstance(model, nn.Module):
            raise InputError(
                f"network: {reference} returned a {type(model).__name__}, expected a torch.nn.Module."
            )
        _try(reference, model.eval(), classes, (PROBED, channels, *PROBES[dimensions]))
    return model


def state_hash(module: nn.Module) -> str:
    """Return a hash of the module's weights and buffers and of its layers' names."""
    content = hashlib.sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        content.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def source_file(reference: str) -> Path:
    """The file that holds a user's function; InputError if there is no such module or file."""
    home, _ = split_reference(reference)
    remedy = (
        f"{reference} must name a module that Python can import (installed, or its folder in PYTHONPATH), or the path "
        "of a .py file, and a function in it."
    )
    if home.endswith(".py"):
        if not Path(home).is_file():
            raise InputError(f"network: {home} is not a file; {remedy}")
        return Path(home)
    try:
        specification = importlib.util.find_spec(home)
    except Exception as fault:
        raise InputError(f"network: module {home!r} is not found ({fault}); {remedy}") from fault
    if specification is None or not specification.origin:
        raise InputError(f"network: module {home!r} is not found; {remedy}")
    return Path(specification.origin)


def same_reference(first: str, second: str) -> bool:
    """Whether two references mean the same: equal, or the same file name and function or card in whatever folder.

    Example:
        >>> same_reference("a/networks.py:make", "/b/networks.py:make"), same_reference("a:make", "b:make")
        (True, False)
    """
    in_files = all(one.rpartition(":")[0].endswith(".py") or is_given(one) for one in (first, second))
    return Path(first).name == Path(second).name if in_files else first == second


def split_reference(reference: str) -> tuple[str, str]:
    """The module or file, and the function, of a reference; InputError if it is none."""
    home, _, function = reference.rpartition(":")
    if not home or not function.isidentifier():
        raise InputError(
            f"network: {reference!r} names no function; write my_networks:make or path/to/networks.py:make."
        )
    return home, function


def find_function(reference: str) -> Callable[..., Any]:
    """What a reference names: a function, or a class.

    Raises:
        InputError: the module or the name is not there, or cannot be imported.
    """
    home, name = split_reference(reference)
    file = source_file(reference)
    try:
        module = _import_file(file) if home.endswith(".py") else importlib.import_module(home)
    except Exception as fault:
        raise InputError(
            f"network: importing {home} failed with {type(fault).__name__} ({fault}); mend {file}."
        ) from fault
    function = getattr(module, name, None)
    if not callable(function):
        known = [
            one
            for one, value in vars(module).items()
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__
        ]
        found = "is no function" if hasattr(module, name) else "is not there"
        raise InputError(
            f"network: {name} {found} in {home}; {did_you_mean(name, known)}Its functions and classes: "
            f"{', '.join(known) or 'none'}."
        )
    return function  # type: ignore[no-any-return]  # callable, whatever it is


def _import_file(file: Path) -> ModuleType:
    """Run a file as a module of its own, which may import what lies beside it."""
    name = f"{file.stem}_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses in the file look their module up
    sys.path.append(str(file.resolve().parent))
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path.pop()
    return module


def _try(reference: str, model: nn.Module, classes: int, shape: tuple[int, ...]) -> None:
    """Run the network once on grey pictures."""
    (count, channels, *spatial), pictures = shape, torch.full(shape, 0.5)
    try:
        with torch.no_grad():
            logits = model(pictures)
    except Exception as fault:
        hint = (
            "" if channels == 3 else '; give the function a parameter "channels" and build the network for it'
        )
        raise InputError(
            f"network: {reference} made a network that fails on pictures of shape {shape} with "
            f"{type(fault).__name__} ({fault}); it must take (B, {channels}, "
            f"{'D, ' * (len(spatial) - 2)}H, W) float32 in [0, 1], on the CPU{hint}."
        ) from fault
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != (count, classes):
        raise InputError(
            f"network: {reference} made a network that gives {found} for pictures of shape {shape}, "
            f"expected logits {(count, classes)}: one for each class."
        )
