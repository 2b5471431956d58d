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
