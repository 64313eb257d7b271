"""A language model as a task: it learns texts, resumes bit for bit, begins from a folder and becomes one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.lm.data import read_texts
from corpusloom.trainers.lm.task import build_model, build_task, complete, load_lm
from corpusloom.trainers.lm.tokenizer import TextTokenizer, read_files, train_tokenizer
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.lm.tiny import tiny

TEXTS = [f"the {colour} star number {number}" for colour in ("red", "blue") for number in range(20)]
SMALL = [
    "model.shape.vocab_size=280", "model.shape.n_embd=16", "model.shape.n_layer=1", "model.shape.n_head=2",
    "data.tokens=16", "train.threads=1", "train.warmup=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    path.write_text("".join(f"{json.dumps(text)}\n" for text in TEXTS))
    return str(path)


@pytest.fixture(scope="module")
def trained(texts: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a run of 60 steps, with a checkpoint every 40."""
    out = str(tmp_path_factory.mktemp("run"))
    run("lm", config(f"data.evaluate='{texts}'", "train.steps=60", "train.checkpoint_every=40"), [texts], out)
    return out


def config(*assignments: str) -> RunConfig:
    return load_config("lm-tiny", [*SMALL, *assignments])


def tokenizer_of(texts: str) -> TextTokenizer:
    return train_tokenizer(read_texts(texts), 280)


def test_a_run_learns_the_texts_and_measures_them(trained: str, texts: str) -> None:
    result = json.loads((Path(trained) / "result.json").read_text())
    figures = result["evaluation"]
    assert figures["nats_per_token"] < figures["nats_per_token_chance"] - 2
    assert result["skipped"]["samples"] == 0
    model, tokenizer, config = load_lm(trained)
    assert not model.training
    assert config.family == "lm"
    assert tokenizer.text(tokenizer.ids("the red star")) == "the red star"
    again = evaluate("likelihood", trained, texts).figures
    assert again["nats_per_token"] == pytest.approx(figures["nats_per_token"])
    with pytest.raises(InputError, match=r"the texts have \d tokens"):
        evaluate("likelihood", trained, texts, EvaluationSettings(limit=1))


def test_a_killed_run_ends_with_the_same_weights(trained: str, texts: str, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    whole = load_lm(trained)[0].state_dict()
    shutil.rmtree(folders.find(str(tmp_path / "run")))
    same = config(f"data.evaluate='{texts}'", "train.steps=60", "train.checkpoint_every=40")
    assert run("lm", same, [texts], str(tmp_path / "run")).resumed_at == 40
    again = load_lm(str(tmp_path / "run"))[0].state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_a_run_becomes_a_folder_that_the_library_reads_and_training_begins_from(
    trained: str, texts: str, tmp_path: Path
) -> None:
    model, tokenizer, _ = load_lm(trained)
    folder = str(tmp_path / "lm")
    adapter.export(model, tokenizer.files(), "hf", folder)
    theirs, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = words("the red star", add_special_tokens=False).input_ids
    assert ids == tokenizer.ids("the red star")
    assert (words.bos_token, words.eos_token, words.pad_token) == ("<BOS>", "<EOS>", "<PAD>")
    half = theirs(torch.tensor([ids])).logits
    assert theirs.dtype == torch.float16
    torch.testing.assert_close(half.float(), model(torch.tensor([ids])), atol=0.02, rtol=0)
    begun = complete(config(f"model.init='{folder}'"), typed=["model.init"])
    assert begun.model["shape"]["n_embd"] == 16
    task = build_task(begun, {"texts": (texts, 1.0)})
    torch.testing.assert_close(task.model(torch.tensor([ids])), half.float(), atol=0.02, rtol=0)
    assert read_files(task.attachments, folder).ids("the red star 7") == tokenizer.ids("the red star 7")
    with pytest.raises(ConfigError, match=r"model\.shape\.n_embd is 32, and 16 in"):
        complete(config(f"model.init='{folder}'", "model.shape.n_embd=32"), typed=["model.init", "model.shape.n_embd"])


def test_a_folder_of_another_family_replaces_the_shape(texts: str, tmp_path: Path) -> None:
    adapter.export(tiny("llama", vocab_size=300), tokenizer_of(texts).files(), "hf", str(tmp_path))
    begun = complete(config(f"model.init='{tmp_path}'"), typed=["model.init"])
    assert begun.model["shape"]["model_type"] == "llama"
    assert "n_embd" not in begun.model["shape"]
    assert build_model(begun).config.model_type == "llama"


def test_what_does_not_fit_is_refused_before_training(texts: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.tokens is 300, the language model has 256 positions"):
        build_model(config("data.tokens=300"))
    with pytest.raises(ConfigError, match="has a share"):
        build_task(config(), {"texts": (texts, 0.5)})
    adapter.export(tiny(), tokenizer_of(texts).files(), "hf", str(tmp_path))  # 280 ids for an embedding of 50 rows
    with pytest.raises(ConfigError, match=r"largest id is 279, the embedding has 50 rows"):
        build_task(complete(config(f"model.init='{tmp_path}'"), ["model.init"]), {"texts": (texts, 1.0)})
    plain = replace(config(), model={**config().model, "init": None})
    assert complete(plain) == plain
