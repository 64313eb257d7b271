"""Handles Ctrl-C in training: the first one takes effect after the current step is saved, the second one at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def held_interrupts(active: bool = True) -> Iterator[Callable[[], bool]]:
    """Defer the first SIGINT while the block runs; yield a function that returns whether one was received.

    Without `active`, and outside the main thread, nothing is deferred: Python delivers signals to the main thread only.
    """
    came = threading.Event()
    if not active or threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def hold(*_: object) -> None:
        came.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)
