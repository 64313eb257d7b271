"""Resolves host names with the system's resolver; each name has a thread and a deadline, and answers are cached.

The system's resolver blocks its thread for as long as a name server is silent, and Python's own pool has a few threads,
so that a dozen silent name servers would stop all fetches. Here a name that exceeds its deadline fails alone: its
thread is left to end by itself. Only names that were asked and not answered occupy threads, `MAX_THREADS` at most; a
name that waits for a thread has not begun, and its wait is not counted.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from corpusloom.schemas.errors import raise_shortage

MAX_THREADS = 512
"""Names that are resolved at the same time."""
MAX_NAMES = 50_000
"""Names in the cache; the one that was added first is evicted."""
FAILED_SECONDS = 60.0
"""Time for which a failure is cached."""
_DESCRIPTORS = 4
"""File descriptors that the system's resolver needs for one name, at most."""

Resolver = Callable[[str], list[str]]
"""Name -> addresses; it may block. Its errors are OSErrors."""
_Answer = list[str] | Exception


def system_addresses(host: str) -> list[str]:
    """Return the addresses of a name from the system's resolver; raise socket.gaierror if it has none.

    Without a free descriptor the resolver reports that a name is unknown; that is raised as what it is.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        _require_descriptors()
        raise
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def _require_descriptors() -> None:
    """Raise OSError (EMFILE or ENFILE) if too few file descriptors are free to resolve a name."""
    with contextlib.ExitStack() as stack:
        for _ in range(_DESCRIPTORS):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


@dataclass
class Names:
    """The names that one event loop resolves.

    Args:
      resolver: Resolves one name.
      timeout: Seconds that one name may take.
      kept: Seconds for which addresses are cached.
      threads: Names that are resolved at the same time.
    """

    resolver: Resolver
    timeout: float
    kept: float
    threads: int = MAX_THREADS
    _answers: OrderedDict[str, tuple[float, _Answer]] = field(default_factory=OrderedDict)
    """Name -> the time at which the entry expires, and its addresses or the error."""
    _running: dict[str, asyncio.Task[_Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.threads)

    async def find(self, host: str) -> list[str]:
        """Return the addresses of a name; raise the resolver's error, or socket.gaierror after the deadline."""
        expires, answer = self._answers.get(host, (0.0, []))
        if expires <= asyncio.get_running_loop().time():
            running = self._running.get(host) or self._start(host)
            answer = await asyncio.shield(running)
        if isinstance(answer, Exception):
            raise_shortage(answer, "name resolution")
            raise answer.with_traceback(None)
        return answer

    def _start(self, host: str) -> "asyncio.Task[_Answer]":
        task = self._running[host] = asyncio.get_running_loop().create_task(self._resolve(host))
        task.add_done_callback(lambda _: self._running.pop(host, None))
        return task

    async def _resolve(self, host: str) -> _Answer:
        """Resolve a name in a thread of its own; return the answer, or the error at its deadline."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[_Answer] = loop.create_future()
        await self._free.acquire()
        try:
            threading.Thread(target=self._run, args=(host, loop, answered), name=f"resolve {host}", daemon=True).start()
        except RuntimeError as error:  # no thread can be started
            self._free.release()
            return error
        done, _ = await asyncio.wait((answered,), timeout=self.timeout)
        if done:
            return answered.result()
        late = socket.gaierror(socket.EAI_AGAIN, f"no answer within {self.timeout:g} s")
        self._keep(host, late)
        return late

    def _run(self, host: str, loop: asyncio.AbstractEventLoop, answered: "asyncio.Future[_Answer]") -> None:
        """Resolve a name; runs in its thread."""
        answer: _Answer
        try:
            answer = self.resolver(host)
        except Exception as error:
            answer = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._end, host, answer, answered)

    def _end(self, host: str, answer: _Answer, answered: "asyncio.Future[_Answer]") -> None:
        """Keep an answer, also one after the deadline: the next fetch of the name may use it."""
        self._free.release()
        self._keep(host, answer)
        if not answered.done():
            answered.set_result(answer)

    def _keep(self, host: str, answer: _Answer) -> None:
        seconds = min(self.kept, FAILED_SECONDS) if isinstance(answer, Exception) else self.kept
        self._answers.pop(host, None)
        self._answers[host] = asyncio.get_running_loop().time() + seconds, answer
        while len(self._answers) > MAX_NAMES:
            self._answers.popitem(last=False)
