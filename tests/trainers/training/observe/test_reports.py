"""The start of a run as a line, a report as a flat table, and several observers as one."""

from collections.abc import Mapping

from corpusloom.trainers.training.observe.reports import Observer, Observers, RunStart, StepReport
from tests.trainers.training.observe.sample_reports import report, start


def test_the_start_says_where_what_and_from_which_step() -> None:
    assert str(start()) == (
        "clip-tiny on cpu, 1 thread, 1 rank, fp32: 1,234,567 parameters, 1,000 trained; align 1,043 samples; "
        "64 samples per step; 750 steps"
    )
    several = str(start(ranks=8, plan="2 replicated x 4 sharded x 1 split", resumed_at=100))
    assert "8 ranks (2 replicated x 4 sharded x 1 split)" in several
    assert several.endswith("resumes at step 100 of 750 steps")


def test_a_report_is_a_flat_table() -> None:
    assert report(1).to_plain() == {
        "step": 1, "loss": 1.0, "grad_norm": 2.0, "lr": 0.1, "samples": 4, "skipped": 0, "skipped_steps": 0,
        "samples_per_second": 8.0, "wait": 0.25, "memory/rss": 1_000_000, "seconds/data": 0.25, "seconds/compute": 0.75,
        "accuracy": 0.5,
    }  # fmt: skip
    assert report(1, mfu=0.4, memory_kind="allocated").to_plain()["mfu"] == 0.4
    assert report(15).seconds_left == 5.0


class Listening(Observer):
    """An observer that takes reports and evaluations, and nothing else."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def report(self, report: StepReport) -> None:
        self.heard.append(report.step)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        self.heard.append((step, dict(figures)))


def test_each_observer_hears_all_and_may_leave_out_what_it_does_not_need() -> None:
    ears = [Listening(), Listening()]
    both = Observers(ears)
    tell_all(both, start())
    assert [ear.heard for ear in ears] == [[5, (5, {"r1": 0.5})]] * 2


def tell_all(observer: Observer, begins: RunStart) -> None:
    observer.start(begins)
    observer.report(report(5))
    observer.evaluation(5, {"r1": 0.5})
    observer.saved(5, "run/checkpoints/step-00000005")
    observer.note("something")
    observer.close()
