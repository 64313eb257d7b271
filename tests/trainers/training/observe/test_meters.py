"""Means between reports, seconds by part, peak memory."""

import math

import pytest
import torch

from corpusloom.trainers.training.observe.meters import Meter, Stopwatch, peak_memory


def test_a_meter_means_over_what_was_added_and_begins_again() -> None:
    meter = Meter()
    meter.add({"a": (1.0, 1), "b": (torch.tensor([8.0]), 2)})
    meter.add({"a": (torch.tensor(5.0), torch.tensor(2))})
    assert meter.read() == {"a": 2.0, "b": 4.0}
    assert meter.read() == {}


def test_the_mean_of_no_value_is_nan() -> None:
    meter = Meter()
    meter.add({"a": (0.0, 0)})
    assert math.isnan(meter.read()["a"])


def test_a_stopwatch_divides_time_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 4.0, 4.5, 10.0])
    monkeypatch.setattr("corpusloom.trainers.training.observe.meters.time.perf_counter", lambda: next(now))
    watch = Stopwatch()
    with watch.part("data"):
        pass
    with watch.part("data"):
        pass
    assert watch.read() == (10.0, {"data": 2.5})


def test_peak_memory_off_cuda_is_resident_and_grows_with_what_is_touched() -> None:
    kind, before = peak_memory(torch.device("cpu"))
    assert kind == "rss"
    held = torch.ones(200_000_000, dtype=torch.uint8)
    assert held[-1] == 1
    after = peak_memory(torch.device("cpu"))[1]
    assert before >= 20_000_000
    assert after >= before


class FakeEvent:
    """An event of a device that reaches it some time after the host recorded it."""

    clock = 0.0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = FakeEvent.clock

    def elapsed_time(self, later: "FakeEvent") -> float:
        return (later.at - self.at) * 1e3


def test_on_cuda_a_part_takes_the_time_between_two_events_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[bool] = []
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: synchronised.append(True))
    watch = Stopwatch(torch.device("cuda"))
    for seconds in (0.5, 0.25):
        with watch.part("data"):
            FakeEvent.clock += seconds
    with watch.part("compute"):
        FakeEvent.clock += 2
    _, parts = watch.read()
    assert parts == {"data": 0.75, "compute": 2}
    assert synchronised == [True]
