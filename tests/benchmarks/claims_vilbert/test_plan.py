"""The plan: each run is a configuration that loads, and a model differs from the base in what its name says."""

from pathlib import Path

import pytest
import torch

from benchmarks.claims_vilbert import plan
from benchmarks.claims_vilbert.claims import CLAIMS, wanted_of
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.config import model_config, tables_of
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> plan.World:
    return plan.write_world(plan.QUICK, tmp_path_factory.mktemp("world"))


def test_scenes_of_exam_fine_tuning_and_pretraining_are_apart_and_shares_are_nested(world: plan.World) -> None:
    numbers = [{scene.number for scene in scenes} for scenes in (world.pretraining, world.training, world.exam)]
    assert len(set.union(*numbers)) == sum(map(len, numbers))
    assert set(world.shares) == {0.25, 0.5, 1.0}


@pytest.mark.parametrize("given", [*plan.SHARES[1:], plan.ONE_STREAM], ids=lambda given: given.name)
def test_pre_trainings_differ_in_data_or_streams_alone(given: plan.Pretrained, world: plan.World) -> None:
    base, own = (plan.pretraining_run(model, plan.QUICK, world, 0) for model in (plan.BASE, given))
    assert set(own.settings) - set(base.settings) == set(given.settings)
    assert (own.data == base.data) == (given.share == 1)
    tables_of(load_config(own.config, own.settings))


def test_the_single_stream_has_about_as_many_parameters(world: plan.World) -> None:
    sizes = []
    for given in (plan.BASE, plan.ONE_STREAM):
        run = plan.pretraining_run(given, plan.QUICK, world, 0)
        with torch.device("meta"):
            model = ViLBERT(model_config(load_config(run.config, run.settings)))
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


@pytest.mark.parametrize("task", plan.TASKS.values(), ids=lambda task: task.name)
def test_a_task_with_and_without_pre_training_has_one_model_and_schedule(task: plan.Task, world: plan.World) -> None:
    runs = [plan.task_run(task, plan.BASE, plan.FULL, world, init, 0) for init in (None, Path("run"))]
    assert set(runs[1].settings) - set(runs[0].settings) == {"model.init='run'"}
    config = load_config(runs[0].config, runs[0].settings)
    assert config.train.steps == round(task.steps * plan.FULL.task_steps)
    assert model_config(config).task == task.name
    assert runs[0].folder(Path()) != runs[1].folder(Path())


def test_claims_share_models_and_every_model_is_wanted_once() -> None:
    assert wanted_of(["zero-shot"]) == [(plan.BASE, None)]
    every = wanted_of(list(CLAIMS))
    assert len(every) == len(set(every)) == 4 + 5 * len(plan.TASKS)
    assert (plan.RANDOM, None) not in every
