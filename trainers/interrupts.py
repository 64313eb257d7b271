"""Ctrl-C between steps: the first one waits until the step is whole and saved, the second one is immediate."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def held_interrupts(active: bool = True) -> Iterator[Callable[[], bool]]:
    """Hold the first SIGINT back while the block runs; the function that is yielded says whether one came.

    Nothing is held when not `active`, nor outside the main thread, where Python delivers no signals.
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
