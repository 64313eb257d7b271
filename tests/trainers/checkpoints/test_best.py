"""The best checkpoint by a metric: chosen by its direction, recorded once its checkpoint is complete."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.trainers.checkpoints.best import BestCheckpoint
from tests.trainers.checkpoints.test_folders import make


@pytest.mark.parametrize(("direction", "better"), [("max", [1, 3]), ("min", [1, 2])])
def test_the_direction_decides(tmp_path: Path, direction: str, better: list[int]) -> None:
    best = BestCheckpoint(str(tmp_path), f"r1:{direction}")
    offers = {1: 5.0, 2: 4.0, 3: 6.0, 4: float("nan"), 5: 5.0}
    assert [step for step, value in offers.items() if best.offer(step, {"r1": value})] == better


def test_a_step_is_the_best_once_its_checkpoint_is_complete_also_for_a_later_run(tmp_path: Path) -> None:
    best = BestCheckpoint(str(tmp_path), "r1:max")
    assert best.offer(1, {"r1": 1.0})
    best.keep()
    assert best.step() is None
    make(tmp_path, 1)
    best.keep()
    assert best.step() == 1
    later = BestCheckpoint(str(tmp_path), "r1:max")
    assert not later.offer(2, {"r1": 0.5})
    assert BestCheckpoint(str(tmp_path), "loss:min").step() is None


def test_a_step_whose_checkpoint_failed_is_no_bar_for_later_ones(tmp_path: Path) -> None:
    best = BestCheckpoint(str(tmp_path), "r1:max")
    assert best.offer(1, {"r1": 1.0})
    best.forget(1)
    assert best.offer(2, {"r1": 0.5})


def test_without_a_metric_no_step_is_best_and_an_unknown_metric_is_named(tmp_path: Path) -> None:
    assert not BestCheckpoint(str(tmp_path), None).offer(1, {})
    with pytest.raises(ConfigError, match=r"train\.keep_best: the evaluation has no figure 'r2' \(one of r1, n\)"):
        BestCheckpoint(str(tmp_path), "r2:max").offer(1, {"r1": 1.0, "n": 2.0})


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    best = BestCheckpoint(str(tmp_path), "r1:max")
    make(tmp_path, 1)
    best.offer(1, {"r1": 1.0})
    best.keep()
    path = tmp_path / "best.json"
    path.write_text(path.read_text().replace('"step": 1', '"step": 2'))
    with pytest.raises(DamageError, match=r"best\.json"):
        best.step()
