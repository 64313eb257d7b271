"""Work in processes of its own: each uses a core, and one that dies takes no other with it.

They are started by a forkserver. A process ends when its parent is gone, however that ended: it hears of it as
KeyboardInterrupt, and may still commit what it holds.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from corpusloom.schemas.errors import LoomError

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Child:
    process: Any
    results: Connection
    leash: Connection
    """Nothing is ever sent over it: the child lives while it is held."""


def run_apart(
    work: Callable[[Task], Result], tasks: Sequence[Task], size: int, *, preload: Sequence[str] = ()
) -> Iterator[Result]:
    """Run an importable function on each task in a process of its own, `size` at a time; yield results as they come.

    The first error, or an interrupt, ends the others; it is raised once they have committed what they hold.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    waiting, running = deque(tasks), dict[Any, _Child]()
    try:
        while waiting or running:
            while waiting and len(running) < size:
                child = _start(context, work, waiting.popleft())
                running[child.results] = child
            for ready in wait(list(running)):
                yield _result_of(running.pop(ready))
    finally:
        for child in running.values():
            child.leash.close()
        for child in running.values():
            child.process.join()


def _start(context: Any, work: Callable[[Task], Result], task: Task) -> _Child:
    results, sender = context.Pipe(duplex=False)
    holder, leash = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(work, task, sender, holder))
    process.start()
    sender.close()
    holder.close()
    return _Child(process, results, leash)


def _result_of(child: _Child) -> Any:
    """Return what a process sent, or raise what it ended with."""
    try:
        value, error = child.results.recv()
    except EOFError:
        child.process.join()
        code = child.process.exitcode
        raise LoomError(f"a process ended with {code}", where="lane", remedy="run the same command to resume") from None
    finally:
        child.leash.close()
        child.results.close()
    child.process.join()
    if error is not None:
        raise error
    return value


def _main(work: Callable[[Task], Result], task: Task, sender: Connection, leash: Connection) -> None:
    """Work, in a new process; a Ctrl-C goes to the whole group, and the parent says what follows from it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_watch, args=(leash,), daemon=True).start()
    try:
        sender.send((work(task), None))
    except KeyboardInterrupt:
        return
    except Exception as error:
        _send_error(sender, error)


def _send_error(sender: Connection, error: Exception) -> None:
    try:
        sender.send((None, error))
    except BrokenPipeError:
        return  # the parent is gone
    except Exception:  # some errors cannot be sent
        sender.send((None, RuntimeError(f"{type(error).__name__}: {error}")))


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows is not to be interrupted again
    raise KeyboardInterrupt


def _watch(leash: Connection) -> None:
    """Interrupt the main thread when the parent lets go or is gone."""
    wait([leash])
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
