"""Which layers of a network are frozen, by patterns of their names, and what that means for training."""

import fnmatch
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import takewhile

from torch import nn

from stratacam.errors import InputError, did_you_mean, some_of
from stratacam.networks.brain import BrainSequential

CHANGING = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout,
)  # fmt: skip
"""Layers that, in training, give another output for the same input, even without parameters to train."""


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Freeze the parameters of the layers whose names match `patterns`; the others stay as they are.

    Args:
        model: any network.
        patterns: names or globs such as `layer1_*` of modules, dotted where they are nested (`features.0`); a
            module is frozen with all that it holds. None: nothing is frozen.

    Raises:
        InputError: if a pattern matches no layer, or nothing is left to train.
    """
    for module in _frozen_modules(model, patterns):
        module.requires_grad_(requires_grad=False)


def matching(model: nn.Module, patterns: Iterable[str]) -> dict[str, nn.Module]:
    """The modules of `model` whose names match one of the patterns."""
    patterns = tuple(patterns)
    return {
        name: module
        for name, module in model.named_modules()
        if name and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }


def train_mode(model: nn.Module, patterns: Sequence[str]) -> None:
    """Put `model` in training mode, but its frozen layers in evaluation mode.

    So batch normalisation that is frozen keeps its mean and variance, and frozen dropout drops nothing.
    `model` may be the rest that `frozen_prefix` gives: patterns that match nothing in it are passed over.
    """
    model.train()
    for module in matching(model, patterns).values():
        module.eval()


def frozen_prefix(model: nn.Module, patterns: Sequence[str]) -> tuple[nn.Sequential, nn.Module]:
    """Cut `model` where its frozen beginning ends, so that the beginning need be computed only once.

    Args:
        model: any network.
        patterns: as in `freeze`.

    Returns:
        The longest run of leading children that are frozen, or have no parameters and behave in training as in
        evaluation, and the rest; both share their layers, under the same names, with `model`. For
        a model that is no `nn.Sequential`, or whose beginning is not frozen: an empty `nn.Sequential`, and `model`.

    Raises:
        InputError: as `freeze`.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        >>> [len(part) for part in frozen_prefix(model, ["0"])]
        [3, 1]
    """
    frozen = {inner for module in _frozen_modules(model, patterns) for inner in module.modules()}
    parameters = {id(parameter) for module in frozen for parameter in module.parameters()}

    def is_still(child: tuple[str, nn.Module]) -> bool:
        return all(id(parameter) in parameters for parameter in child[1].parameters()) and not any(
            isinstance(inner, CHANGING) and inner not in frozen for inner in child[1].modules()
        )

    children = list(model.named_children()) if isinstance(model, nn.Sequential) else []
    beginning = list(takewhile(is_still, children))
    if not any(True for _, child in beginning for _ in child.parameters()):
        return nn.Sequential(), model
    joined = type(model) if isinstance(model, BrainSequential) else nn.Sequential
    return joined(OrderedDict(beginning)), joined(OrderedDict(children[len(beginning) :]))


def _frozen_modules(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    """The modules whose names match; checked as `freeze` says."""
    for pattern in patterns:
        if not matching(model, [pattern]):
            names = [name for name, _ in model.named_modules() if name]
            raise InputError(
                f"frozen layers: {pattern!r} matches no layer of the network; {did_you_mean(pattern, names)}"
                f"The layers are: {some_of(names)}."
            )
    matched = list(matching(model, patterns).values())
    frozen = {id(parameter) for module in matched for parameter in module.parameters()}
    if all(id(parameter) in frozen or not parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            f"frozen layers: {', '.join(patterns)} freezes every layer that has parameters, so that nothing is left "
            "to train; leave at least the head out."
        )
    return matched
