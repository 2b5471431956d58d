"""Weights for a network of the user's own: checkpoints of Lightning (`.ckpt`) and state dictionaries.

Such a file holds no network, so the user names its class, whose code is the user's. Of the file only tensors and plain
values are read (`weights_only`): no pickled code is run.
"""

import inspect
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.custom import find_function
from stratacam.networks.files.opened import OpenedFile, finished
from stratacam.networks.formats import CHECKPOINT

Network = str | nn.Module | Callable[..., nn.Module]
"""A reference such as "my_package:MyNet", the class itself, a function that makes a network, or a network."""

MOST_NAMED = 4
STATE, SETTINGS = "state_dict", "hyper_parameters"
AVERAGED = re.compile(
    r"(^|[._])(ema|swa|averaged?|average_model|teacher|momentum|shadow)([._]|$)", re.IGNORECASE
)
"""Beginnings of the names of weights that are means over the training, or of another network that teaches."""

COMPILED = "_orig_mod."
"""What `torch.compile` puts into names."""


def open_weights(path: Path, network: Network, arguments: Mapping[str, Any] | None = None) -> nn.Module:
    """Make a network of the user's and load the weights of a file into it, all of them.

    Args:
        path: a checkpoint of Lightning, or a state dictionary that torch or safetensors wrote.
        network: see `Network`. A network given as such is changed.
        arguments: for the class, beside those of its own that the checkpoint has as `hyper_parameters`.

    Raises:
        InputError: the file is damaged or holds code, the class is not there or fails, or the weights do not fit it.
    """
    content = _read(path)
    state = next((content[key] for key in CHECKPOINT if isinstance(content.get(key), Mapping)), content)
    tensors = {
        str(name).replace(COMPILED, ""): value for name, value in state.items() if isinstance(value, Tensor)
    }
    if not tensors:
        raise InputError(
            f"{path}: found no tensors by name; expected a checkpoint of Lightning, or a state dictionary: save it "
            "with torch.save(model.state_dict(), file)."
        )
    settings = content.get(SETTINGS, {})
    made, used = _made(
        path, network, settings if isinstance(settings, Mapping) else {}, dict(arguments or {})
    )
    prefix = _prefix(path, tensors, made)
    fitting = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        made.load_state_dict(fitting)
    except RuntimeError as fault:
        raise InputError(
            f"{path}: holds weights of other shapes than {_title(network)} has: "
            f"{str(fault).splitlines()[-1].strip()}; give the arguments with which the network was trained "
            f"(arguments={{...}})."
        ) from fault
    notes = [f"Made with {', '.join(used)} of the checkpoint's hyper_parameters."] if used else []
    if prefix:
        others = [name for name in tensors if not name.startswith(prefix)]
        others = (
            others
            if len(others) <= MOST_NAMED
            else [*others[:MOST_NAMED], f"and {len(others) - MOST_NAMED} more"]
        )
        left = f"; {', '.join(others)} left out" if others else ""
        notes.append(f"Names of weights without {prefix!r}{left}.")
    kind = "Lightning checkpoint" if STATE in content else "state dictionary"
    return finished(made, OpenedFile(path, kind, notes=tuple(notes)))


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415

        try:
            return load_file(path)
        except (SafetensorError, OSError) as fault:
            raise InputError(
                f"{path}: is damaged ({fault}); expected a safetensors file: save the weights again."
            ) from fault
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:
        named = re.search(r"GLOBAL (\S+)", str(fault))
        if isinstance(fault, pickle.UnpicklingError) and named:
            raise InputError(
                f"{path}: holds more than tensors and plain values ({named[1]}), and reading that could run "
                "code; expected weights alone: where you trust the file, keep "
                "{'state_dict': torch.load(file, weights_only=False)['state_dict']} of it, save that by torch.save, "
                "and give what the class needs as arguments={...}."
            ) from fault
        raise InputError(
            f"{path}: is damaged or was not written by torch: {type(fault).__name__} ({str(fault)[:200]}); expected "
            "a checkpoint or a state dictionary: save it again."
        ) from fault
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path}: holds a {type(content).__name__}; expected a checkpoint of Lightning or a state dictionary: "
            "save it with torch.save(model.state_dict(), file)."
        )
    return content


