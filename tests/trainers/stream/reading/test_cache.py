"""The cache of remote tars: bounded, least recently used blocks evicted, one fetch per block, safe under kills."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.reading import cache as module
from corpusloom.trainers.stream.reading.cache import TRAILER, BlockCache, CacheConfig

SIZE = 1000
BLOCKS = 40


def original(offset: int, size: int) -> bytes:
    """Return a range of a tar of BLOCKS blocks; its bytes depend on their offset."""
    return bytes((place // 7 + place) % 251 for place in range(offset, offset + size))


def cache_of(folder: Path, blocks: int = 10) -> BlockCache:
    config = CacheConfig(folder=str(folder), block_bytes=SIZE, max_bytes=blocks * (SIZE + TRAILER.size))
    return BlockCache(config)


def bytes_in(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder / "blocks"))


def read(cache: BlockCache, offset: int, size: int) -> bytes:
    return cache.read("a tar", SIZE * BLOCKS - 10, offset, size, original)


def test_any_range_is_read_and_the_folder_never_exceeds_its_limit(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    draw = random.Random(0)
    for _ in range(300):
        offset = draw.randrange(SIZE * BLOCKS - 10)
        size = min(draw.randrange(1, 3 * SIZE), SIZE * BLOCKS - 10 - offset)
        assert read(cache, offset, size) == original(offset, size)
        assert bytes_in(tmp_path) <= cache.config.max_bytes
    assert cache.counts["refusals"] == 0


def test_the_blocks_used_last_are_kept(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    for number in range(9):
        read(cache, number * SIZE, 1)
        time.sleep(0.002)
    cache._open.clear()  # as if another process used block 0
    read(cache, 0, 1)
    fetched = cache.counts["fetches"]
    for number in range(20, 24):
        read(cache, number * SIZE, 1)
    read(cache, 0, 1)
    assert cache.counts["fetches"] == fetched + 4
    read(cache, 1 * SIZE, 1)
    assert (tmp_path / "blocks").exists()
    assert not cache._path("a tar", 2).exists()


def test_two_tars_have_blocks_of_their_own(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    assert cache.read("one", SIZE, 0, 3, lambda offset, size: b"a" * size) == b"aaa"
    assert cache.read("two", SIZE, 0, 3, lambda offset, size: b"b" * size) == b"bbb"


READER = """
import sys, time
from pathlib import Path
from tests.trainers.stream.reading.test_cache import BLOCKS, SIZE, cache_of, original
cache = cache_of(Path(sys.argv[1]), blocks=int(sys.argv[2]))
def slow(offset, size):
    time.sleep(float(sys.argv[3]))
    return original(offset, size)
print("ready", flush=True)
for number in range(BLOCKS - 1):
    assert cache.read("a tar", SIZE * BLOCKS - 10, number * SIZE, SIZE, slow) == original(number * SIZE, SIZE)
print(cache.counts["fetches"], flush=True)
"""


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", READER, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})


def test_ranks_of_a_host_fetch_each_block_once(tmp_path: Path) -> None:
    readers = [start(tmp_path, 100, 0.003) for _ in range(3)]
    fetched = [int(reader.communicate()[0].split()[-1]) for reader in readers]
    assert sum(fetched) == BLOCKS - 1


def test_a_kill_at_any_moment_leaves_whole_blocks_and_the_folder_within_its_limit(tmp_path: Path) -> None:
    for moment in (0.0, 0.004, 0.011, 0.017):
        reader = start(tmp_path, 10, 0.001)
        assert reader.stdout is not None
        reader.stdout.readline()
        time.sleep(moment)
        reader.send_signal(signal.SIGKILL)
        reader.communicate()
    (tmp_path / "blocks" / ".tmp-orphan").write_bytes(bytes(SIZE))
    (tmp_path / "used").write_bytes(b"")
    cache = cache_of(tmp_path)
    read(cache, 5 * SIZE, 1)
    read(cache, 30 * SIZE, 1)
    for number in range(BLOCKS - 1):
        assert read(cache, number * SIZE, SIZE) == original(number * SIZE, SIZE)
        assert bytes_in(tmp_path) <= cache.config.max_bytes
    assert not list((tmp_path / "blocks").glob(".tmp-*"))


FULL = """
import resource, sys
from pathlib import Path
from tests.trainers.stream.reading.test_cache import SIZE, cache_of, original, read
cache = cache_of(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2))
for number in range(5):
    assert read(cache, number * SIZE, 10) == original(number * SIZE, 10)
print(cache.counts["refusals"], cache.paused)
"""


def test_reads_go_to_the_server_while_the_disk_is_full(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["5", "True"]
    assert list((tmp_path / "blocks").iterdir()) == []


def test_a_block_that_a_machine_crash_damaged_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_boot", lambda: b"earlier")
    cache = cache_of(tmp_path)
    read(cache, 0, 1)
    read(cache, SIZE, 1)
    path = cache._path("a tar", 0)
    path.write_bytes(bytes(SIZE) + path.read_bytes()[SIZE:])
    cache._path("a tar", 1).write_bytes(b"")
    monkeypatch.undo()
    again = cache_of(tmp_path)
    assert read(again, 0, 2 * SIZE) == original(0, 2 * SIZE)
    assert again.counts["fetches"] == 2


def test_blocks_that_are_deleted_or_cut_while_in_use_are_fetched_again(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    read(cache, 0, SIZE)
    os.truncate(cache._path("a tar", 0), 10)
    assert read(cache, 0, SIZE) == original(0, SIZE)
    shutil.rmtree(tmp_path)
    assert read(cache, 0, 2 * SIZE) == original(0, 2 * SIZE)
    assert cache.counts["fetches"] >= 3
    assert cache.paused


def test_a_limit_below_eight_blocks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least"):
        CacheConfig(folder=str(tmp_path), max_bytes=1 << 20)
