"""ViLBERT trained on a dataset of regions: it resumes bit for bit, and is evaluated on held-out samples."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.describe import describe_run
from corpusloom.trainers.run import run
from corpusloom.trainers.training.config import RunConfig, config_names, load_config
from corpusloom.trainers.vilbert.config import model_config
from corpusloom.trainers.vilbert.model import ViLBERT, unused_query_weights
from corpusloom.trainers.vilbert.task import build_task, load_evaluated
from tests.trainers.vilbert.region_pairs import write_regions

SMALL = (
    "model.hidden=16",
    "model.v_hidden=16",
    "model.co_hidden=16",
    "model.ffw=32",
    "model.v_ffw=32",
    "model.feature_width=10",
    "model.class_count=12",
    "data.regions=8",
    "train.batch_size=8",
    "train.warmup=2",
    "train.threads=1",
    "train.workers=0",
    "train.steps=12",
    "train.checkpoint_every=6",
)


def config(*assignments: str) -> RunConfig:
    return load_config("vilbert-tiny", [*SMALL, *assignments])


def weights(folder: str) -> dict[str, torch.Tensor]:
    return {name: tensor for path in Path(folder).glob("*.safetensors") for name, tensor in load_file(path).items()}


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 24)
    whole = run("vilbert", config("model.dropout=0.1"), [data], str(tmp_path / "whole"))
    folder = tmp_path / "cut"
    run("vilbert", config("model.dropout=0.1"), [data], str(folder))
    shutil.rmtree(folder / "checkpoints" / Path(whole.checkpoint or "").name)
    again = run("vilbert", config("model.dropout=0.1"), [data], str(folder))
    assert again.resumed_at == 6
    first, second = weights(whole.checkpoint or ""), weights(again.checkpoint or "")
    assert set(first) == set(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_held_out_split_is_evaluated_and_not_trained_on(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 30, held_out=10)
    result = run("vilbert", config('data.split="train"', 'data.evaluate="val"'), [data], str(tmp_path / "run"))
    assert result.evaluation["n"] == 10
    assert result.evaluation["chance"] == pytest.approx(0.1)


def test_a_checkpoint_reads_captions_with_its_own_vocabulary(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 16)
    run("vilbert", config(), [data], str(tmp_path / "run"))
    model, (tokenizer, _) = load_evaluated(str(tmp_path / "run"))
    assert isinstance(model, ViLBERT)
    learnt = build_task(config(), {"regions": (data, 1.0)}).attachments["tokenizer.json"]
    assert tokenizer.to_str().encode() == learnt


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("model.vocab_size=8", "the vocabulary has"), ("model.max_tokens=4", "positions"), ("data.regoins=3", "regions")],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, assignment: str, message: str) -> None:
    data = write_regions(tmp_path / "regions", 16)
    with pytest.raises(ConfigError, match=message):
        build_task(config(assignment), {"regions": (data, 1.0)})


def test_vilbert_base_has_the_published_shape() -> None:
    base = load_config("vilbert-base")
    described = describe_run(base)
    assert described["parameters"]["total"] + unused_query_weights(model_config(base)) == 250_044_029


@pytest.mark.parametrize("name", [name for name in config_names() if name.startswith("vilbert-")])
def test_each_shipped_configuration_builds(name: str) -> None:
    with torch.device("meta"):
        assert isinstance(registry.build_model(load_config(name)), ViLBERT)
