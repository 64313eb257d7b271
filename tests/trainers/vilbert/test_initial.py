"""A ViLBERT begins from a run or a folder: shape, weights and vocabulary come along, and other sources are refused."""

import shutil
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.vilbert.initial import initial_model, make_tokenizer, source_of, take_source
from tests.trainers.saved_weights import saved_weights
from tests.trainers.vilbert.region_pairs import write_regions
from tests.trainers.vilbert.test_task import SMALL


def config(*assignments: str) -> RunConfig:
    return load_config("vilbert-tiny", [*SMALL, "train.steps=1", *assignments])


def trained(folder: Path) -> str:
    run("vilbert", config(), [write_regions(folder / "regions", 16)], str(folder / "run"))
    return str(folder / "run")


def test_a_run_gives_shape_weights_and_vocabulary_and_outlives_its_source(tmp_path: Path) -> None:
    path = trained(tmp_path)
    ready = take_source(load_config("vilbert-base", [f"model.init={path}"]), {"model.init"})
    assert (ready.model["hidden"], ready.model["vocab_size"], ready.model["layers"]) == (16, 512, 3)
    source = source_of(ready)
    found, saved = initial_model(ready, source).state_dict(), saved_weights(f"{path}/checkpoints/step-00000001")
    assert all(torch.equal(found[name], tensor) for name, tensor in saved.items())
    tokenizer, learnt = make_tokenizer(source, None, 512, lambda: ["never read"])
    assert not learnt
    assert tokenizer.token_to_id("red") is not None
    with pytest.raises(ConfigError, match=r"model\.hidden is 24, and 16 in "):
        take_source(load_config("vilbert-base", [f"model.init={path}", "model.hidden=24"]), {"model.hidden"})
    again = config(f"model.init={path}", "train.checkpoint_every=1")
    run("vilbert", again, [str(tmp_path / "regions")], str(tmp_path / "tuned"))
    shutil.rmtree(path)
    longer = config(f"model.init={path}", "train.steps=2")
    assert run("vilbert", longer, [str(tmp_path / "regions")], str(tmp_path / "tuned")).resumed_at == 1
    with pytest.raises(InputError, match=r"model\.init: is not there .*give a run of loom train vilbert"):
        take_source(longer)
