"""The layers of a network: which of them a name, a pattern or a module means."""

import difflib
import fnmatch
from collections.abc import Sequence

import torch
from torch import nn

CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
)  # fmt: skip
POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.LPPool1d, nn.LPPool2d, nn.LPPool3d, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
)  # fmt: skip

LAST = "last"
"""Stands for the convolution, or composite layer, that is run last."""

IS_LAYER = "is_layer"
"""A module whose attribute of this name is True is one layer, such as a residual block: maps are of its output."""

TO_GRID = "to_grid"
"""Such a module may have a function of this name, from its output and the image's spatial shape to a feature map."""

Layers = str | nn.Module | Sequence[str | nn.Module]
"""What a caller may give as layers, see `match_layers`."""


def spatial_axes(module: nn.Module) -> int:
    """Axes on which a convolution or pool works: 1, 2 or 3."""
    kind = next(kind for kind in CONVOLUTIONS + POOLS if isinstance(module, kind))
    return int(kind.__name__[-2])


def candidate_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Convolutions, pools and composite layers of `model` by name, in the order in which they are registered.

    Pools to one position (global pooling) are none: their output says nothing of where. Nor is what lies in a
    composite layer.
    """
    found: dict[str, nn.Module] = {}
    composite = "."  # begins no name
    for name, module in model.named_modules():
        if not name or name.startswith(composite) or _is_global(module):
            continue
        if is_composite(module):
            composite = f"{name}."
        if isinstance(module, CONVOLUTIONS + POOLS) or is_composite(module):
            found[name] = module
    return found


def is_composite(module: nn.Module) -> bool:
    """Whether a module counts as one layer, with all that lies in it."""
    return getattr(module, IS_LAYER, False) is True


def may_be_last(module: nn.Module) -> bool:
    """Whether "last" may mean a candidate layer: a convolution or composite layer, but no pool."""
    return isinstance(module, CONVOLUTIONS) or is_composite(module)


def pools_among(model: nn.Module, layers: Sequence[str]) -> tuple[str, ...]:
    """Those of the layers that are pools by their module, whatever their names."""
    modules = dict(model.named_modules())
    return tuple(name for name in layers if isinstance(modules.get(name.partition("#")[0]), POOLS))


def match_layers(model: nn.Module, layers: Layers = "all") -> tuple[str, ...]:
    """Names of the layers meant by `layers`, in the order given, each once.

    Args:
        model: any network.
        layers: "all" (every convolution and pool, and every module whose attribute `is_layer` is True, in place of
            what lies in it), "last" (the last of these that is no pool), a module, a name, a glob such as `layer4_*`,
            or a sequence of these. A name may be that of any module, and `name#2` is the second call of a module
            that is called more than once; globs match the layers of "all", or, where they match none of these, any
            module; `*#2` is the second call of all that match.

    Raises:
        ValueError: if a name or pattern matches nothing; close names and the candidates are listed.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.MaxPool2d(2))
        >>> match_layers(model), match_layers(model, "last"), match_layers(model, model[1])
        (('0', '2', '3'), ('2',), ('1',))
    """
    chosen = choose(model, layers)
    if chosen.pop(LAST, None) is None:
        return tuple(chosen)
    convolutions = (name for name, module in candidate_layers(model).items() if may_be_last(module))
    return tuple(dict.fromkeys([*chosen, *list(convolutions)[-1:]]))


def choose(model: nn.Module, layers: Layers) -> dict[str, bool]:
    """As `match_layers`, with whether each layer was named (and not only matched by a pattern).

    "last" stays as it is, because only a forward shows which convolution is the last.
    """
    given = [layers] if isinstance(layers, str | nn.Module) else layers
    if not isinstance(given, Sequence) or not all(isinstance(one, str | nn.Module) for one in given):
        raise ValueError(
            f"layers: found {layers!r}; expected a name, a pattern, a module, or a list of these."
        )
    modules = {name for name, _ in model.named_modules(remove_duplicate=False) if name}
    chosen: dict[str, bool] = {}
    for one in given:
        if isinstance(one, str) and one != "all" and split_call(one)[0] in modules:
            names, named = [one], True
        else:
            names, named = _find(model, one)
        for name in names:
            chosen[name] = chosen.get(name, False) or named
    return chosen


def split_call(name: str) -> tuple[str, int | None]:
    """The module's name, and the call that `name#2` asks for.

    Example:
        >>> split_call("features.conv#2"), split_call("features.conv")
        (('features.conv', 2), ('features.conv', None))
    """
    module, mark, call = name.rpartition("#")
    return (module, int(call)) if mark and call.isdigit() else (name, None)


def _is_global(module: nn.Module) -> bool:
    size = getattr(module, "output_size", None) if isinstance(module, POOLS) else None
    return set(size if isinstance(size, tuple) else (size,)) == {1}


def _find(model: nn.Module, one: str | nn.Module) -> tuple[list[str], bool]:
    candidates = candidate_layers(model)
    if isinstance(one, nn.Module):
        found = [name for name, module in model.named_modules() if module is one and name]
        if not found:
            raise ValueError(f"layers: the {type(one).__name__} given is no submodule of the model.")
        return found, True
    modules = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    if one == "all":
        found = list(candidates)
    elif one == LAST:
        found = [LAST] if any(map(may_be_last, candidates.values())) else []
    else:
        found = _matching(one, list(candidates)) or _once(model, _matching(one, modules))
    if not found and one in {"all", LAST}:
        raise ValueError(f"layers={one!r}: {_why_none(model)}")
    if not found:
        parts = one.split("+")
        close = difflib.get_close_matches(one, modules, n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        if len(parts) > 1 and all(part in modules for part in parts):
            hint = (
                f"for a map over layers give layers={parts}, and ask the result for fused(); those of a study, scaled "
                "over the brain, are made by stratacam.maps.slice_maps.explain_slices and `stratacam explain`. "
            )
        listed = f"The layers are: {_first(list(candidates))}." if candidates else _why_none(model)
        raise ValueError(f"no layer matches {one!r}; {hint}{listed}")
    return found, False


def _first(names: Sequence[str], most: int = 24) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _once(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Names without those of a module that another name of them has."""
    every = dict(model.named_modules(remove_duplicate=False))
    first = {(every[split_call(name)[0]], split_call(name)[1]): name for name in reversed(names)}
    return [name for name in names if name in first.values()]


def _why_none(model: nn.Module) -> str:
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        kind = "is TorchScript"
    elif isinstance(model, torch.fx.GraphModule):
        kind = "is an exported graph"
    else:
        return "the model has no module that is a convolution or a pool; name others, such as those of its blocks."
    return (
        f"the model {kind}, whose layers cannot be observed; give the module that it was made of, open its file by "
        'stratacam.open_model, or give a method at the input, such as method="input_gradient".'
    )


def _matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Names that a pattern matches; with `#` and a number or `*` at its end, that call of them or all calls."""
    base, mark, call = pattern.rpartition("#")
    if not mark or not (call == "*" or call.isdigit()):
        return fnmatch.filter(names, pattern)
    return [name if call == "*" else f"{name}#{call}" for name in fnmatch.filter(names, base)]