def _made(
    path: Path, network: Network, settings: Mapping[str, Any], arguments: dict[str, Any]
) -> tuple[nn.Module, list[str]]:
    """The network, and which of a checkpoint's settings its class was given."""
    if isinstance(network, nn.Module):
        return network, []
    make: Callable[..., Any] = find_function(network) if isinstance(network, str) else network
    title = _title(network)
    parameters = inspect.signature(make).parameters.values()
    every = any(one.kind is one.VAR_KEYWORD for one in parameters)
    taken = {one.name for one in parameters}
    used = {
        name: value for name, value in settings.items() if (every or name in taken) and name not in arguments
    }
    missing = [
        one.name
        for one in parameters
        if one.default is one.empty
        and one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}
        and one.name not in {*used, *arguments}
    ]
    if missing:
        raise InputError(
            f"{path}: has no {', '.join(missing)} among its hyper_parameters ({', '.join(settings) or 'none'}), "
            f"which {title} needs; give them as arguments={{...}}."
        )
    try:
        made = make(**used, **arguments)
    except Exception as fault:
        raise InputError(
            f"{path}: {title} failed with {type(fault).__name__} ({fault}), called with "
            f"{', '.join([*used, *arguments]) or 'nothing'}; expected a network: correct the class, or give "
            f"arguments={{...}}."
        ) from fault
    if not isinstance(made, nn.Module):
        raise InputError(
            f"{path}: {title} gave a {type(made).__name__}; expected a torch.nn.Module: name its class."
        )
    return made, list(used)


def _title(network: Network) -> str:
    if isinstance(network, str):
        return network
    return (
        type(network).__name__
        if isinstance(network, nn.Module)
        else getattr(network, "__name__", "the function")
    )


def _prefix(path: Path, state: Mapping[str, Tensor], network: nn.Module) -> str:
    """What stands before the network's names in a file, such as "model."; all that begin so are the network's."""
    wanted = set(network.state_dict())
    fitting = [
        prefix
        for prefix in _prefixes(state)
        if {name.removeprefix(prefix) for name in state if name.startswith(prefix)} == wanted
    ]
    live = [prefix for prefix in fitting if not AVERAGED.search(prefix)] or fitting
    if len(live) > 1:
        raise InputError(
            f"{path}: holds the network's weights {len(live)} times, as {', '.join(map(repr, live))}; expected one "
            "beginning of their names: save the weights that are meant by themselves."
        )
    if live:
        return live[0]
    # The likeliest prefix is the one that most names fit.
    best = max(_prefixes(state), key=lambda one: sum(f"{one}{name}" in state for name in wanted))
    missing = sorted(name for name in wanted if f"{best}{name}" not in state)
    others = sorted(name for name in state if name.startswith(best) and name.removeprefix(best) not in wanted)
    raise InputError(
        f"{path}: lacks {_count(missing)} of the network's {len(wanted)} weights{_such(missing)} and holds "
        f"{_count(others)} that it has not{_such(others)}; expected the same names, also behind a common beginning "
        "such as 'model.': name the class that was trained, and give its arguments."
    )


def _prefixes(state: Mapping[str, Tensor]) -> Iterator[str]:
    """Beginnings of names up to a dot, shortest first."""
    found = {
        "".join(f"{part}." for part in name.split(".")[:count])
        for name in state
        for count in range(name.count(".") + 1)
    }
    return iter(sorted(found, key=lambda one: (one.count("."), one)))


def _count(names: list[str]) -> str:
    return str(len(names)) if names else "none"


def _such(names: list[str]) -> str:
    return f" (such as {names[0]})" if names else ""
