"""Steps whose loss or gradient cannot be right are left out on all ranks alike, and end a run when they go on."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.observe.guard import ENOUGH, Guard, NormStatistics, SkippedStep
from tests.trainers.ranks import run_ranks
from tests.trainers.training.toy import toy_config

BATCH = {"pairs": {"keys": ["a", "b"]}}


def judge(guard: Guard, step: int, loss: float, norm: float = 1.0) -> SkippedStep | None:
    return guard.judge(step, torch.tensor(loss), torch.tensor(norm), [BATCH])


@pytest.mark.parametrize(
    ("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (-math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)]
)
def test_a_step_that_is_not_finite_is_skipped_with_its_keys(loss: float, norm: float) -> None:
    guard = Guard(toy_config())
    assert judge(guard, 0, 1.0) is None
    skipped = judge(guard, 1, loss, norm)
    assert skipped is not None
    assert (skipped.step, skipped.reason, skipped.keys) == (1, "not_finite", (("a", "b"),))
    assert skipped.suspects == (() if math.isfinite(loss) else (0,))
    assert "step 2 is skipped (not_finite)" in str(skipped)
    assert str(skipped).endswith("batch: a, b")
    assert (guard.skipped, guard.in_a_row, guard.good_step) == (1, 1, 0)
    assert judge(guard, 2, 1.0) is None
    assert (guard.skipped, guard.in_a_row, guard.good_step) == (1, 0, 2)


def test_a_run_ends_after_as_many_skipped_steps_in_a_row_as_configured() -> None:
    guard = Guard(toy_config(max_skipped_steps=2))
    first = judge(guard, 4, math.nan)
    assert first is not None
    assert not guard.is_exhausted
    judge(guard, 5, 1.0)
    for step in (6, 7):
        last = judge(guard, step, math.nan)
    assert last is not None
    assert guard.is_exhausted
    error = guard.error(last, "run/checkpoints/step-00000005")
    for words in ("2 steps in a row were skipped", "step 8", "a, b", "step-00000005 is the last sound checkpoint"):
        assert words in str(error)
    assert "there is no sound checkpoint" in str(guard.error(last, None))
    assert "initial weights" not in str(error)


def test_a_run_whose_first_steps_all_fail_points_at_the_initial_weights() -> None:
    guard = Guard(toy_config(max_skipped_steps=1))
    last = judge(guard, 0, math.nan)
    assert last is not None
    assert "no step went well: inspect the initial weights and train.precision" in str(guard.error(last, None))


@pytest.mark.parametrize(("loss", "norm", "reason"), [(2.9, 2.9, None), (3.1, 1.0, "spike"), (1.0, 3.1, "spike")])
def test_a_jump_over_the_median_is_skipped_if_configured(loss: float, norm: float, reason: str | None) -> None:
    for factor in (None, 3.0):
        guard = Guard(toy_config(spike_factor=factor))
        for step in range(ENOUGH):
            assert judge(guard, step, 50.0 if step == 3 and factor is None else 1.0) is None
        found = judge(guard, ENOUGH, loss, norm)
        assert (found.reason if found else None) == (reason if factor else None)
        assert not found or found.suspects == ()


def test_too_few_steps_are_no_measure_of_a_jump() -> None:
    guard = Guard(toy_config(spike_factor=3.0))
    for step in range(ENOUGH - 1):
        judge(guard, step, 1.0)
    assert judge(guard, ENOUGH, 100.0) is None


def test_a_step_that_was_skipped_is_no_measure_for_later_ones_and_the_state_is_resumed() -> None:
    guard = Guard(toy_config(spike_factor=3.0))
    for step in range(ENOUGH):
        judge(guard, step, 1.0)
    for step in range(5):
        assert judge(guard, step, 10.0) is not None
    other = Guard(toy_config(spike_factor=3.0))
    other.load_state_dict(guard.state_dict())
    assert other.in_a_row == 5
    assert judge(other, 6, 3.5) is not None
    assert judge(other, 7, 2.5) is None


def test_long_lists_of_keys_are_cut_in_the_message() -> None:
    step = SkippedStep(0, "spike", 1.0, 2.0, (tuple(f"k{n}" for n in range(10)),), ())
    assert str(step).endswith("k7 and 2 more")


def test_the_statistics_of_batch_norm_go_back() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    kept = NormStatistics(model)
    model(torch.randn(8, 3))
    after = {name: value.clone() for name, value in model.state_dict().items()}
    kept.keep()
    model(torch.randn(8, 3))
    assert int(model[1].num_batches_tracked) == 2
    kept.restore()
    assert all(torch.equal(value, after[name]) for name, value in model.state_dict().items())


def _judge_on_ranks() -> dict[str, torch.Tensor]:
    """Judge a step whose loss is not finite on rank 1 only, and one of which each rank holds a share."""
    rank = distributed.rank()
    guard = Guard(toy_config())
    batch = [{"keys": [f"rank {rank}"]}]
    one = guard.judge(0, torch.tensor(math.nan if rank == 1 else 1.0), torch.tensor(1.0), batch)
    two = guard.judge(1, torch.tensor(float(rank)), torch.tensor(2.0), batch)
    assert two is None
    assert one is not None
    assert one.keys == (("rank 0",), ("rank 1",))
    assert "batch of rank 1: rank 1" in str(one)
    return {"suspects": torch.tensor(one.suspects), "losses": torch.tensor(guard.state_dict()["losses"])}


def test_all_ranks_come_to_the_same_verdict_by_the_sum_of_their_losses(tmp_path: Path) -> None:
    for found in run_ranks(_judge_on_ranks, tmp_path):
        assert found["suspects"].tolist() == [1]
        assert found["losses"].tolist() == [1.0]
