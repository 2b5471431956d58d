"""Errors that a user can act on."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong.

    The message names the file and field, what was found, what was expected, and the remedy. The command line
    prints it without a traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at known names that are spelled alike, to go before a list of all of them; empty if there are none.

    Example:
        >>> did_you_mean("sed", ["seed", "size"])
        'did you mean seed? '
    """
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(close)}? " if close else ""


def some_of(names: Iterable[str], most: int = 24) -> str:
    """Names after one another; of a long list the first ones, and how many there are.

    Example:
        >>> some_of(["conv1", "conv2", "fc"]), some_of(["conv1", "conv2", "fc"], most=2)
        ('conv1, conv2, fc', 'conv1, conv2 and 1 more')
    """
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
