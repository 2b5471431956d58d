"""Late fusion: a network with one branch for every sequence, joined by the mean of their logits.

The mean keeps what is known of each branch exact. The gradient of a logit of the whole with respect to a layer is that
of the branch's own logit, divided by the number of branches, so a map of a layer is the branch's own, and maps of two
branches share one unit. A branch that sees the brain alone stays blind outside it, as nothing is computed after it.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.brain import takes_brain

Fusion = Literal["early", "late"]
"""Where sequences meet: as channels of the picture, or as logits of one branch for each."""

BRANCH_CHANNELS = 3
"""Channels of the picture that a branch sees: its sequence, so many times."""


class LateFusion(nn.Module):
    """One network for every sequence, by its name; the logits are the mean of theirs.

    The layers of a branch have its name before theirs: `FLAIR.block1_conv1`.

    Example:
        >>> branches = {name: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)) for name in ("T1w", "FLAIR")}
        >>> LateFusion(branches)(torch.rand(1, 3, 2, 2)).shape
        torch.Size([1, 2])
    """

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        """Join networks.

        Args:
            branches: by sequence, in the order of the pictures' channels, each from a picture of three channels.

        Raises:
            InputError: there is only one, or a name that cannot be a branch's.
        """
        super().__init__()
        check_branches(tuple(branches))
        self.branches = tuple(branches)
        self.takes_brain = all(map(takes_brain, branches.values()))
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, pictures: Tensor, *brain: Tensor) -> Tensor:
        """Mean logits (B, K).

        Args:
            pictures: (B, C, *spatial), a channel for each branch in order; further channels are not read.
            brain: (B, 1, *spatial), for branches that take it.
        """
        first, *others = (
            self.get_submodule(name)(sequence_picture(pictures, place), *brain)
            for place, name in enumerate(self.branches)
        )
        total: Tensor = sum(others, first)  # picture by picture, as the engine of maps can see
        return total / len(self.branches)


def sequence_picture(pictures: Tensor, place: int) -> Tensor:
    """One channel of pictures (B, C, *spatial), three times, in their memory layout: what a branch sees."""
    return torch.cat([pictures[:, place : place + 1]] * BRANCH_CHANNELS, dim=1)


def check_branches(names: Sequence[str]) -> None:
    """Refuse sequences that cannot be the branches of a network.

    Raises:
        InputError: there are fewer than two, or one has a name that no branch can have.
    """
    if len(names) < 2:
        raise InputError(
            f'network.fusion: found "late" with {len(names)} sequence(s) ({", ".join(names)}); expected two or more, '
            'as each has a branch: name more in pictures.sequences, or choose fusion = "early".'
        )
    taken = [name for name in names if not name.isalnum() or hasattr(nn.Module(), name)]
    if taken:
        raise InputError(
            f'network.fusion: found "late" with a sequence named {", ".join(taken)}; expected names of letters and '
            "digits that PyTorch does not use for modules itself, as branches go by them: rename it in the cohort."
        )


def late_fusion(make: Callable[[int], nn.Module], branches: Sequence[str], seed: int) -> LateFusion:
    """A branch for every sequence, each with random numbers of its own, whichever others there are.

    Args:
        make: from a seed to a network that sees pictures of three channels.
        branches: the sequences, in the order of the pictures' channels.
        seed: of the whole.
    """
    return LateFusion({name: make(_seed_of(seed, name)) for name in branches})


def branches_of(model: nn.Module) -> tuple[str, ...]:
    """The branches of a network, or of several together; none where it has one way from picture to logits."""
    return tuple(getattr(model, "branches", ()))


def in_branches(pattern: str, branches: Sequence[str]) -> str:
    """A pattern of a network's layers, as one of those of every branch where there are branches.

    Example:
        >>> in_branches("block1_*", ("T1w", "FLAIR")), in_branches("block1_*", ())
        ('*.block1_*', 'block1_*')
    """
    return f"*.{pattern}" if branches else pattern


def by_branch(layers: Sequence[str], branches: Sequence[str]) -> list[tuple[str, ...]]:
    """The layers of each branch, in their order; all of them together where there are no branches.

    Example:
        >>> by_branch(["T1w.conv", "T1w.fc", "FLAIR.conv"], ("T1w", "FLAIR"))
        [('T1w.conv', 'T1w.fc'), ('FLAIR.conv',)]
    """
    if not branches:
        return [tuple(layers)]
    return [tuple(layer for layer in layers if layer.startswith(f"{name}.")) for name in branches]


def branch_shown(layers: Sequence[str], branches: Sequence[str], sequence: str) -> tuple[str, ...]:
    """The branch that stands for all where there is room for one, as layers of one branch have an order of depth.

    Args:
        layers: of which something is shown.
        branches: of the network.
        sequence: whose branch is wanted; the first that has layers where this one has none.

    Returns:
        One name; none where there are no branches, or layers of none.

    Example:
        >>> branch_shown(["T1w.conv", "FLAIR.conv"], ("T1w", "FLAIR"), "FLAIR"), branch_shown(["conv"], (), "FLAIR")
        (('FLAIR',), ())
    """
    there = [name for name, own in zip(branches, by_branch(layers, branches), strict=False) if own]
    return tuple(sorted(there, key=lambda name: name != sequence)[:1])


def _seed_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4])
