"""Something that is done again and again beside the work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeated(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Within this, `call` is called again and again in a thread of its own."""
    end = Event()

    def repeat() -> None:
        while not end.wait(seconds):
            call()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(seconds)
