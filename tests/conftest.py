"""What all tests share: their order, what is made once for all of them, and examples that are always the same."""

import signal
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from stratacam import cli

settings.register_profile(  # the same examples every time, with all the time that they need
    "unhurried", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell, in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW_FIRST = ("study", "scans", "maps", "report", "evidence", "learning", "networks", "cam")
"""Folders of tests, slowest first: two processes end at the same time if what is left for the end is short."""


def pytest_collection_modifyitems(items):
    folders = {Path(__file__).parent / name: place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: min(folders.get(parent, len(folders)) for parent in item.path.parents))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """`made_once(name, make)` is a folder that `make(folder)` has filled, once for all processes of a run.

    Tests that change what is in it take a copy.
    """
    root = tmp_path_factory.getbasetemp()
    shared = (root if worker_id == "master" else root.parent) / "made_once"
    shared.mkdir(exist_ok=True)

    def made(name, make):
        folder, finished = shared / name, shared / f"{name}.finished"
        with FileLock(shared / f"{name}.lock"):
            if not finished.exists():
                make(folder)
                finished.touch()
        return folder

    return made


@pytest.fixture
def run(monkeypatch, capsys):
    """The command line in this process, in a terminal of 80 columns: gives its exit code and all that it said."""

    def command(*arguments):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, "".join(capsys.readouterr())

    return command
