"""One step: one backward pass per loss, one update, nothing from samples and steps that are left out."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.observe.reports import StepReport
from corpusloom.trainers.training.parallel import whole
from corpusloom.trainers.training.step import seed_step
from corpusloom.trainers.training.task import Loss, StepContext
from tests.trainers.ranks import run_ranks
from tests.trainers.training.toy import Poisoned, Recorder, ToyStream, states, toy_config, toy_model, train_toy


def test_a_step_is_one_adamw_update_on_the_sum_of_the_losses() -> None:
    def halves(model: nn.Module, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
        for x in batch["x"].chunk(2):
            yield Loss(0.5 * model(x).square().mean())

    config = toy_config(steps=3, warmup=0, schedule="constant", grad_clip=None)
    torch.manual_seed(1)
    model = nn.Linear(6, 1)
    expected = nn.Linear(6, 1)
    expected.load_state_dict(model.state_dict())
    train_toy(model, losses=halves, config=config)
    groups = [{"params": [expected.weight], "weight_decay": 0.1}, {"params": [expected.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.lr)
    stream = ToyStream()
    for _ in range(3):
        optimizer.zero_grad()
        expected(next(stream)["x"]).square().mean().backward()
        optimizer.step()
    assert torch.allclose(model.weight, expected.weight, atol=1e-7)
    assert torch.allclose(model.bias, expected.bias, atol=1e-7)


def test_accumulated_batches_are_one_batch_of_all_their_samples() -> None:
    def linear() -> nn.Module:
        torch.manual_seed(1)
        return nn.Linear(6, 1)

    class Uneven(ToyStream):
        """Batches of 1 and 3 samples, which are the first and the rest of one batch of 4."""

        def __next__(self) -> dict[str, Any]:
            number, first = divmod(self.position, 2)
            self.position += 1
            whole = ToyStream()
            whole.position = number
            batch = next(whole)
            rows = slice(0, 1) if not first else slice(1, 4)
            return {"keys": batch["keys"][rows], "x": batch["x"][rows]}

    one, other = linear(), linear()
    train_toy(one, config=toy_config(steps=5))
    result = train_toy(other, Uneven(), toy_config(steps=5, accumulate=2))
    assert torch.allclose(one.get_parameter("weight"), other.get_parameter("weight"), atol=1e-7)
    assert result.report is not None
    assert result.report.samples == 20


def test_evaluations_see_the_moving_average() -> None:
    model, seen = toy_model(), []

    def evaluate(model: nn.Module) -> Iterator[tuple[str, float]]:
        seen.append(model.get_parameter("0.weight").detach().clone())
        yield "figure", 0.0

    train_toy(model, config=toy_config(steps=4, ema=0.5), evaluate=evaluate)
    assert not torch.equal(seen[0], model.get_parameter("0.weight"))


def test_each_loss_is_back_propagated_before_the_next_is_computed() -> None:
    model = nn.Linear(6, 1)
    seen: list[bool] = []

    def watching(model: nn.Linear, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
        yield Loss(model(batch["x"]).mean())
        seen.append(model.weight.grad is not None)
        yield Loss(model(batch["x"]).mean(), surrogate=True)

    result = train_toy(model, losses=watching, config=toy_config(steps=1, warmup=0))
    assert seen == [True]
    assert result.report is not None
    assert abs(result.report.loss) < 3


def test_utilisation_is_that_of_the_steps_own_flops_over_a_peak_that_is_given() -> None:
    told = Recorder()
    config = toy_config(steps=3, warmup=0, log_every=1, peak_tflops=1e-6)
    train_toy(nn.Linear(6, 1, bias=False), losses=_mean_output, config=config, observer=told)
    flops = 2 * 4 * 6 * 2  # of the product with the weight, and of the weight's gradient
    for report in told.reports:
        assert report.mfu == pytest.approx(flops / 1e6 * report.samples_per_second / report.samples)


def _mean_output(model: nn.Module, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
    yield Loss(model(batch["x"]).mean())


def test_a_step_that_is_not_finite_is_left_out_wholly_and_training_goes_on() -> None:
    told, model = Recorder(), toy_model()
    before: list[dict[str, torch.Tensor]] = []
    told = Recorder(lambda _: before.append({name: value.clone() for name, value in states(model).items()}))
    config = toy_config(steps=9, warmup=0, log_every=1, ema=0.9)
    result = train_toy(model, Poisoned(3, 4, 7), config, observer=told)
    assert [report.skipped_steps for report in told.reports] == [0, 0, 0, 1, 1, 0, 0, 1, 0]
    assert result.skipped_steps == 3
    for skipped in (3, 4, 7):
        assert all(torch.equal(before[skipped - 1][name], value) for name, value in before[skipped].items())
        assert math.isnan(told.reports[skipped].loss)
    assert any(not torch.equal(before[4][name], value) for name, value in before[5].items())
    assert "num_batches_tracked" in str(before[0].keys())
    assert told.notes[0].startswith("step 4 is skipped (not_finite): loss nan")
    assert told.notes[0].endswith("batch: 4-0, 4-1, 4-2, 4-3")
    assert all(value.isfinite().all() for value in states(model).values())


def test_measurements_of_a_skipped_step_are_in_no_mean() -> None:
    told = Recorder()
    train_toy(stream=Poisoned(1), config=toy_config(steps=3, warmup=0, log_every=3), observer=told)
    (report,) = told.reports
    assert math.isfinite(report.loss)
    assert math.isfinite(report.grad_norm)
    assert math.isfinite(report.metrics["target"])


def test_an_objective_without_a_loss_is_an_error() -> None:
    def silent(model: nn.Module, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
        yield from ()

    with pytest.raises(LoomError, match="yielded no loss"):
        train_toy(losses=silent, config=toy_config())


def test_bf16_computes_the_forward_pass_in_bf16() -> None:
    kinds: list[torch.dtype] = []

    def watching(model: nn.Module, batch: dict[str, Any], context: StepContext) -> Iterator[Loss]:
        out = model(batch["x"])
        kinds.append(out.dtype)
        yield Loss(out.float().square().mean())

    train_toy(nn.Linear(6, 1), losses=watching, config=toy_config(steps=1, warmup=0, precision="bf16"))
    assert kinds == [torch.bfloat16]


def test_after_step_follows_the_update() -> None:
    class Clamped(nn.Linear):
        @torch.no_grad()
        def after_step(self) -> None:
            self.weight.clamp_(-0.01, 0.01)

    model = Clamped(6, 1)
    train_toy(model, config=toy_config(steps=2, warmup=0))
    assert model.weight.abs().max().item() <= 0.01


class HoledStream(ToyStream):
    """A stream whose every third batch has no valid row, and whose others have one row that is not valid."""

    def __next__(self) -> dict[str, Any]:
        batch = super().__next__()
        valid = torch.full((self.batch_size,), bool(self.position % 3))
        valid[0] = False
        return {**batch, "valid": valid}


def test_a_batch_without_a_valid_row_changes_no_weight_and_training_goes_on(tmp_path: Path) -> None:
    reports: list[StepReport] = []
    config = toy_config(steps=7, log_every=1, checkpoint_every=3)
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))
    before: list[dict[str, torch.Tensor]] = []

    def on_report(report: StepReport) -> None:
        reports.append(report)
        before.append({name: value.clone() for name, value in states(model).items()})

    train_toy(model, HoledStream(), config, observer=Recorder(on_report))
    assert [report.samples for report in reports] == [3, 3, 0, 3, 3, 0, 3]
    assert [report.skipped for report in reports] == [1, 1, 4, 1, 1, 4, 1]
    assert reports[2].loss == reports[2].grad_norm == 0
    assert math.isnan(reports[2].metrics["target"])
    assert all(torch.equal(before[1][name], before[2][name]) for name in before[1])
    assert any(not torch.equal(before[2][name], before[3][name]) for name in before[2])


def test_each_step_draws_other_numbers_and_a_repeated_step_the_same() -> None:
    with torch.random.fork_rng():
        draws = []
        for step in (0, 1, 0):
            seed_step(5, step)
            draws.append(torch.rand(1).item())
    assert draws[0] == draws[2] != draws[1]


def _train_on_ranks() -> dict[str, torch.Tensor]:
    """Train with half of the batch per rank, without dropout and batch norm, which differ between ranks."""
    torch.manual_seed(distributed.rank())
    model = nn.Linear(6, 1)
    half = ToyStream()

    class Half(ToyStream):
        def __next__(self) -> dict[str, Any]:
            batch = next(half)
            begin = 2 * distributed.rank()
            return {"keys": batch["keys"][begin : begin + 2], "x": batch["x"][begin : begin + 2]}

    result = train_toy(model, Half(), toy_config(steps=5))
    assert result.report is not None
    facts = {"loss": result.report.loss, "samples": result.report.samples}
    weights = {name: whole(value) for name, value in states(model).items()}
    return weights | {name: torch.tensor(value) for name, value in facts.items()}


def test_two_ranks_train_as_one_rank_with_the_global_batch(tmp_path: Path) -> None:
    first, second = run_ranks(_train_on_ranks, tmp_path)
    alone = _train_on_ranks_alone()
    assert torch.equal(first["weight"], second["weight"])
    assert torch.allclose(first["weight"], alone["weight"], atol=1e-6)
    assert torch.allclose(first["loss"], alone["loss"], rtol=1e-5)
    assert int(first["samples"]) == 20


def _train_on_ranks_alone() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(6, 1)
    result = train_toy(model, config=toy_config(steps=5))
    assert result.report is not None
    return states(model) | {"loss": torch.tensor(result.report.loss)}
