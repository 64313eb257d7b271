"""A window of steps is profiled into a Chrome trace."""

import json
from pathlib import Path

import fsspec
import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.observe.profiler import StepProfiler, StepWindow, parse_window


@pytest.mark.parametrize("text", ["", "3", "5:5", "7:3", "a:b", "1:2:3", "-1:2"])
def test_a_window_is_two_numbers_that_grow(text: str) -> None:
    with pytest.raises(ConfigError, match="--profile"):
        parse_window(text)


def run_steps(profiler: StepProfiler, steps: int) -> None:
    profiler.after(0)
    for step in range(1, steps + 1):
        with torch.profiler.record_function(f"step {step}"):
            torch.ones(3).sum()
        profiler.after(step)
    profiler.close()


def recorded(trace: bytes) -> set[str]:
    return {name for event in json.loads(trace)["traceEvents"] if (name := event.get("name", "")).startswith("step ")}


def test_the_steps_of_the_window_and_no_others_are_in_the_trace(tmp_path: Path) -> None:
    profiler = StepProfiler(parse_window("2:4"), str(tmp_path))
    run_steps(profiler, 6)
    assert recorded((tmp_path / "rank-0-steps-2-4.json").read_bytes()) == {"step 3", "step 4"}
    assert profiler.path == str(tmp_path / "rank-0-steps-2-4.json")


def test_a_window_beyond_the_last_step_holds_what_there_is_and_may_lie_on_an_object_store() -> None:
    run_steps(StepProfiler(StepWindow(0, 9), "memory://profile"), 2)
    assert recorded(fsspec.filesystem("memory").cat("memory://profile/rank-0-steps-0-9.json")) == {"step 1", "step 2"}
