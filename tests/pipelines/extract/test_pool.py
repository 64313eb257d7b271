"""The worker pool: order, equality with in-process extraction, and what a lost worker costs."""

import os
import signal
import threading
from dataclasses import dataclass

import pytest

from corpusloom.pipelines.extract import pool as pool_module
from corpusloom.pipelines.extract.alt_texts import PageImages, page_images
from corpusloom.pipelines.extract.pool import ExtractPool, Item, PoolConfig, Result
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
from corpusloom.schemas.verdicts import Dead

PAGES: list[Item] = [
    (f"<html><body><p>Page number {n} has some text.</p></body></html>".encode(), f"http://a.example/{n}", None)
    for n in range(9)
]
RULES = ExtractConfig(method="rules")


def first_texts(results: list[Result]) -> list[str | None]:
    return [result.blocks[0].text if isinstance(result, Extracted) else None for result in results]


@dataclass(frozen=True)
class Fatal:
    """Stands in for HTML that no parser survives: looking at it in a worker does the harm."""

    harm: str

    def __len__(self) -> int:
        return 1

    def strip(self, _characters: bytes) -> bytes:
        if self.harm == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.harm == "hangs":
            signal.pause()
        return b"x" * (1 << 40)  # memory that no worker has


def test_results_come_in_order_and_equal_those_in_process() -> None:
    with ExtractPool(PoolConfig(size=2, chunk_pages=2), RULES) as pool:
        pooled = list(pool.map(iter(PAGES)))
    assert pooled == list(ExtractPool(PoolConfig(size=0), RULES).map(PAGES))
    assert first_texts(pooled)[8] == "Page number 8 has some text."


@pytest.mark.parametrize(
    ("harm", "error"), [("killed", "worker_died"), ("hangs", "page_hung"), ("bloats", "MemoryError")]
)
def test_a_lost_worker_costs_its_page_and_nothing_else(harm: str, error: str) -> None:
    pages: list[Item] = [*PAGES[:4], (Fatal(harm), "http://a.example/bad", None), *PAGES[4:]]  # type: ignore[list-item]
    with ExtractPool(PoolConfig(size=1, chunk_pages=5, wall_seconds=2), RULES) as pool:
        results = list(pool.map(pages))
    dead = results.pop(4)
    assert isinstance(dead, Dead)
    assert dead.error == error
    assert first_texts(results) == [f"Page number {n} has some text." for n in range(9)]


def test_a_page_may_use_its_cpu_seconds_and_no_more() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own: the limit kills
        os.close(read)
        pool_module.extract_chunk([PAGES[0]], RULES, 1, _spin)
        os._exit(0)
    os.close(write)
    _pid, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)


def _spin(html: bytes, url: str, *, content_type: str | None, config: ExtractConfig) -> Result:
    while True:
        pass


def test_the_pool_reads_alt_texts_too() -> None:
    page = b"<p>x<img src=a.jpg alt='A kite'>"
    with ExtractPool(PoolConfig(size=1), task=page_images) as pool:
        (found,) = pool.map([(page, "http://a.example/", None)])
    assert isinstance(found, PageImages)
    assert [image.alt_text for image in found.images] == ["A kite"]


def test_the_pool_works_in_a_thread() -> None:
    found: list[Result] = []

    def work() -> None:
        with ExtractPool(PoolConfig(size=1), RULES) as pool:
            found.extend(pool.map(PAGES[:2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert len(found) == 2


def test_large_pages_travel_alone() -> None:
    config = PoolConfig(size=1, chunk_pages=4, chunk_bytes=100)
    items: list[Item] = [(b"x" * size, "u", None) for size in (10, 10, 90, 200, 5, 5, 5, 5, 5)]
    sizes = [[len(item[0]) for item in chunk] for chunk in pool_module.chunks(iter(items), config)]
    assert sizes == [[10, 10], [90], [200], [5, 5, 5, 5], [5]]
