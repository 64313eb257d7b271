"""Prefetching: the next shards are fetched once, before their samples are due, whatever fails."""

import threading
import time
from pathlib import Path

import numpy as np

from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.stream.reading.prefetch import LOOK_AHEAD, STEP, Prefetcher, ShardId
from tests.trainers.stream.datasets import make_dataset, make_pairs
from tests.trainers.stream.servers import faulty


class Tar:
    """A tar of three blocks that records which of them are fetched."""

    blocks = 3

    def __init__(self, shard: ShardId, warmed: list[tuple[ShardId, int]]) -> None:
        self.shard, self.warmed = shard, warmed

    def warm(self, number: int) -> None:
        self.warmed.append((self.shard, number))


def until(condition: "threading.Event | object", seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_every_shard_ahead_is_fetched_whole_from_the_ranks_own_block_on() -> None:
    warmed: list[tuple[ShardId, int]] = []

    def shards_of(positions: np.ndarray) -> list[ShardId]:
        return sorted({(0, int(at)) for at in positions // STEP})

    def opened(shard: ShardId) -> Tar:
        if shard[1] == 2:
            raise OSError("cannot be reached")
        return Tar(shard, warmed)

    ahead = Prefetcher(shards_of, opened, share=0.5)
    ahead.move(0)
    reached = LOOK_AHEAD // STEP
    until(lambda: len(warmed) >= 3 * (reached - 1))
    assert {shard for shard, _ in warmed} == {(0, number) for number in range(reached)} - {(0, 2)}
    assert [block for shard, block in warmed if shard == (0, 0)] == [1, 2, 0]
    ahead.move(100 * STEP)  # a state was loaded
    until(lambda: any(shard == (0, 100) for shard, _ in warmed))
    ahead.close()


def test_a_remote_stream_fills_its_cache_before_it_is_read(tmp_path: Path) -> None:
    data = Path(make_dataset(tmp_path / "data", "pairs", make_pairs(40), shards=4))
    bytes_of_tars = sum(tar.stat().st_size for tar in data.glob("*.tar"))
    with faulty(data) as (url, _):
        cache = CacheConfig(folder=str(tmp_path / "cache"), block_bytes=8192, max_bytes=1 << 22)
        stream = StreamingDataset(url, on_error="raise", cache=cache)
        next(iter(stream))
        blocks = tmp_path / "cache" / "blocks"
        until(lambda: sum(path.stat().st_size for path in list(blocks.glob("[!.]*"))) >= bytes_of_tars)
        stream.close()


def test_closing_ends_the_threads_after_their_current_block_and_drops_the_queue() -> None:
    held, begun, warmed = threading.Event(), threading.Event(), list[tuple[ShardId, int]]()

    class Slow(Tar):
        def warm(self, number: int) -> None:
            begun.set()
            held.wait(10)
            super().warm(number)

    before = set(threading.enumerate())
    ahead = Prefetcher(
        lambda positions: [(0, int(at)) for at in positions[::8]], lambda shard: Slow(shard, warmed), 0.0
    )
    ahead.move(0)
    threads = set(threading.enumerate()) - before
    until(begun.is_set)
    ahead.close()
    held.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert 0 < len(warmed) <= len(threads)
    assert {number for _, number in warmed} == {0}
