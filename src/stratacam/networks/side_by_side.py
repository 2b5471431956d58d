"""Networks of one architecture side by side: the layers that they share are run once."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from stratacam.networks.brain import CONTAINERS, takes_brain


def count_shared(models: Sequence[nn.Module]) -> int:
    """Number of leading layers whose weights and buffers are equal in all models, bit for bit.

    At most all but the last layer; 0 for models that are no plain sequence of layers.
    """
    sequences = [model for model in models if type(model) in CONTAINERS.values()]
    if len(sequences) < len(models):
        return 0
    count = 0
    for layers in list(zip(*(list(model.children()) for model in sequences), strict=True))[:-1]:
        if not all(_alike(layers[0], layer) for layer in layers[1:]):
            break
        count += 1
    return count


def _alike(one: nn.Module, other: nn.Module) -> bool:
    state, others = one.state_dict(), other.state_dict()
    return state.keys() == others.keys() and all(torch.equal(state[name], others[name]) for name in state)


class SideBySide(nn.Module):
    """Several networks as one: `(B, M x K)` logits, the K classes of the first network, then those of the second, ...

    The backward of a logit passes through its own network alone, and through what is shared.
    """

    def __init__(self, models: Sequence[nn.Module], shared: int) -> None:
        """Join networks.

        Args:
            models: M networks of one architecture.
            shared: number of leading layers that are equal in all, see `count_shared`.
        """
        super().__init__()
        self.shared = models[0][:shared] if shared else nn.Sequential()  # type: ignore[index]
        self.rests = nn.ModuleList(model[shared:] if shared else model for model in models)  # type: ignore[index]
        self.takes_brain = takes_brain(models[0])
        self.eval()

    def forward(self, pictures: Tensor, *brain: Tensor) -> Tensor:
        """Run the networks.

        Args:
            pictures: (B, C, H, W).
            brain: (B, 1, H, W), for networks that take it.
        """
        features = self.shared(pictures, *brain) if len(self.shared) else pictures
        # A network may change what it is given in place.
        return _columns([rest(features.clone(), *brain) for rest in self.rests])

    def names_of(self, layer: str) -> list[str]:
        """The names here of a layer of the networks: one if it is shared, or else one in each network."""
        if layer.partition(".")[0].partition("#")[0] in dict(self.shared.named_children()):
            return [f"shared.{layer}"]
        return [f"rests.{position}.{layer}" for position in range(len(self.rests))]


def place_of(name: str) -> tuple[int | None, str]:
    """The position of the network, None if it is shared, and its layer's name, of the name of a layer in `SideBySide`.

    Example:
        >>> place_of("shared.block1_conv1"), place_of("rests.2.block5_conv1")
        ((None, 'block1_conv1'), (2, 'block5_conv1'))
    """
    part, _, rest = name.partition(".")
    if part == "shared":
        return None, rest
    position, _, layer = rest.partition(".")
    return int(position), layer


def _columns(scores: Sequence[Tensor]) -> Tensor:
    return cast("Tensor", _Columns.apply(*scores))  # type: ignore[no-untyped-call]


class _Columns(torch.autograd.Function):
    """Scores of several networks as columns; networks whose scores have no gradient are left out of the backward."""

    @staticmethod
    def forward(ctx: Any, *scores: Tensor) -> Tensor:  # noqa: ANN401
        ctx.widths = [one.shape[1] for one in scores]
        return torch.cat(scores, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        return tuple(part if part.any() else None for part in torch.split(gradients[0], ctx.widths, dim=1))
