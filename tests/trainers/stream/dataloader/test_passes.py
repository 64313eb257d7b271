"""The page that workers share: the epoch of each pass, and states that are loaded in one process."""

import os

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataloader.passes import MAX_WORKERS, Origin, Passes
from corpusloom.trainers.stream.dataloader.worker import Worker

EPOCH = 100
START = Origin(0, 0)


def copy_of(passes: Passes) -> Passes:
    """Return the page as another process maps it."""
    return Passes(os.dup(passes.descriptor))


def begin(passes: Passes, number: int, *, seed: int = 1, workers: int = 2, first: bool = False) -> tuple[int, int]:
    return passes.begin(Worker(number, workers, seed), START, None, EPOCH, first=first)


def test_workers_of_one_start_belong_to_one_pass() -> None:
    passes = copy_of(Passes())
    assert begin(passes, 0, first=True) == begin(passes, 1, first=True) == (1, 0)


def test_the_next_epoch_begins_once_all_workers_have_ended_the_last() -> None:
    passes = copy_of(Passes())
    for number in range(2):
        begin(passes, number, first=True)
    passes.end(0, 1)
    assert begin(passes, 0, seed=2) == (2, 0)  # worker 1 has not ended: the pass begins again
    assert begin(passes, 1, seed=2) == (2, 0)
    for number in range(2):
        passes.end(number, 2)
    assert begin(passes, 1, seed=3) == (3, EPOCH)
    assert begin(passes, 0, seed=3) == (3, EPOCH)


def test_the_end_of_an_older_pass_does_not_count() -> None:
    passes = copy_of(Passes())
    begin(passes, 0, workers=1, first=True)
    begin(passes, 0, workers=1, seed=2)
    passes.end(0, 1)
    assert begin(passes, 0, workers=1, seed=3) == (3, 0)
    passes.end(0, 3)
    passes.end(0, 1)  # an iterator of the first pass that ends late
    assert begin(passes, 0, workers=1, seed=4) == (4, EPOCH)


def test_a_state_loaded_in_the_main_process_starts_the_next_pass_there() -> None:
    main = Passes()
    passes = copy_of(main)
    begin(passes, 0, workers=1, first=True)
    assert main.has_passed(START)
    loads = main.restart(42, 0)
    assert loads == 1
    assert not main.has_passed(Origin(loads, 42))
    origin = Origin(loads, 42)
    assert passes.begin(Worker(0, 1, 2), origin, None, EPOCH, first=True) == (3, 42)
    late = passes.begin(Worker(0, 1, 2), START, None, EPOCH, first=True)
    assert late == (-1, 0), "a copy from before the load keeps its own place"


def test_a_state_loaded_in_a_worker_decides_for_the_others() -> None:
    passes = copy_of(Passes())
    assert passes.begin(Worker(0, 2, 1), Origin(-1, 0), 30, EPOCH, first=True) == (1, 30)
    assert passes.begin(Worker(1, 2, 1), Origin(-1, 0), 30, EPOCH, first=True) == (1, 30)


def test_skips_are_counted_over_all_copies() -> None:
    main = Passes()
    copy_of(main).skip()
    copy_of(main).skip()
    assert main.skipped == 2


def test_more_workers_than_the_page_has_places_are_refused() -> None:
    passes = Passes()
    with pytest.raises(ConfigError, match=f"at most {MAX_WORKERS}"):
        begin(passes, 0, workers=MAX_WORKERS + 1)
    assert begin(passes, MAX_WORKERS - 1, workers=MAX_WORKERS, first=True) == (1, 0)
