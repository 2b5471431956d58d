"""Runs operators of ONNX, and refuses those that are not known here in words."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.errors import InputError
from stratacam.networks.files.onnx_operators import OPERATORS, Operator


@dataclass(frozen=True)
class Run:
    """An operator's function; what it refuses is said of the file's operator, also when it shows with the first images.

    Attributes:
        kind: of the operator.
        title: path, operator and name, for readers.
    """

    kind: str
    title: str

    def __call__(self, *given: Any, **attributes: Any) -> Any:
        """Run the operator.

        Raises:
            InputError: it is run in a way that is not known here.
        """
        try:
            return OPERATORS[self.kind](*given, **attributes)
        except (ValueError, KeyError, TypeError) as fault:
            raise InputError(refusal(self.title, fault)) from fault


def refusal(title: str, fault: Exception) -> str:
    """Why an operator is refused, in words."""
    return (
        f"{title}: {fault}; expected operators of classifiers: export the network without it, or as .pt2 by "
        "torch.export."
    )


def check_arguments(function: Operator, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Refuse inputs and attributes that an operator's function does not take."""
    if inspect.isfunction(function):
        try:
            inspect.signature(function).bind(*arguments, **named)
        except TypeError as fault:
            raise ValueError(f"its inputs or attributes are others than are known here ({fault})") from fault
