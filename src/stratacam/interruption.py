"""Ctrl-C, and a scheduler's SIGTERM: the work unwinds, and the process ends within seconds, whatever it is doing."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn

Handler = Callable[[int, FrameType | None], object]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 8.0
"""Seconds in which the work may unwind, before the process ends where it is."""

SOON = 0.01
"""Seconds after which `Interrupted` is raised again where Python has dropped it."""

_LAST_CALLS: list[Callable[[], object]] = []
"""What is done before a process is ended from outside the main thread."""

STOPPED = "Stopped in the middle of a computation; run the same command again to go on.\n"


class Interrupted(BaseException):
    """Somebody asked the process to end: no error, so that nothing handles it as one.

    Attributes:
        signal: that said so.
        where: the step that was broken off, in words; whoever knows it first says it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number
        self.where = ""

    @property
    def code(self) -> int:
        """Exit code by which a shell knows the signal: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal

    def __str__(self) -> str:
        """Where the work stopped, and how to go on."""
        return (
            f"Stopped at {self.where}. What is finished is kept, and nothing is half-written; run the same command "
            "again to go on."
        )


@contextmanager
def broken_off_at(where: str) -> Iterator[None]:
    """Say where the work was, if it is interrupted within this and nobody said it more closely."""
    try:
        yield
    except Interrupted as stop:
        stop.where = stop.where or where
        raise


@contextmanager
def interruptible(words: str = STOPPED) -> Iterator[None]:
    """Within this, SIGINT and SIGTERM raise `Interrupted` in the main thread.

    A second signal ends the process at once. So does a thread of its own, after `PATIENCE`: the main thread sees no
    signal while it is in a long computation outside Python.

    Args:
        words: said where the process ends in one of these ways.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    handler = partial(_interrupt, words)
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    descriptor = signal.set_wakeup_fd(writer.fileno())
    threading.Thread(target=_end_in_time, args=(reader, words), daemon=True).start()
    try:
        with raised_again(handler):
            yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, earlier in before.items():
            signal.signal(number, earlier)
        writer.close()


@contextmanager
def raised_again(handler: Handler) -> Iterator[None]:
    """Within this, the main thread is interrupted even if the signal comes where Python drops what is raised.

    Such places are finalisers and the callbacks of weak references, of the garbage collector and of C. There, the
    signal is given to `handler` again, `SOON` after.
    """
    before = sys.unraisablehook

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            before(dropped)
            return
        signal.signal(dropped.exc_value.signal, handler)
        threading.Timer(SOON, _send, [dropped.exc_value.signal]).start()

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def before_forced_end(call: Callable[[], object]) -> Iterator[None]:
    """Within this, a process that is ended in the middle of a long computation does `call` first."""
    _LAST_CALLS.append(call)
    try:
        yield
    finally:
        _LAST_CALLS.remove(call)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals wait while this runs; processes that are started in it never get them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def served() -> Iterator[None]:
    """Within this, a server that handles signals itself may take its time to end; then this ends quietly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    descriptor = signal.set_wakeup_fd(-1)
    try:
        yield
    except Interrupted:  # the way in which a server ends, raised again by the server when it has
        return
    finally:
        signal.set_wakeup_fd(descriptor)


def _send(number: int) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)  # so that it also ends a wait


def _interrupt(words: str, number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, partial(_end_at_once, words))
    raise Interrupted(number)


def _end_at_once(words: str, number: int, _frame: FrameType | None) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, words.encode())  # past Python's stream, in the middle of whose writing this may be
    os._exit(128 + number)


def _end_in_time(reader: socket.socket, words: str) -> None:
    with reader:  # open until the end, since a second signal is written to it too
        if numbers := reader.recv(1):
            time.sleep(PATIENCE)
            for call in tuple(_LAST_CALLS):
                with contextlib.suppress(Exception):
                    call()
            _end_at_once(words, numbers[0], None)
