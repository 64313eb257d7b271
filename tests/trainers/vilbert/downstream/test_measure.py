"""An evaluation measures the annotations whose images are there, in their own order, and counts the others."""

from pathlib import Path

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.expressions import read_expressions
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.downstream.measure import TaskTools, measure_annotations
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask
from tests.trainers.vilbert.downstream.test_model import task_model
from tests.trainers.vilbert.downstream.test_transform import TOKENIZER
from tests.trainers.vilbert.downstream.worlds import write_images, write_refcoco


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
