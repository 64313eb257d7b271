"""The worker pool: order, equality with work in this process, chunks, and the effect of a lost worker."""

import functools
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from corpusloom.pipelines.engine.worker_pool import PoolConfig, WorkerPool, chunks, run_chunk
from corpusloom.schemas.verdicts import Dead

HARM: dict[int, Callable[[], object]] = {
    -1: lambda: os.kill(os.getpid(), signal.SIGKILL),
    -2: signal.pause,
    -3: lambda: b"x" * (1 << 40),  # memory that no worker has
}


def square(number: int, *, add: int = 0) -> tuple[int, int]:
    """Return the square and the process id; negative numbers kill, fail or exhaust the worker."""
    if number in HARM:
        HARM[number]()
    return number * number + add, os.getpid()


def address_space(_: int) -> int:
    return resource.getrlimit(resource.RLIMIT_AS)[0]


def spin(_: int) -> int:
    while True:
        pass


def one(_: object) -> int:
    return 1


def pool(config: PoolConfig) -> WorkerPool[int, tuple[int, int]]:
    return WorkerPool(square, config, cost=one)


def squares(found: list[tuple[int, int] | Dead]) -> list[int]:
    return [item[0] for item in found if not isinstance(item, Dead)]


def test_results_come_in_order_from_other_processes() -> None:
    with pool(PoolConfig(size=2, chunk_items=2)) as workers:
        found = list(workers.map(iter(range(9))))
    assert squares(found) == [number * number for number in range(9)]
    assert os.getpid() not in {item[1] for item in found if not isinstance(item, Dead)}


def test_size_0_works_in_this_process_and_lazily() -> None:
    found = pool(PoolConfig(size=0)).map(iter([3, -1]))  # the second item would kill this process
    assert next(found) == (9, os.getpid())


def test_a_partial_of_a_function_is_a_task() -> None:
    with WorkerPool(functools.partial(square, add=1), PoolConfig(), cost=one) as workers:
        assert squares(list(workers.map([1, 2]))) == [2, 5]


@pytest.mark.parametrize(("harm", "error"), [(-1, "worker_died"), (-2, "page_hung"), (-3, "MemoryError")])
def test_a_lost_worker_costs_its_item_and_nothing_else(harm: int, error: str) -> None:
    with pool(PoolConfig(size=1, chunk_items=5, wall_seconds=2)) as workers:
        found = list(workers.map([0, 1, 2, 3, harm, 4, 5]))
    dead = found.pop(4)
    assert isinstance(dead, Dead)
    assert dead.error == error
    assert squares(found) == [0, 1, 4, 9, 16, 25]


def test_an_error_of_the_task_is_raised() -> None:
    with (
        WorkerPool(one, PoolConfig(), cost=one) as good,
        WorkerPool(functools.partial(int, base=7), PoolConfig(), cost=one) as bad,
    ):
        assert list(good.map([1])) == [1]
        with pytest.raises(ValueError, match="base 7"):
            list(bad.map(["9"]))


def test_at_most_two_chunks_per_worker_are_read_ahead() -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    with pool(PoolConfig(size=1, chunk_items=3)) as workers:
        next(workers.map(numbers()))
    assert len(read) == 7  # two chunks of three, and the item that closed the second


def test_an_item_may_use_its_cpu_seconds_and_no_more() -> None:
    child = os.fork()
    if child == 0:  # the limit kills the process, so it is set in a process of its own
        run_chunk(spin, [0], 1)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)


def test_workers_run_under_the_memory_limit() -> None:
    with WorkerPool(address_space, PoolConfig(memory=1_500_000_000), cost=one) as workers:
        assert list(workers.map([0])) == [1_500_000_000]


def test_a_worker_whose_imports_exceed_the_limit_has_half_of_it_to_work_with() -> None:
    with WorkerPool(resource.getrlimit, PoolConfig(memory=20_000_000), cost=one) as workers:
        (bounds,) = workers.map([resource.RLIMIT_AS])
    assert isinstance(bounds, tuple)
    assert bounds[0] > 30_000_000


def test_the_pool_works_in_a_thread() -> None:
    found: list[tuple[int, int] | Dead] = []

    def work() -> None:
        with pool(PoolConfig(size=1)) as workers:
            found.extend(workers.map([1, 2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert squares(found) == [1, 4]


def test_the_pool_can_be_closed_twice_and_used_again() -> None:
    workers = pool(PoolConfig(size=1))
    for _ in range(2):
        assert squares(list(workers.map([2]))) == [4]
        workers.close()
        workers.close()


def test_chunks_are_bounded_by_items_and_by_bytes_and_a_large_item_travels_alone() -> None:
    config = PoolConfig(chunk_items=4, chunk_bytes=100)
    items = (b"x" * size for size in (10, 90, 1, 200, 5, 5, 5, 5, 5))
    sizes = [[len(item) for item in chunk] for chunk in chunks(items, len, config)]
    assert sizes == [[10, 90], [1], [200], [5, 5, 5, 5], [5]]


def test_the_collector_runs_rarely_after_relax_gc() -> None:
    program = "import gc; from corpusloom.pipelines.engine.worker_pool import relax_gc; relax_gc(); "
    program += "print(gc.get_threshold(), gc.get_freeze_count() > 0)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(70000, 20, 20) True"
