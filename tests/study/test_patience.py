"""A folder that is away for a moment costs a moment, one that stays away is not waited for again and again."""

import errno

import pytest

from stratacam.errors import InputError
from stratacam.study import patience
from stratacam.study.patience import Patience


@pytest.fixture
def naps(monkeypatch):
    taken = []
    monkeypatch.setattr(patience.time, "sleep", taken.append)
    return taken


def failing(times, fault):
    left = [times]

    def call():
        if left[0] > 0:
            left[0] -= 1
            raise fault
        return "there"

    return call


def test_what_comes_back_is_waited_for_and_said_once(naps):
    said = []
    fault = OSError(errno.ESTALE, "Stale file handle")
    assert Patience().call(failing(5, fault), told=said.append) == "there"
    assert len(naps) == 5
    assert len(said) == 1
    assert "Stale file handle" in said[0]


def test_what_stays_away_takes_the_patience_of_the_whole_run_once(naps):
    one = Patience()
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            one.call(failing(10**6, OSError(errno.EIO, "Input/output error")), told=lambda _: None)
    assert sum(naps) <= patience.BUDGET_S + patience.PAUSE_S


@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, "No space left"), InputError("a table: is wrong; mend it.")]
)
def test_what_does_not_pass_is_not_waited_for(naps, fault):
    with pytest.raises(type(fault)):
        Patience().call(failing(1, fault), told=lambda _: None)
    assert naps == []
