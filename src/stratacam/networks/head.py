"""The classifier head of a network: the layer that gives the logits."""

from torch import nn

from stratacam.errors import InputError, did_you_mean
from stratacam.networks.fusion import branches_of

HEADS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""What a head is, where nobody named it."""


def find_head(model: nn.Module, name: str | None = None) -> tuple[str, nn.Module]:
    """Find the classifier head of `model`, which is trained at a rate of its own.

    Args:
        model: any network.
        name: of the head, dotted where it is nested; None is the linear layer or convolution that is registered
            last.

    Returns:
        The head's name and the head.

    Raises:
        InputError: if there is no such layer, or it has no parameters; close names and the candidates are listed.

    Example:
        >>> find_head(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)))[0]
        '2'
    """
    modules = {path: module for path, module in model.named_modules() if path}
    candidates = [path for path, module in modules.items() if isinstance(module, HEADS)]
    if name is None and not candidates:
        raise InputError(
            f"network.head: the {type(model).__name__} has no linear layer and no convolution that could be its "
            "head; name the layer that gives the logits."
        )
    name = name or candidates[-1]
    listed = f"Linear layers and convolutions: {', '.join(candidates) or 'none'}."
    if name not in modules:
        hint = did_you_mean(name, modules)
        raise InputError(f"network.head: the network has no layer {name!r}; {hint}{listed}")
    if not any(True for _ in modules[name].parameters()):
        raise InputError(f"network.head: {name!r} has no parameters to train; choose one of these. {listed}")
    return name, modules[name]


def find_heads(model: nn.Module, name: str | None = None) -> dict[str, nn.Module]:
    """The head of a network, or of every branch of a `LateFusion`, by name; arguments and errors as of `find_head`.

    `name` is that in a branch.
    """
    branches = branches_of(model)
    if not branches:
        return dict([find_head(model, name)])
    found = {branch: find_head(model.get_submodule(branch), name) for branch in branches}
    return {f"{branch}.{own}": head for branch, (own, head) in found.items()}
