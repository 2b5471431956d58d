"""Loaded by every Python that has this folder on its path: opening files of a study fails now and then."""

import builtins
import errno
import io
import os
import random
from typing import Any

FOLDER = os.environ.get("CHAOS_FOLDER", "")
SHARE = float(os.environ.get("CHAOS_SHARE", "0"))
CAUSES = (errno.EIO, errno.ESTALE)

whole = io.open
draws = random.Random(os.getpid())  # noqa: S311 - no secret


def failing(file: Any, *arguments: Any, **named: Any) -> Any:
    """Open a file, or say that the network folder is stale."""
    if isinstance(file, (str, os.PathLike)) and os.fspath(file).startswith(FOLDER) and draws.random() < SHARE:
        cause = draws.choice(CAUSES)
        raise OSError(cause, os.strerror(cause), os.fspath(file))
    return whole(file, *arguments, **named)


if FOLDER and SHARE:
    io.open = builtins.open = failing
