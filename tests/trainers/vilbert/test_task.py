"""ViLBERT trained on a dataset of regions: it resumes bit for bit, and is evaluated on held-out samples."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints.folders import read_attachment
from corpusloom.trainers.jobs.dry_run import count_parameters
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import RunConfig, config_names, load_config
from corpusloom.trainers.vilbert.adapter import export
from corpusloom.trainers.vilbert.config import data_config, model_config, objective_config
from corpusloom.trainers.vilbert.downstream.model import TaskModel
from corpusloom.trainers.vilbert.initial import build_model
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.task import build_task, complete, load_evaluated
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer
from tests.trainers.saved_weights import saved_weights
from tests.trainers.vilbert.folders import WORDS, bert_folder
from tests.trainers.vilbert.region_pairs import CLASSES, WIDTH, write_regions
from tests.trainers.vilbert.small import small_model

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
    model, tools = load_evaluated(str(tmp_path / "run"))
    assert isinstance(model, ViLBERT)
    learnt = build_task(config(), {"regions": (data, 1.0)}).attachments["tokenizer.json"]
    assert tools.tokenizer.to_str().encode() == learnt


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("model.vocab_size=8", "the vocabulary has"), ("model.max_tokens=4", "positions"), ("data.regoins=3", "regions")],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path: Path, assignment: str, message: str) -> None:
    data = write_regions(tmp_path / "regions", 16)
    with pytest.raises(ConfigError, match=message):
        build_task(config(assignment), {"regions": (data, 1.0)})


def test_a_run_from_a_bert_takes_its_shape_weights_and_vocabulary(tmp_path: Path) -> None:
    folder, theirs = bert_folder(tmp_path / "bert")
    plain = config(f"model.init={folder}", "model.t_connections=[2, 3]", "data.tokens=16", "train.lr=1e-30")
    ready = complete(plain, {"model.init", "model.t_connections"})
    assert (model_config(ready).hidden, model_config(ready).layers, model_config(ready).v_hidden) == (24, 4, 16)
    result = run("vilbert", ready, [write_regions(tmp_path / "regions", 16)], str(tmp_path / "run"))
    found = saved_weights(result.checkpoint or "")
    torch.testing.assert_close(
        found["text_embeddings.token.weight"], theirs.bert.embeddings.word_embeddings.weight.data
    )
    kept = Tokenizer.from_str(read_attachment(result.checkpoint or "", "tokenizer.json").decode())
    assert [kept.token_to_id(word) for word in WORDS] == list(range(len(WORDS)))
    with pytest.raises(ConfigError, match=r"model\.vocab_size is 512, and 50 in .*bert .leave model\.vocab_size out"):
        complete(plain)


def test_a_whole_vilbert_comes_in_by_its_folder(tmp_path: Path) -> None:
    folder, model = str(tmp_path / "vilbert"), small_model()
    export(model, make_tokenizer({word: number for number, word in enumerate(WORDS)}), {}, "hf", folder)
    ready = complete(config(f"model.init={folder}", "data.tokens=16"), {"model.init"})
    task = build_task(ready, {"regions": (write_regions(tmp_path / "regions", 16), 1.0)})
    assert all(torch.equal(task.model.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert {"origin.hf.config.json", "origin.hf.unused.tensors"} <= set(task.attachments)


def test_pretrained_weights_need_their_own_vocabulary(tmp_path: Path) -> None:
    folder, _ = bert_folder(tmp_path / "bert", vocabulary=False)
    data = {"regions": (write_regions(tmp_path / "regions", 16), 1.0)}
    init = (f"model.init={folder}", "model.t_connections=[2, 3]", "data.tokens=16")
    with pytest.raises(ConfigError, match=r"^data\.vocabulary: .*bert has no vocabulary, and one that is learnt anew"):
        build_task(complete(config(*init), ()), data)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    given = (*init, f"data.vocabulary={tmp_path / 'vocab.txt'}")
    assert b'"disc":10' in build_task(complete(config(*given), ()), data).attachments["tokenizer.json"]
    (tmp_path / "bert/vocab.txt").write_text("\n".join(WORDS[:-1]) + "\n")
    with pytest.raises(ConfigError, match=r"vocab\.txt is not the vocabulary in .*leave data\.vocabulary out"):
        build_task(complete(config(*given), ()), data)


@pytest.mark.parametrize("name", ["vilbert-base", "vilbert-published"])
def test_the_large_configurations_have_the_published_shape(name: str) -> None:
    with torch.device("meta"):
        total = count_parameters(registry.build_model(load_config(name)))["total"]
    assert total + 11_020_800 == 250_044_029  # the q_dense layers, which the public code never uses


def test_vilbert_published_has_the_papers_objective_and_the_public_codes_switches() -> None:
    published = load_config("vilbert-published")
    assert model_config(published).init_lr_factor == 0.1
    objective = objective_config(published)
    assert (objective.negatives, objective.softmax_negatives, objective.masked_on_negatives) == (0.5, 0, True)
    assert data_config(published).leak_iou is None
    assert (published.train.steps * published.train.batch_size * 8) // 3_100_000 == 9  # 10 epochs of about 3.1 M pairs


@pytest.mark.parametrize("name", [name for name in config_names() if name.startswith("vilbert-")])
def test_each_shipped_configuration_builds(name: str) -> None:
    with torch.device("meta"):
        model = registry.build_model(load_config(name))
    heads_of_pre_training = load_config(name).model.get("task", "pretrain") in ("pretrain", "retrieval")
    assert isinstance(model, ViLBERT if heads_of_pre_training else TaskModel)


@pytest.mark.parametrize(("key", "found"), [("feature_width", WIDTH), ("class_count", CLASSES)])
def test_regions_of_another_detector_are_refused_with_the_key(tmp_path: Path, key: str, found: int) -> None:
    task = build_task(config(f"model.{key}={found + 1}"), {"regions": (write_regions(tmp_path / "regions", 16), 1.0)})
    with pytest.raises(
        ConfigError, match=rf"model\.{key}: .* have {found}, the model {found + 1} .*set model\.{key}={found}"
    ):
        next(task.stream)


def test_a_split_to_evaluate_on_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    data = {"regions": (write_regions(tmp_path / "regions", 16, held_out=4), 1.0)}
    with pytest.raises(InputError, match=r"holds no sample .*split 'vall'"):
        build_task(config("data.evaluate=vall"), data)
    assert any("trained on" in note for note in build_task(config("data.evaluate=val"), data).notes)


def test_a_single_stream_is_trained_and_a_task_takes_it_from_its_run(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 30, held_out=10)
    ready = config("model.streams=1", 'data.evaluate="val"')
    result = run("vilbert", ready, [data], str(tmp_path / "run"))
    assert result.evaluation["n"] == 10
    model, _ = load_evaluated(str(tmp_path / "run"))
    assert model.config.streams == 1
    task = load_config("vilbert-vqa", [f"model.init={tmp_path / 'run'}"])
    taken = build_model(complete(task, {"model.init"}))
    assert taken.config.streams == 1
    assert not len(taken.connections)
