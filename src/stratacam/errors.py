"""Errors that a user can act on."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message names the file and field, what was found, what was expected, and the remedy. The command line
    prints it without a traceback.
    """
