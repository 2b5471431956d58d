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
from stratacam.networks.brain import BrainUse
from stratacam.networks.build import build
from stratacam.networks.elsewhere import build_elsewhere, is_elsewhere, structure_of
from stratacam.networks.elsewhere.source import Config
from stratacam.networks.pretrained import Pretrained, initial_weights, source_of
from stratacam.networks.registry import is_reference, short_name
from stratacam.networks.seeded import seeded
from stratacam.source_code import code_in, digest_of

PROBE = (2, 64, 64)
"""Number, rows and columns of the pictures that a custom network is tried with."""


def make_network(
    architecture: str,
    classes: int,
    *,
    channels: int = 3,
    weights: str | Path | Pretrained = "default",
    seed: int = 0,
    brain: BrainUse = "off",
    config: Config | None = None,
) -> nn.Module:
    """Make the network that a study names, by `build`, `build_elsewhere` or, a custom one, by `load_network`.

    `config` is that of a card, for `build_elsewhere`.

    Raises:
        InputError: as these; or a network that is not of this package is to see the brain alone.
    """
    if is_elsewhere(architecture):
        if brain != "off":
            raise InputError(
                f'network.brain: found "{brain}" with the network {architecture}; expected "off" with a network of '
                'another package, whose layers cannot be masked: choose brain = "off", or a network of this package.'
            )
        found = initial_weights(architecture, weights, channels)
        trained = (found.state, found.convention) if found else None
        return build_elsewhere(
            architecture, classes, channels=channels, trained=trained, seed=seed, config=config
        )
    if not is_reference(architecture):
        return build(architecture, classes, channels=channels, weights=weights, seed=seed, brain=brain)
    if brain != "off":
        raise InputError(
            f'network.brain: found "{brain}" with the network {architecture}; expected "off" with a network of your '
            "own, whose layers this package cannot mask: choose one of this package, or mask the features in yours."
        )
    initial_weights(architecture, weights)  # refuses weights that only a function of the user's could read
    return load_network(architecture, classes, channels=channels, seed=seed)


def load_network(reference: str, classes: int, *, channels: int = 3, seed: int = 0) -> nn.Module:
    """Call a user's function that makes a network, and try the network once.

    The function is `make(classes) -> nn.Module`, with parameters `channels` and `seed` if it wants them; the network
    takes pictures (B, channels, H, W) in [0, 1] and gives logits (B, classes). The random numbers of torch, numpy and
    Python are seeded while the function runs, and are then as they were.

    Args:
        reference: `module:function` of a module that Python can import, or `path/to/file.py:function`.
        classes: number of outputs.
        channels: of the pictures.
        seed: of the random numbers.

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
        _try(reference, model.eval(), classes, channels)
    return model


def made_of(
    architecture: str, classes: int, *, channels: int = 3, weights: str, seed: int, brain: BrainUse = "off"
) -> str:
    """What a network is before it is trained: two of which this is the same have the same code and first weights.

    Of a custom network: the source of its file and of what that imports, the versions of packages, and the weights
    that the function makes or reads, from wherever. Where two calls do not give the same weights, these do not count.
    Of a network of another package: that package's version, and the layers.
    """
    if is_elsewhere(architecture):
        structure = structure_of(architecture, classes, channels)
        return f"{short_name(architecture)}, {structure}, {source_of(architecture, weights)}"
    if not is_reference(architecture):
        return f"{architecture}, {source_of(architecture, weights)}, {channels} channels, brain {brain}"
    home, function = _split(architecture)
    code = code_in(Path(home).stem, source_file(architecture)) if home.endswith(".py") else code_in(home)
    first, second = (
        state_hash(load_network(architecture, classes, channels=channels, seed=seed)) for _ in range(2)
    )
    return f"{function}, {digest_of(code)}, {first if first == second else 'random'}"


def state_hash(module: nn.Module) -> str:
    """Return a hash of the module's weights and buffers and of its layers' names."""
    content = hashlib.sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        content.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def source_file(reference: str) -> Path:
    """The file that holds a user's function; InputError if there is no such module or file."""
    home, _ = _split(reference)
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
    """Whether two references mean the same: equal, or the same file name and function in whatever folder.

    Example:
        >>> same_reference("a/networks.py:make", "/b/networks.py:make"), same_reference("a:make", "b:make")
        (True, False)
    """
    in_files = all(one.rpartition(":")[0].endswith(".py") for one in (first, second))
    return Path(first).name == Path(second).name if in_files else first == second


def _split(reference: str) -> tuple[str, str]:
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
    home, name = _split(reference)
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


def _try(reference: str, model: nn.Module, classes: int, channels: int) -> None:
    """Run the network once on grey pictures."""
    count, *size = PROBE
    pictures = torch.full((count, channels, *size), 0.5)
    shape = tuple(pictures.shape)
    try:
        with torch.no_grad():
            logits = model(pictures)
    except Exception as fault:
        hint = (
            "" if channels == 3 else '; give the function a parameter "channels" and build the network for it'
        )
        raise InputError(
            f"network: {reference} made a network that fails on pictures of shape {shape} with "
            f"{type(fault).__name__} ({fault}); it must take (B, {channels}, H, W) float32 in [0, 1], on the CPU{hint}."
        ) from fault
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != (count, classes):
        raise InputError(
            f"network: {reference} made a network that gives {found} for pictures of shape {shape}, "
            f"expected logits {(count, classes)}: one for each class."
        )
