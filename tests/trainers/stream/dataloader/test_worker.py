"""Dealing the rank's share to workers: chunk c goes to worker c mod workers, every sample once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.trainers.stream.dataloader.worker import (
    dealt,
    register_iterable,
    samples_per_request,
    samples_per_worker,
    this_worker,
)

SMALL = st.integers(1, 7)


@given(SMALL, SMALL, st.integers(0, 60))
def test_each_sample_is_dealt_once_and_batches_come_back_in_order(workers: int, chunk: int, total: int) -> None:
    mine = {}
    for worker in range(workers):
        numbers = dealt(worker, workers, chunk, np.arange(total + chunk))
        mine[worker] = numbers[numbers < total].tolist()
    assert sorted(number for numbers in mine.values() for number in numbers) == list(range(total))
    assert [len(mine[worker]) for worker in range(workers)] == samples_per_worker(workers, chunk, total)
    in_turn = []
    for at in range(0, total + chunk, chunk):  # as a DataLoader takes them: one batch from each worker in turn
        in_turn += [number for worker in range(workers) for number in mine[worker][at : at + chunk]]
    assert in_turn == list(range(total))


def test_the_main_process_is_no_worker_and_asks_for_single_samples() -> None:
    pytest.importorskip("torch.utils.data")
    assert this_worker() is None
    assert samples_per_request() == 1


@pytest.mark.parametrize(("batch_size", "asked"), [(5, 5), (None, 1)])
def test_the_batch_size_of_the_loader_that_asks_is_known(batch_size: int | None, asked: int) -> None:
    data = pytest.importorskip("torch.utils.data")

    class Asking(data.IterableDataset):
        def __iter__(self):
            yield samples_per_request()

    loader = data.DataLoader(Asking(), batch_size=batch_size, collate_fn=lambda items: items)
    assert [int(np.ravel(found)[0]) for found in loader] == [asked]


def test_a_registered_class_counts_as_an_iterable_dataset() -> None:
    data = pytest.importorskip("torch.utils.data")

    class Stream:
        pass

    assert not isinstance(Stream(), data.IterableDataset)
    register_iterable(Stream)
    assert isinstance(Stream(), data.IterableDataset)
