"""A reporter prints one line per stage, and keeps seconds by label and the metrics of the stage that ran."""

import io
import logging
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from rich.console import Console

from corpusloom.pipelines.engine import progress
from corpusloom.pipelines.engine.logs import FIELDS, LOGGER
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.progress import Reporter


def reporter(**flags: bool) -> tuple[Reporter, io.StringIO]:
    """Return a reporter and the text that it prints to."""
    out = io.StringIO()
    return Reporter(console=Console(file=out, width=100, force_terminal=False), **flags), out


def test_a_stage_is_one_line_and_its_seconds_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5, 20.0, 22.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    made, out = reporter()
    for _ in range(2):
        with made.stage("pages"):
            pass
    assert made.seconds == {"pages": 3.5}
    assert out.getvalue() == "  pages: 1.5 s\n  pages: 2.0 s\n"


def test_a_part_of_a_stage_is_shown_by_its_detail_and_added_to_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.0, 3.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    made, out = reporter()
    for detail in ("fetch 2 images", "facts of 2 images"):
        with made.stage("images", detail=detail):
            pass
    assert made.seconds == {"images": 3.0}
    assert out.getvalue() == "  fetch 2 images: 1.0 s\n  facts of 2 images: 2.0 s\n"


def test_a_stage_that_fails_is_not_reported_as_finished() -> None:
    made, out = reporter()
    with pytest.raises(ValueError, match="broken"), made.stage("pages"):
        raise ValueError("broken")
    assert (made.seconds, out.getvalue()) == ({}, "")


def test_quiet_prints_warnings_alone() -> None:
    made, out = reporter(quiet=True)
    made.note("a note")
    with made.stage("pages"):
        pass
    made.warn("[a warning]")
    assert out.getvalue() == "[a warning]\n"
    assert list(made.seconds) == ["pages"]


def test_json_logs_each_stage_with_what_it_alone_measured(caplog: pytest.LogCaptureFixture) -> None:
    made, out = reporter(json=True)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        for label, count in (("pages", 3), ("images", 4)):
            with made.stage(label):
                made.add_measures(Measures(counters={"kept": count}))
    events = [(record.getMessage(), getattr(record, FIELDS)) for record in caplog.records]
    assert [(event, fields["stage"]) for event, fields in events] == [
        ("stage started", "pages"),
        ("stage finished", "pages"),
        ("stage started", "images"),
        ("stage finished", "images"),
    ]
    assert [fields["counts"] for event, fields in events if event == "stage finished"] == [{"kept": 3}, {"kept": 4}]
    assert made.measures.counters == {"kept": 7}
    assert out.getvalue() == ""


def test_a_fresh_reporter_prints_to_the_same_place_and_has_measured_nothing() -> None:
    made, out = reporter()
    with made.stage("pages"):
        made.add_measures(Measures(counters={"kept": 1}))
    fresh = made.fresh()
    fresh.note("hello")
    assert out.getvalue().endswith("hello\n")
    assert (fresh.seconds, fresh.measures.counters) == ({}, {})


def test_off_a_terminal_a_running_stage_is_told_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.001)
    made, out = reporter()
    with made.stage("shards", 8, lambda: 2, unit="shards"):
        wait_for(lambda: "2 of 8 shards" in out.getvalue())
    with made.stage("select"):
        wait_for(lambda: "select: running for" in out.getvalue())
    quiet, silent = reporter(quiet=True)
    with quiet.stage("shards", 8, lambda: 2):
        time.sleep(0.01)
    assert silent.getvalue() == ""


def test_a_stage_is_told_every_half_minute() -> None:
    assert progress.HEARTBEAT_SECONDS == 30.0


def test_json_logs_the_progress_of_a_stage(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.001)
    made, _ = reporter(json=True)
    counts = iter([5, *range(10, 1_000)])
    with (
        caplog.at_level(logging.INFO, logger=LOGGER),
        made.stage("images", 2_000, lambda: next(counts), detail="fetch"),
    ):
        wait_for(lambda: any(record.getMessage() == "progress" for record in caplog.records))
    fields = next(getattr(record, FIELDS) for record in caplog.records if record.getMessage() == "progress")
    assert (fields["stage"], fields["detail"], fields["done"], fields["total"]) == ("images", "fetch", 10, 2_000)
    assert fields["per_second"] > 0
    assert fields["seconds_left"] >= 0


@pytest.mark.parametrize(("total", "expected"), [(8, "2 of 8 shards"), (None, "2 shards so far")])
def test_a_bar_never_shows_an_unknown_total_as_a_question(
    total: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.001)
    out = io.StringIO()
    made = Reporter(console=Console(file=out, width=100, force_terminal=True))
    with made.stage("shards", total, lambda: 2, unit="shards"):
        wait_for(lambda: expected in out.getvalue())
    assert "/?" not in out.getvalue()


def test_an_event_is_a_line_for_people_and_fields_for_machines(caplog: pytest.LogCaptureFixture) -> None:
    made, out = reporter()
    made.event("step", "step 1 of 2", step=1)
    assert out.getvalue() == "step 1 of 2\n"
    with caplog.at_level(logging.INFO, logger=LOGGER):
        reporter(json=True)[0].event("step", "step 1 of 2", step=1)
    assert [(record.getMessage(), getattr(record, FIELDS)) for record in caplog.records] == [("step", {"step": 1})]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most five seconds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_bar_that_cannot_be_read_ends_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.001)
    out = io.StringIO()
    made = Reporter(console=Console(file=out, width=100, force_terminal=True))
    asked: list[int] = []

    def done() -> int:
        asked.append(1)
        raise OSError("gone")

    with made.stage("pages", total=3, done=done):
        while len(asked) < 2:
            time.sleep(0.001)
    assert "pages: " in out.getvalue()
