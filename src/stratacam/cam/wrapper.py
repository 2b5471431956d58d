"""Modules of torch that only wrap one child; what they add does not run for a map."""

from typing import Any

from torch import nn

WRAPPERS = {"OptimizedModule": "_orig_mod", "DistributedDataParallel": "module", "DataParallel": "module"}
"""Classes, and the name of the child."""


class Through(nn.Module):
    """Stands for a wrapper, with its name for the one child, its hooks and its attributes."""

    def __init__(self, name: str, inner: nn.Module, wrapper: nn.Module) -> None:
        super().__init__()
        self._modules[name] = inner
        self.training = inner.training
        vars(self)["wrapper"] = wrapper

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(vars(self)["wrapper"], name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the child."""
        (inner,) = self.children()
        return inner(*args, **kwargs)
