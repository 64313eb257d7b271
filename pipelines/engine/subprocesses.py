"""One function on a few long tasks, each in a process of its own: a task uses a core, and one that dies ends no other.

A forkserver starts the processes. A process ends when its parent is gone, however the parent ended: the work sees a
KeyboardInterrupt, and may still commit what it holds. (`worker_pool` is for many short items instead.)
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
    """The parent's end of a pipe that carries nothing: the child runs as long as this end is open."""


def run_in_processes(
    function: Callable[[Work], Done], tasks: Sequence[Work], size: int, *, preload: Sequence[str] = ()
) -> Iterator[Done]:
    """Run an importable function on each task in a process of its own, `size` at a time; yield results as they come.

    The first error, or an interrupt, ends the other processes; it is raised once they have committed what they hold.
    `preload` names modules that the forkserver imports once for all processes.
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
    """Return the result that a process sent, or raise the error that it sent or died of."""
    try:
        value, error = child.results.recv()
    except EOFError:
        child.process.join()
        code = child.process.exitcode
        raise LoomError(f"a process ended with {code}", where="lane", remedy="run the same command to resume") from None
    finally:
        child.parent_pipe.close()
        child.results.close()
    child.process.join()
    if error is not None:
        raise error
    result: Done = value
    return result


def _run_task(function: Callable[[Work], Done], task: Work, sender: Connection, parent_pipe: Connection) -> None:
    """Run the task in a new process. Ctrl-C reaches the whole process group: the parent alone acts on it."""
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
