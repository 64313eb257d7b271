"""Evaluations in batches: over ranks, past items that cannot be read, and on from where a killed one was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import (
    EvaluationSettings,
    ItemSource,
    measure_batches,
    read_all,
)
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.training import distributed
from tests.trainers.ranks import run_ranks

CPU = torch.device("cpu")
SETTINGS = EvaluationSettings(batch_size=3)


def read(number: int) -> int:
    if number % 5 == 4:
        raise SampleError("no_image")
    return number


def numbers(count: int) -> ItemSource[int, int]:
    return ItemSource(range(count), read, lambda number: f"item {number}", "the numbers")


def squares(rows: Sequence[int]) -> dict[str, Tensor]:
    return {"number": torch.tensor(rows), "square": torch.tensor(rows).square()[:, None].float()}


@pytest.mark.parametrize("count", [1, 3, 8, 13])
@pytest.mark.parametrize("workers", [1, 3])
def test_rows_come_in_the_order_of_the_items_without_those_that_cannot_be_read(count: int, workers: int) -> None:
    found = measure_batches(numbers(count), squares, replace(SETTINGS, workers=workers), CPU)
    assert found.tensors["number"].tolist() == [number for number in range(count) if number % 5 != 4]
    assert found.tensors["square"].shape == (len(found.tensors["number"]), 1)
    assert found.skipped == tuple(f"item {number}: no_image" for number in range(4, count, 5))


def test_a_batch_of_which_nothing_can_be_read_is_left_out() -> None:
    settings = EvaluationSettings(batch_size=1)
    assert measure_batches(numbers(6), squares, settings, CPU).tensors["number"].tolist() == [0, 1, 2, 3, 5]
    with pytest.raises(InputError, match="the numbers: holds no sample that can be read"):
        measure_batches(ItemSource([4, 9], read, str, "the numbers"), squares, settings, CPU)
    with pytest.raises(InputError, match="holds no sample"):
        measure_batches(numbers(0), squares, settings, CPU)


def test_all_rows_are_read_at_once_for_a_measure_that_needs_them() -> None:
    assert read_all(numbers(6), SETTINGS) == ([0, 1, 2, 3, 5], ("item 4: no_image",))
    with pytest.raises(InputError, match="holds no sample"):
        read_all(ItemSource([4], read, str, "x"), SETTINGS)


def test_an_error_that_is_not_of_one_sample_ends_the_evaluation() -> None:
    def broken(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(KeyError):
        measure_batches(ItemSource([1], broken, str, "x"), squares, SETTINGS, CPU)


def test_a_killed_evaluation_goes_on_from_its_finished_batches(tmp_path: Path) -> None:
    settings = replace(SETTINGS, partial=str(tmp_path))
    computed: list[int] = []

    def killed(rows: Sequence[int]) -> dict[str, Tensor]:
        if rows[0] >= 6:
            raise KeyboardInterrupt
        computed.extend(rows)
        return squares(rows)

    with pytest.raises(KeyboardInterrupt):
        measure_batches(numbers(13), killed, settings, CPU)
    assert computed == [0, 1, 2, 3, 5]
    (tmp_path / "0000001.safetensors").write_bytes(b"cut short")
    again: list[int] = []

    def counting(rows: Sequence[int]) -> dict[str, Tensor]:
        again.extend(rows)
        return squares(rows)

    found = measure_batches(numbers(13), counting, settings, CPU)
    assert again == [3, 5, 6, 7, 8, 10, 11, 12]
    assert found.reused == 1
    whole = measure_batches(numbers(13), squares, SETTINGS, CPU)
    assert found.skipped == whole.skipped
    assert all(torch.equal(value, found.tensors[name]) for name, value in whole.tensors.items())
    assert measure_batches(numbers(13), counting, settings, CPU).reused == 5


def test_bf16_is_autocast() -> None:
    layer = torch.nn.Linear(2, 2)

    def measure(rows: Sequence[int]) -> dict[str, Tensor]:
        return {"x": layer(torch.ones(len(rows), 2))}

    kinds = {
        precision: measure_batches(numbers(2), measure, replace(SETTINGS, precision=precision), CPU).tensors["x"].dtype
        for precision in ("fp32", "bf16")
    }
    assert kinds == {"fp32": torch.float32, "bf16": torch.bfloat16}


def _measure_on_ranks() -> dict[str, Tensor]:
    """Measure few items in small batches; count the calls, which a sharded model needs to be equal."""
    calls: list[int] = []

    def measure(rows: Sequence[int]) -> dict[str, Tensor]:
        calls.append(len(rows))
        return squares(rows)

    results = {}
    for count in (1, 5, 10):
        found = measure_batches(
            ItemSource(range(count), read, str, "x"), measure, EvaluationSettings(batch_size=2), CPU
        )
        results[f"number {count}"] = found.tensors["number"]
        assert found.skipped == tuple(f"{number}: no_image" for number in range(4, count, 5))
    return {**results, "calls": torch.tensor(calls), "rank": torch.tensor(distributed.rank())}


def test_ranks_share_the_batches_and_call_the_model_equally_often(tmp_path: Path) -> None:
    found = run_ranks(_measure_on_ranks, tmp_path, 3)
    assert [int(rank["rank"]) for rank in found] == [0, 1, 2]
    for rank in found:
        assert torch.equal(rank["calls"], found[0]["calls"])
        assert set(rank["calls"].tolist()) == {2}
        for count in (1, 5, 10):
            assert rank[f"number {count}"].tolist() == [number for number in range(count) if number % 5 != 4]
