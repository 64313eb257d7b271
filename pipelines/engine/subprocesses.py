"""Runs one function on a few long tasks, each in a process of its own, so that each uses a core of its own.

A forkserver starts the processes. If the parent ends, even by SIGKILL, a child gets a KeyboardInterrupt and can still
commit finished work. (`worker_pool` is for many short items.)
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from corpusloom.schemas.errors import LoomError

Work = TypeVar("Work")
Done = TypeVar("Done")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Child(Generic[Done]):
    process: BaseProcess
    results: Connection
    parent_pipe: Connection
    """The parent's end of a pipe that carries no data: when it closes, the child is interrupted."""


def run_in_processes(
    function: Callable[[Work], Done], tasks: Sequence[Work], size: int, *, preload: Sequence[str] = ()
) -> Iterator[Done]:
    """Run an importable function on each task in a process of its own, and yield the results as they finish.

    At most `size` processes run at a time. The first error, or an interrupt, interrupts the other processes; it is
    raised after they have committed finished work. The forkserver imports the modules `preload` once for all processes.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    waiting, running = deque(tasks), dict[Connection, _Child[Done]]()
    try:
        while waiting or running:
            while waiting and len(running) < size:
                child = _start(context, function, waiting.popleft())
                running[child.results] = child
            for ready in wait(list(running)):
                if isinstance(ready, Connection):
                    yield _result_of(running.pop(ready))
    finally:
        for child in running.values():
            child.parent_pipe.close()
        for child in running.values():
            child.process.join()


def _start(context: ForkServerContext, function: Callable[[Work], Done], task: Work) -> _Child[Done]:
    results, sender = context.Pipe(duplex=False)
    child_end, parent_end = context.Pipe(duplex=False)
    process = context.Process(target=_run_task, args=(function, task, sender, child_end))
    process.start()
    sender.close()
    child_end.close()
    return _Child(process, results, parent_end)


def _result_of(child: _Child[Done]) -> Done:
    """Return the result that a process sent; raise the error that it sent, or a LoomError if it sent nothing."""
    try:
        value, error = child.results.recv()
    except EOFError:
        child.process.join()
        code = child.process.exitcode
        raise LoomError(
            f"a process ended with exit code {code}", where="lane", remedy="run the same command to resume"
        ) from None
    finally:
        child.parent_pipe.close()
        child.results.close()
    child.process.join()
    if error is not None:
        raise error
    result: Done = value
    return result


def _run_task(function: Callable[[Work], Done], task: Work, sender: Connection, parent_pipe: Connection) -> None:
    """Run the task in a new process and send the result or the error.

    Ctrl-C reaches the whole process group; the child ignores it and waits for the parent's SIGTERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_watch_parent, args=(parent_pipe,), daemon=True).start()
    try:
        sender.send((function(task), None))
    except KeyboardInterrupt:
        return
    except Exception as error:
        _send_error(sender, error)


def _send_error(sender: Connection, error: Exception) -> None:
    try:
        sender.send((None, error))
    except BrokenPipeError:
        return  # the parent is gone
    except Exception:  # an error that cannot be pickled
        sender.send((None, RuntimeError(f"{type(error).__name__}: {error}")))


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the commit
    raise KeyboardInterrupt


def _watch_parent(parent_pipe: Connection) -> None:
    """Interrupt the main thread when the parent closes its end of the pipe or is gone."""
    wait([parent_pipe])
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
