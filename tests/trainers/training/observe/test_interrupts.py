"""The first Ctrl-C is deferred, the second is not, and the previous handler is restored."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from corpusloom.trainers.training.observe.interrupts import held_interrupts


@pytest.fixture(autouse=True)
def hearing() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt, also if the tests run as a background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_waits_and_the_second_is_immediate() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_interrupts() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_and_when_inactive_no_interrupt_is_held() -> None:
    with pytest.raises(KeyboardInterrupt), held_interrupts(False):
        os.kill(os.getpid(), signal.SIGINT)
    seen = []

    def elsewhere() -> None:
        with held_interrupts() as interrupted:
            seen.append(interrupted())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [False]
