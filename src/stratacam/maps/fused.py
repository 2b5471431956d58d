"""Maps over layers: the mean of the maps of several layers of one network, as a layer of its own.

Its name is those of its parts, joined: `first+second`. Nothing is chosen in secret: which parts there are
is read in the name, and which candidates are tried is a rule, see `candidate_fusions`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.cam import view
from stratacam.cam.layers import split_call
from stratacam.cam.views import ALL_NEGATIVE
from stratacam.maps.heat import Heat, scale_of_signed
from stratacam.networks import branches_of, by_block, by_branch

JOIN = "+"

MAXIMUM_BLOCKS = 6
"""Of a network of more blocks there are no candidates by rule: the number of pairs grows with the square."""


def parts_of(layer: str) -> tuple[str, ...]:
    """The layers that a map is the mean of; of a plain layer itself."""
    return tuple(layer.split(JOIN))


def is_fused(layer: str) -> bool:
    """Whether a name is that of a fused map."""
    return JOIN in layer


def fused_title(layer: str) -> str:
    """A fused map's name in words; that of a plain layer as it is.

    Example:
        >>> fused_title("first+second+third"), fused_title("third")
        ('mean of first to third', 'third')
    """
    first, *others = parts_of(layer)
    if not others:
        return layer
    return f"mean of {first} {'and' if len(others) == 1 else 'to'} {others[-1]}"


def candidate_fusions(layers: Sequence[str]) -> tuple[str, ...]:
    """Fused maps that are tried by rule: of every run of neighbouring blocks, their last layers.

    Args:
        layers: shallow to deep, of which fused maps are made.

    Returns:
        Names, those that end in a shallow block first; none where there are fewer than two blocks or very many.

    Example: with three blocks the first two, all three, and the last two.
    """
    last = [block[-1] for block in by_block(layers).values()]
    if len(last) > MAXIMUM_BLOCKS:
        return ()
    return tuple(JOIN.join(last[start:stop]) for stop in range(2, len(last) + 1) for start in range(stop - 1))


def fusions_of(model: nn.Module, layers: str | Sequence[str]) -> tuple[str, ...]:
    """`candidate_fusions` of the layers of a network that are meant, see `stratacam.cam.match_layers`; in each branch.

    Example: of branches `T1w` and `FLAIR` with two blocks each, the mean over both blocks of each.
    """
    branches = branches_of(model)
    found = []
    for own in by_branch(cam.match_layers(model, layers), branches):
        prefix = f"{own[0].partition('.')[0]}." if branches and own else ""
        inside = candidate_fusions([layer.removeprefix(prefix) for layer in own])
        found += [JOIN.join(f"{prefix}{part}" for part in parts_of(name)) for name in inside]
    return tuple(found)


@dataclass(frozen=True)
class Wanted:
    """Layers that are asked for.

    Attributes:
        plain: names and patterns of the network's own layers.
        fused: names of fused maps, each with its parts in the network's order.
    """

    plain: tuple[str, ...]
    fused: tuple[str, ...]

    @property
    def explained(self) -> tuple[str, ...]:
        """Names and patterns of all layers that maps are needed of."""
        parts = (part for name in self.fused for part in parts_of(name))
        return tuple(dict.fromkeys((*self.plain, *parts)))

    def keeps(self, model: nn.Module, layer: str) -> bool:
        """Whether a plain layer's map was itself asked for, and not only as a part."""
        if not self.fused or "all" in self.plain:
            return True
        return bool(self.plain) and split_call(layer)[0] in cam.match_layers(model, self.plain)


def wanted(model: nn.Module, layers: str | Sequence[str]) -> Wanted:
    """Take apart names, patterns (see `stratacam.cam.match_layers`) and names of fused maps.

    Raises:
        ValueError: a part of a fused map is no single layer of the network, or named twice, or of another branch.
    """
    given = (layers,) if isinstance(layers, str) else tuple(layers)
    order = cam.match_layers(model)
    fused = []
    for name in filter(is_fused, given):
        found = [cam.match_layers(model, part) for part in parts_of(name)]
        parts = {layer for one in found for layer in one}
        _check_branch(model, name, parts)
        if any(len(one) != 1 for one in found) or len(parts) < len(found) or not parts <= {*order}:
            raise ValueError(
                f"found {name!r}; expected names of layers that have maps, joined with {JOIN}, each once; choose among "
                f"{', '.join(order)}"
            )
        fused.append(JOIN.join(layer for layer in order if layer in parts))
    return Wanted(tuple(one for one in given if not is_fused(one)), tuple(dict.fromkeys(fused)))


def _check_branch(model: nn.Module, name: str, parts: Collection[str]) -> None:
    """Refuse the mean over branches: each part is divided by its scale, so that it would hide what each adds."""
    branches = [branch for branch in by_branch(tuple(parts), branches_of(model)) if branch]
    if len(branches) > 1:
        raise ValueError(
            f"found {name!r}, whose parts are of {len(branches)} branches; expected layers of one branch, as the mean "
            "of scaled maps hides what each sequence adds; name one for each branch"
        )


def fuse(raw: Mapping[str, Heat], layer: str, brain: NDArray[np.bool_]) -> Heat:
    """The mean of the parts' signed maps, each divided by its scale, at the resolution of the finest part.

    A part that is 0 in the brain counts as 0.

    Args:
        raw: by layer, (n, h, w), signed.
        layer: name of the fused map.
        brain: (n, rows, columns), by which scales are found, see `scale_of_signed`.

    Returns:
        (n, h, w), signed: what one layer speaks for and another against is weighed before it is rectified.
    """
    parts = parts_of(layer)
    finest = max((raw[part].shape[1:] for part in parts), key=lambda shape: shape[0] * shape[1])
    scaled = []
    for part in parts:
        scale = scale_of_signed(raw[part], brain)
        laid = view(torch.from_numpy(raw[part])[:, None], size=finest, relu=False, normalise="none")[:, 0]
        scaled.append(laid / scale if scale > 0 else torch.zeros_like(laid))
    return np.asarray(cam.fuse(scaled).numpy(), dtype=np.float32)


def fused_blank(blank: Mapping[str, Sequence[str]], layer: str, raw: Heat) -> tuple[str, ...]:
    """For each slice "" or why a fused map shows nothing: what its parts say.

    Args:
        blank: by layer, for each slice "" or why its map is blank.
        layer: name of the fused map.
        raw: of it, (n, h, w).
    """
    of_parts = zip(*(blank[part] for part in parts_of(layer)), strict=True)
    return tuple(
        "" if lit else next((cause for cause in causes if cause), ALL_NEGATIVE)
        for lit, causes in zip(np.asarray((raw > 0).any(axis=(1, 2))), of_parts, strict=True)
    )
