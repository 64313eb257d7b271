"""The loop: reports, evaluations, checkpoints, skipped steps, and exact resume."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import InputError, LoomError
from corpusloom.trainers.checkpoints.folders import complete_steps, delete
from corpusloom.trainers.checkpoints.loading import load_weights
from corpusloom.trainers.training.checkpoint import Checkpointer
from tests.trainers.training.toy import Poisoned, Recorder, ToyStream, states, toy_config, toy_model, train_toy


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for name, tensor in states(one).items():
        assert torch.equal(tensor, states(other)[name]), name


def test_reports_come_every_log_every_steps_and_after_the_last() -> None:
    told = Recorder()
    done: list[int] = []
    parts: list[tuple[int, str]] = []
    train_toy(
        config=toy_config(steps=12), observer=told, on_update=done.append, on_part=lambda *part: parts.append(part)
    )
    reports = told.reports
    assert done == list(range(13))
    assert parts[:4] == [(1, "data"), (1, "compute"), (1, "update"), (2, "data")]
    assert [report.step for report in reports] == [5, 10, 12]
    assert [report.samples for report in reports] == [20, 20, 8]
    assert set(reports[0].seconds) == {"data", "compute", "update"}
    assert all(report.grad_norm > 0 and report.samples_per_second > 0 for report in reports)
    assert all(0 < report.wait < 1 and report.memory > 1e7 and report.memory_kind == "rss" for report in reports)
    assert "target" in reports[0].metrics
    assert reports[0].mfu is None
    (start,) = told.starts
    assert (start.steps, start.resumed_at, start.ranks, start.precision) == (12, 0, 1, "fp32")
    assert start.parameters == start.trained == sum(parameter.numel() for parameter in toy_model().parameters())


@pytest.mark.parametrize(("stop", "changes"), [(10, {}), (15, {"accumulate": 2, "ema": 0.9})], ids=str)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    tmp_path: Path, stop: int, changes: dict[str, Any]
) -> None:
    whole, parts = toy_model(), toy_model()
    config = toy_config(checkpoint_every=5, **changes)
    train_toy(whole, config=config, checkpoint=Checkpointer(str(tmp_path / "whole")))

    class Interrupted(ToyStream):
        def __next__(self) -> dict[str, Any]:
            if self.position == stop * config.accumulate + 1:
                raise KeyboardInterrupt
            return super().__next__()

    folder = str(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        train_toy(parts, Interrupted(), config, checkpoint=Checkpointer(folder))
    torch.manual_seed(77)
    fresh = nn.Sequential(*toy_model().children())
    result = train_toy(fresh, config=config, checkpoint=Checkpointer(folder))
    assert result.resumed_at == stop
    assert_same(whole, fresh)
    for name in ("shard-00000.safetensors", "stream.json"):
        last = "step-00000020"
        assert (tmp_path / "whole" / last / name).read_bytes() == (tmp_path / "parts" / last / name).read_bytes()


def test_training_again_after_the_end_changes_nothing(tmp_path: Path) -> None:
    model = toy_model()
    train_toy(model, config=toy_config(), checkpoint=Checkpointer(str(tmp_path)))
    again = toy_model()
    result = train_toy(again, config=toy_config(), checkpoint=Checkpointer(str(tmp_path)))
    assert (result.resumed_at, result.report) == (20, None)
    assert_same(model, again)


def test_training_ends_after_too_many_skipped_steps_and_names_the_last_sound_checkpoint(tmp_path: Path) -> None:
    told = Recorder()
    config = toy_config(checkpoint_every=2, max_skipped_steps=2)
    with pytest.raises(LoomError) as caught:
        train_toy(stream=Poisoned(7, 8), config=config, checkpoint=Checkpointer(str(tmp_path)), observer=told)
    assert "2 steps in a row were skipped" in str(caught.value)
    assert "9-0, 9-1" in str(caught.value)
    assert "step-00000006 is the last sound checkpoint" in str(caught.value)
    assert told.checkpoints == [2, 4, 6]


def test_a_checkpoint_whose_weights_are_not_finite_is_not_called_sound(tmp_path: Path) -> None:
    class Breaking(nn.Linear):
        updates = 0

        @torch.no_grad()
        def after_step(self) -> None:
            self.updates += 1
            if self.updates == 4:
                self.weight.fill_(math.inf)

    config = toy_config(checkpoint_every=2, max_skipped_steps=1)
    with pytest.raises(LoomError, match="step-00000002 is the last sound checkpoint"):
        train_toy(Breaking(6, 1), config=config, checkpoint=Checkpointer(str(tmp_path)))


def test_a_run_with_skipped_steps_resumes_bit_for_bit_also_by_the_median(tmp_path: Path) -> None:
    class Jumping(Poisoned):
        def __next__(self) -> dict[str, Any]:
            step = self.position
            batch = super().__next__()
            return {**batch, "x": batch["x"] * (100 if step in (28, 34) else 1)}

    config = toy_config(steps=36, warmup=0, checkpoint_every=10, spike_factor=10.0)
    whole, parts = toy_model(), toy_model()
    result = train_toy(whole, Jumping(5), config, checkpoint=Checkpointer(str(tmp_path / "whole")))
    assert result.skipped_steps == 3
    folder = str(tmp_path / "parts")
    train_toy(parts, Jumping(5), config, checkpoint=Checkpointer(folder))
    delete(f"{folder}/step-00000036")
    again = toy_model()
    resumed = train_toy(again, Jumping(5), config, checkpoint=Checkpointer(folder))
    assert (resumed.resumed_at, resumed.skipped_steps) == (30, 1)
    assert_same(whole, again)


def test_a_stream_that_ends_is_an_error_with_the_step() -> None:
    with pytest.raises(InputError, match="ended before step 3"):
        train_toy(stream=ToyStream(limit=3))


def test_evaluation_sees_the_model_in_evaluation_mode_and_without_gradient_and_is_kept() -> None:
    calls: list[tuple[bool, bool]] = []

    def evaluate(model: nn.Module) -> Iterator[tuple[str, float]]:
        calls.append((model.training, torch.is_grad_enabled()))
        yield "figure", float(len(calls))

    told = Recorder()
    result = train_toy(config=toy_config(steps=6, evaluate_every=3), evaluate=evaluate, observer=told)
    assert calls == [(False, False)] * 2
    assert told.evaluations == [(3, {"figure": 1.0}), (6, {"figure": 2.0})]
    assert result.evaluation == {"figure": 2.0}


def test_the_best_weights_by_a_figure_are_kept_also_between_two_checkpoints(tmp_path: Path) -> None:
    figures = iter([0.1, 0.9, 0.3, 0.2])
    best: list[dict[str, torch.Tensor]] = []

    def evaluate(model: nn.Module) -> Iterator[tuple[str, float]]:
        best.append({name: value.clone() for name, value in states(model).items()})
        yield "figure", next(figures)

    checkpointer = Checkpointer(str(tmp_path), keep=1, keep_best="figure:max")
    config = toy_config(steps=20, checkpoint_every=10, evaluate_every=6)
    train_toy(config=config, evaluate=evaluate, checkpoint=checkpointer)
    assert complete_steps(str(tmp_path)) == [12, 20]
    delete(str(tmp_path / "step-00000020"))
    kept = toy_model()
    load_weights(kept, str(tmp_path / "step-00000012"))
    assert all(torch.equal(value, best[1][name]) for name, value in states(kept).items())


def test_a_resumed_run_evaluates_where_it_resumes_since_it_may_have_been_killed_before(tmp_path: Path) -> None:
    config = toy_config(steps=20, checkpoint_every=10, evaluate_every=5)
    evaluate = lambda _: [("figure", 0.5)]  # noqa: E731
    train_toy(config=config, evaluate=evaluate, checkpoint=Checkpointer(str(tmp_path)))
    delete(str(tmp_path / "step-00000020"))
    told = Recorder()
    train_toy(config=config, evaluate=evaluate, checkpoint=Checkpointer(str(tmp_path)), observer=told)
    assert [step for step, _ in told.evaluations] == [10, 15, 20]
    assert told.starts[0].resumed_at == 10


def test_the_callers_random_state_and_threads_are_restored() -> None:
    model = toy_model()
    before = torch.get_rng_state()
    train_toy(model, config=toy_config(steps=2, warmup=0, threads=2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == 1
