"""The devices that networks run on: which one "auto" is, which graphics cards there are, and who takes which."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from stratacam.errors import InputError
from stratacam.networks.precision import Precision, computing

A_PROCESS = 8 * 2**30
"""Bytes of a card for one process: all layers of a deep network for 64 pictures of 224 pixels take 7 GiB."""


@dataclass(frozen=True)
class Card:
    """A CUDA card that this process can see: its number, its name, and its memory in bytes."""

    number: int
    name: str
    memory: int

    @property
    def device(self) -> str:
        """As torch names it."""
        return f"cuda:{self.number}"


def visible_cards() -> tuple[Card, ...]:
    """The CUDA cards that this process can see; `CUDA_VISIBLE_DEVICES` chooses them."""
    if not torch.cuda.is_available():
        return ()
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return tuple(Card(number, one.name, one.total_memory) for number, one in enumerate(found))


def resolve_device(wanted: str) -> str:
    """The device that a setting means, as torch names it: of "auto" CUDA if a card works, or else the CPU.

    Raises:
        InputError: it is not there, or does not compute.
    """
    if wanted == "auto":
        return "cuda" if any(_fault(card.device) is None for card in visible_cards()) else "cpu"
    fault = _fault(wanted)
    if fault is not None:
        there = ", ".join(f"{card.device} ({card.name})" for card in visible_cards()) or "no CUDA card"
        raise InputError(
            f'run.device: found {wanted!r}, which cannot be used here ({fault}); expected "auto", "cpu" or a device '
            f'that is there (there is {there}): choose another, such as "auto".'
        )
    return wanted


def check_precision_of(precision: Precision, device: str) -> None:
    """Refuse fast arithmetic where it is not fast.

    Raises:
        InputError: it is for another device than a CUDA card.
    """
    if precision == "fast" and torch.device(device).type != "cuda":
        raise InputError(
            f'run.precision: found "fast" on {device}; expected "exact", as only CUDA cards compute faster with less '
            'precision: set run.precision = "exact", or run.device = "cuda".'
        )


def cards_for(device: str) -> tuple[int, ...]:
    """The numbers of the cards among which tasks on a device are shared: all for "cuda", none for the CPU.

    Example:
        >>> cards_for("cpu"), cards_for("cuda:1")
        ((), (1,))
    """
    found = torch.device(device)
    if found.type != "cuda":
        return ()
    return tuple(card.number for card in visible_cards()) if found.index is None else (found.index,)


def processes_for(device: str, wanted: int) -> int:
    """How many of the processes wanted run networks at once: on cards as many as these have memory for.

    Several share a card, since what a study does between forwards is done by processors.
    """
    cards = cards_for(device)
    room = sum(card.memory // A_PROCESS for card in visible_cards() if card.number in cards)
    return max(1, min(wanted, room)) if cards else wanted


def take_card(cards: Sequence[int], worker: int) -> None:
    """Make "cuda" mean one of the cards in this process, in turn by the worker's number; nothing without cards."""
    if cards:
        torch.cuda.set_device(cards[worker % len(cards)])


@contextmanager
def computing_on(device: str, precision: Precision) -> Iterator[None]:
    """While this lasts, networks compute on a device in a precision; "cuda" is the card of this worker."""
    take_card(cards_for(device), sum(multiprocessing.current_process()._identity))  # noqa: SLF001 - its number
    with computing(precision, device):
        yield


def device_name(device: str) -> str:
    """What computes, in words: the name of the card, or the device as torch names it."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device


def _fault(device: str) -> str | None:
    """Why a device cannot be used, the first line of what torch says; None if it computes."""
    try:
        found = float((torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).sum())
    except (AssertionError, NotImplementedError, RuntimeError) as fault:
        return (str(fault).splitlines() or [type(fault).__name__])[0].rstrip(".")
    return None if found == 8 else f"2 x 2 ones multiplied give a sum of {found:g}, not 8"
