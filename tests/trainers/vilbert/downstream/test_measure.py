"""An evaluation measures the annotations whose images are there, in their own order, and counts the others."""

import csv
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.expressions import read_expressions
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.downstream.measure import TaskTools, measure_annotations
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask
from corpusloom.trainers.vilbert.downstream.tasks.vcr import VCRTask
from tests.trainers.ranks import run_ranks
from tests.trainers.vilbert.downstream.test_model import task_model
from tests.trainers.vilbert.downstream.test_transform import TOKENIZER
from tests.trainers.vilbert.downstream.worlds import config, write_images, write_refcoco, write_vcr


def test_figures_do_not_depend_on_the_batch_and_name_what_is_left_out(tmp_path: Path) -> None:
    path, data = write_images(tmp_path / "regions", [1, 2]), TaskDataConfig(tokens=8, regions=6)
    joined = join(path, read_expressions(write_refcoco(tmp_path / "refs", [1, 2, 3]), data))
    tools, model = TaskTools(TOKENIZER, data, RefCOCOTask(6)), task_model("refcoco")
    found = [
        measure_annotations(model, model.config, tools, path, joined, EvaluationSettings(batch_size=size))
        for size in (3, 64)
    ]
    assert found[0].values == found[1].values
    assert (found[0].values["sentences"], found[0].values["left_out"]) == (16, 8)
    assert found[0].values["accuracy_of_the_best_region"] == 1
    assert found[0].values["accuracy_chance"] == 0.25
    assert found[0].notes == ("8 of 24 annotations are left out: the dataset lacks image 3, ...",)


def _evaluated(run_folder: str, data: str, test: str, out: str) -> dict[str, torch.Tensor]:
    settings = EvaluationSettings(batch_size=3, annotations=(test,))
    found = evaluate("vcr", run_folder, data, settings, device="cpu", out=out)
    return {"questions": torch.tensor(found.figures["questions"]), "reused": torch.tensor(found.reused)}


def _probabilities(path: Path) -> dict[str, torch.Tensor]:
    """Return the probabilities of each question in the submission beside a result."""
    rows = csv.reader(path.with_suffix(".submission.csv").read_text().splitlines()[1:])
    return {row[0]: torch.tensor([float(value) for value in row[1:]]) for row in rows}


def test_an_evaluation_of_vcr_is_shared_by_ranks_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = write_images(tmp_path / "regions", range(1, 6)), str(tmp_path / "run")
    files = [write_vcr(tmp_path, range(1, 6), split="train")]
    run("vilbert", config("vcr", files, "train.steps=1", "data.evaluate=off"), [data], folder)
    ask = partial(_evaluated, folder, data, write_vcr(tmp_path, range(1, 6), split="test", labels=False))
    ask(str(tmp_path / "alone.json"))
    run_ranks(partial(ask, str(tmp_path / "ranks.json")), tmp_path, 2)
    with monkeypatch.context() as changed:
        changed.setattr(VCRTask, "figures", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            ask(str(tmp_path / "cut.json"))
    assert ask(str(tmp_path / "cut.json"))["reused"] == 9  # batches of 3 for 25 problems
    alone = _probabilities(tmp_path / "alone.json")
    assert list(alone) == [f"test-{image}" for image in range(1, 6)]
    for name in ("ranks", "cut"):
        found = _probabilities(tmp_path / f"{name}.json")
        assert found.keys() == alone.keys()
        for question, values in found.items():
            torch.testing.assert_close(values, alone[question])
