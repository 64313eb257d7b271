"""Bodies in progress: the memory of the process is bounded, and a body beyond it is complete all the same."""

import asyncio
import dataclasses
import tracemalloc

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange import body_buffer
from corpusloom.pipelines.net.exchange.body_buffer import BODIES, FREE, BodyBuffer, MemoryBudget
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.schemas.verdicts import Dead
from tests.pipelines.net.exchange.raw_server import serve


def fill(buffer: BodyBuffer, *sizes: int) -> bytes:
    chunks = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    for chunk in chunks:
        buffer.append(chunk)
    return b"".join(chunks)


@pytest.fixture
def all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the first bytes of a body too."""
    monkeypatch.setattr(body_buffer, "FREE", 0)


@pytest.mark.usefixtures("all_counted")
@pytest.mark.parametrize("limit", [0, 9, 10, 25, 30, 1_000], ids=str)
def test_a_body_is_whole_wherever_it_lies(limit: int) -> None:
    budget = MemoryBudget(limit)
    with BodyBuffer(budget) as buffer:
        body = fill(buffer, 10, 1, 14, 5)
        assert buffer.size == 30
        assert [buffer.read(size) for size in (30, 29, 1, 0, 99)] == [body[:size] for size in (30, 29, 1, 0, 99)]
        assert budget.held == (30 if limit >= 30 else 0)
    assert budget.held == 0


def test_the_first_bytes_of_a_body_are_not_counted() -> None:
    budget = MemoryBudget(10)
    with BodyBuffer(budget) as buffer:
        body = fill(buffer, 1, FREE - 1)
        assert budget.held == 0
        body += fill(buffer, 10)
        assert budget.held == 10
        assert buffer.read(2 * FREE) == body
    assert budget.held == 0


@pytest.mark.usefixtures("all_counted")
def test_bodies_share_the_memory_and_give_it_back() -> None:
    budget = MemoryBudget(100)
    with BodyBuffer(budget) as first, BodyBuffer(budget) as second:
        one = fill(first, 60)
        two = fill(second, 30, 30)
        assert budget.held == 60
        assert (first.read(99), second.read(99)) == (one, two)
        three = fill(second, 5)
        assert second.read(99) == two + three
    assert budget.held == 0


def test_an_empty_body_and_one_of_a_single_chunk_are_not_copied() -> None:
    with BodyBuffer(MemoryBudget(100)) as buffer:
        assert buffer.read(10) == b""
        chunk = b"chunk"
        buffer.append(chunk)
        assert buffer.read(10) is chunk


def test_stalling_servers_take_no_more_than_the_memory_of_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 servers send 3 MB each, which is 120 MB, and stall; a good image is fetched meanwhile."""
    monkeypatch.setattr(BODIES, "limit", 4_000_000)
    sent = b"\xff\xd8\xff" + bytes(3_000_000)
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(sent)}\r\n\r\n".encode() + sent
    cut = f"HTTP/1.1 200 OK\r\nContent-Length: {len(sent) + 1}\r\n\r\n".encode() + sent

    async def run(stalling: str, good: str, config: FetchConfig) -> tuple[list[FetchOutcome], FetchOutcome]:
        async with Fetcher(config) as fetcher:
            fetches = [asyncio.create_task(fetcher.ask(stalling, "image")) for _ in range(40)]
            await asyncio.sleep(0.5)
            found = await fetcher.ask(good, "image")
            return list(await asyncio.gather(*fetches)), found

    with serve(cut, 30.0) as (stalling, one), serve(whole) as (good, two):
        allowed = (*one.allow_addresses, *two.allow_addresses)
        config = dataclasses.replace(one, allow_addresses=allowed, idle_timeout=2.0)
        tracemalloc.start()
        outcomes, found = asyncio.run(run(stalling, good, config))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert outcomes == [Dead("timeout_idle")] * 40
    assert isinstance(found, Response)
    assert found.body == sent
    assert peak < 70_000_000  # read buffers of the 40 connections among them
    assert BODIES.held == 0
