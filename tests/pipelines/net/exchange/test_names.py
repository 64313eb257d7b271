"""Names: each has a deadline, silent ones delay no other, answers and failures are cached, shortages are told apart."""

import asyncio
import errno
import os
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from corpusloom.pipelines.net.exchange import names as module
from corpusloom.pipelines.net.exchange.names import Names, system_addresses
from corpusloom.schemas.errors import ShortageError

T = TypeVar("T")
GOOD = ["93.184.215.14"]


class NameServer:
    """Answers names; those that begin with `silent` wait until `open` is set, and those with `no` do not exist."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked[host] += 1
        if host.startswith("silent"):
            self.open.wait(30)
        if host.startswith("no"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return GOOD


@contextmanager
def name_server() -> Iterator[NameServer]:
    server = NameServer()
    try:
        yield server
    finally:
        server.open.set()


def inside(use: Callable[[Names], Awaitable[T]], server: Callable[[str], list[str]], **options: float) -> T:
    """Call `use` in an event loop with names of a deadline of 0.3 s that are cached for a minute."""

    async def run() -> T:
        return await use(Names(server, **{"timeout": 0.3, "kept": 60.0, **options}))  # type: ignore[arg-type]

    return asyncio.run(run())


async def all_of(names: Names, *hosts: str) -> list[object]:
    return list(await asyncio.gather(*map(names.find, hosts), return_exceptions=True))


def test_silent_names_fail_at_their_deadline_and_delay_no_other() -> None:
    async def use(names: Names) -> tuple[list[object], list[object], float]:
        silent = asyncio.create_task(all_of(names, *(f"silent{n}.example" for n in range(120))))
        await asyncio.sleep(0)
        start = asyncio.get_running_loop().time()
        good = await all_of(names, *(f"good{n}.example" for n in range(20)))
        return good, await silent, asyncio.get_running_loop().time() - start

    with name_server() as server:
        good, silent, seconds = inside(use, server)
    assert good == [GOOD] * 20
    assert {str(error) for error in silent} == {f"[Errno {socket.EAI_AGAIN}] no answer within 0.3 s"}
    assert seconds < 3


def test_a_name_that_waits_for_a_thread_has_not_begun() -> None:
    """With one thread, a good name behind a silent one waits longer than its deadline, and is answered."""

    async def use(names: Names) -> tuple[list[object], list[str]]:
        silent = await all_of(names, "silent.example")
        waiting = asyncio.create_task(names.find("good.example"))
        await asyncio.sleep(0.5)
        server.open.set()
        return silent, await waiting

    with name_server() as server:
        silent, good = inside(use, server, threads=1)
    assert isinstance(silent[0], socket.gaierror)
    assert good == GOOD


def test_an_answer_and_a_failure_are_cached_and_a_name_is_asked_once_at_a_time() -> None:
    async def use(names: Names) -> list[list[object]]:
        return [await all_of(names, *["good.example", "no.example", "silent.example"] * 3) for _ in range(2)]

    with name_server() as server:
        found = inside(use, server)
    assert [[type(answer) for answer in row] for row in found] == [[list, socket.gaierror, socket.gaierror] * 3] * 2
    assert server.asked == {"good.example": 1, "no.example": 1, "silent.example": 1}


@pytest.mark.parametrize(("kept", "failed", "asked"), [(60.0, 60.0, (1, 1)), (60.0, 0.0, (1, 2)), (0.0, 60.0, (2, 2))])
def test_a_failure_is_cached_for_a_shorter_time(
    monkeypatch: pytest.MonkeyPatch, kept: float, failed: float, asked: tuple[int, int]
) -> None:
    async def use(names: Names) -> None:
        for _ in range(2):
            await all_of(names, "good.example", "no.example")

    monkeypatch.setattr(module, "FAILED_SECONDS", failed)
    with name_server() as server:
        inside(use, server, kept=kept)
    assert (server.asked["good.example"], server.asked["no.example"]) == asked


def test_an_answer_after_the_deadline_serves_the_next_fetch() -> None:
    async def use(names: Names) -> tuple[list[object], list[str]]:
        late = await all_of(names, "silent.example")
        server.open.set()
        await asyncio.sleep(0.2)
        return late, await names.find("silent.example")

    with name_server() as server:
        late, found = inside(use, server)
    assert isinstance(late[0], socket.gaierror)
    assert found == GOOD
    assert server.asked["silent.example"] == 1


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(names: Names) -> None:
        for host in ("a.example", "b.example", "c.example", "a.example", "c.example"):
            await names.find(host)

    monkeypatch.setattr(module, "MAX_NAMES", 2)
    with name_server() as server:
        inside(use, server)
    assert server.asked == {"a.example": 2, "b.example": 1, "c.example": 1}


def test_a_shortage_of_descriptors_is_not_an_answer_about_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without descriptors the system's resolver reports names as unknown."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    async def use(names: Names) -> list[object]:
        return await all_of(names, "a.example")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert isinstance(inside(use, system_addresses)[0], socket.gaierror)
    monkeypatch.setattr(os, "open", full)
    assert isinstance(inside(use, system_addresses)[0], ShortageError)


def test_a_thread_that_cannot_be_started_is_a_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def use(names: Names) -> list[object]:
        return await all_of(names, "a.example", "b.example")

    monkeypatch.setattr(threading.Thread, "start", start)
    with name_server() as server:
        found = inside(use, server, threads=1)
    assert [type(answer) for answer in found] == [ShortageError] * 2


def test_the_systems_resolver_gives_each_address_once() -> None:
    assert system_addresses("127.0.0.1") == ["127.0.0.1"]
