"""How many operations the floor takes, and how many a second this machine sustains."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

SIDE = 4096
"""Of the square matrices whose product shows what the machine sustains."""

PRODUCT_OPERATIONS = 2 * SIDE**3


def matrix_product() -> Callable[[], Tensor]:
    """A large float32 matrix product to be timed."""
    first, second = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    return lambda: first @ second


def floor_operations(model: nn.Module, images: Tensor, layers: Sequence[str]) -> int:
    """Additions and multiplications of the convolutions in one forward and one backward of the floor.

    The backward takes the gradient at a convolution's input, which costs what its forward costs; parameters
    are frozen, and the first convolution's input has no gradient since the graph starts at its output.
    """
    forward: dict[str, int] = {}

    def count(name: str, convolution: nn.Conv2d) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            forward[name] = 2 * output.numel() * convolution.weight[0].numel()

        return hook

    convolutions = {name: model.get_submodule(name) for name in layers}
    hooks = [
        module.register_forward_hook(count(name, module))
        for name, module in convolutions.items()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        model(images)
    for hook in hooks:
        hook.remove()
    return 2 * sum(forward.values()) - forward[layers[0]]
