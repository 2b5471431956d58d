"""Whether the code that a process has loaded is still that of the files."""

import sys
import sysconfig
from pathlib import Path

_OF_PYTHON = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))

_seen: dict[str, tuple[int, int] | None] = {}
"""By file, size and time when it was first looked at."""


def loaded_code_has_changed() -> bool:
    """Whether a module was changed since the first call that saw it loaded; those of Python itself are passed over.

    Called before and after every task of a process that outlives its runs.
    """
    changed = False
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or (file.startswith(_OF_PYTHON) and "site-packages" not in file):
            continue
        now = _stamp(Path(file))
        changed = changed or _seen.setdefault(file, now) != now
    return changed


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
