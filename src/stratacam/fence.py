"""What a run left behind on a cluster writes nothing any more, once the run has ended and another has begun."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stratacam.errors import InputError

_fences: list[Path] = []


@contextmanager
def while_there(fence: Path | None) -> Iterator[None]:
    """Within this, files take their places only while `fence` is there: the file of a run, which goes with it."""
    if fence is None:
        yield
        return
    _fences.append(fence)
    try:
        yield
    finally:
        _fences.remove(fence)


def check_fence() -> None:
    """Check that the run that wants something written is still there.

    Raises:
        InputError: it is not.
        FileNotFoundError: the folder that it works in is away.
    """
    for fence in _fences:
        if not fence.exists():
            if not fence.parent.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the study's folder is away", str(fence))
            raise InputError(
                f"{fence}: is gone, and with it the run that this was done for; nothing of it is written any more."
            )
