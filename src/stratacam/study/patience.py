"""Waiting for a folder of the network that is away for a while, in the process that leads a run."""

import time
from collections.abc import Callable
from typing import TypeVar

from stratacam.errors import InputError
from stratacam.study.execution.attempt import failure_of

Result = TypeVar("Result")

BUDGET_S = 90.0
"""Seconds that a run waits in all: for a minute's absence, and not again for every file where the absence lasts."""

PAUSE_S = 3.0


class Patience:
    """Tries again what the system refuses for a cause that may pass."""

    def __init__(self) -> None:
        self.left_s = BUDGET_S

    def call(self, function: Callable[[], Result], *, told: Callable[[str], None]) -> Result:
        """What `function` returns, tried again while there is patience; `told` hears why the first try failed.

        Raises:
            OSError: what the last try raised.
            InputError: as well.
        """
        first = True
        while True:
            try:
                return function()
            except (OSError, InputError) as fault:
                failure = failure_of(fault)
                if not failure.passing or self.left_s <= 0:
                    raise
                if first:
                    told(failure.reason)
                first = False
                time.sleep(PAUSE_S)
                self.left_s -= PAUSE_S
