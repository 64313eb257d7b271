"""A language model as a task of the loop: trained on files of texts, from random weights or from a folder's."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.lm.config import data_config, model_config
from corpusloom.trainers.lm.data import TextStream, join_texts, read_texts
from corpusloom.trainers.lm.evaluate import likelihood, losses_per_sequence
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.lm.objective import NextToken
from corpusloom.trainers.lm.tokenizer import SPECIAL, TOKENIZER, TextTokenizer, read_files, train_tokenizer
from corpusloom.trainers.training import checkpoint, collectives, distributed
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, read_folder
from corpusloom.trainers.training.hub.shapes import flattened, nested, take_shape
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Objective, TrainingTask


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shape of the folder in `model.init`; a shape that was typed must not differ.

    `typed` are the keys that the user gave, None if all of the configuration is the user's.
    """
    init = model_config(config).init
    if init is None:
        return config
    flat = flattened(config.model)
    own = {key: value for key, value in flat.items() if typed is None or f"model.{key}" in typed}
    shape = flattened({"shape": adapter.shape_of(adapter.read_config(init))})
    return replace(config, model=take_shape(nested({**own, "init": init}), shape, init, typed))


def build_model(config: RunConfig) -> CausalLM:
    """Return the model with fresh weights; ConfigError if its positions are fewer than the tokens of a sequence."""
    shape = model_config(complete(config)).shape or {}
    return _checked(adapter.fresh(adapter.make_config(shape, f"{config.name}: model.shape")), config)


def initial_model(config: RunConfig) -> CausalLM:
    """Return the model with which training begins: that of `model.init`, else one with fresh weights."""
    init = model_config(config).init
    return build_model(config) if init is None else _checked(adapter.load(init), config)


def _checked(model: CausalLM, config: RunConfig) -> CausalLM:
    data = data_config(config)
    if data.tokens > model.context:
        raise ConfigError(
            f"data.tokens is {data.tokens}, the language model has {model.context} positions",
            where=config.name,
            remedy=f"--set data.tokens={model.context}",
        )
    return model


def build_objective(config: RunConfig, datasets: Iterable[str]) -> Objective:
    """Return the objective, which is the same for all texts."""
    return NextToken()


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ()) -> dict[str, Any]:
    """Return a batch of zeros as the stream of a run gives it."""
    return {"keys": [""] * rows, "tokens": torch.zeros(rows, data_config(config).tokens + 1, dtype=torch.int64)}


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the task of training on files of texts, which are read as one."""
    if any(share != 1 for _, share in datasets.values()):
        raise ConfigError("a file of texts has a share", where="--data", remedy="leave it out: all texts are read once")
    init, data = model_config(config).init, data_config(config)
    paths = [path for path, _ in datasets.values()]
    texts = [text for path in paths for text in read_texts(path)]
    skeleton = partial(build_model, config)
    model = with_weights(partial(initial_model, config), skeleton)
    tokenizer = make_tokenizer(config, texts, model.vocab_size)
    held_out = None if data.evaluate is None else join_texts(read_texts(data.evaluate), tokenizer)
    return TrainingTask(
        model=model,
        skeleton=skeleton,
        objective=build_objective(config, datasets),
        stream=TextStream(
            join_texts(texts, tokenizer),
            data.tokens,
            config.train.batch_size,
            seed=config.train.rng_seed,
            rank=distributed.data_rank(),
            ranks=distributed.data_ranks(),
            where=paths[0],
        ),
        example=lambda: example_batch(config, 1),
        evaluate=None if held_out is None else partial(_evaluate, held_out, data.tokens),
        figures=(*dict(likelihood(torch.ones(1), 2)),),
        attachments={**tokenizer.files(), **({} if init is None else read_folder(init).origin())},
    )


def read_model(folder: Folder) -> tuple[nn.Module, dict[str, bytes]]:
    """Return the language model in a folder of transformers, and the attachments for its checkpoints."""
    return adapter.load(folder.path), {**adapter.load_tokenizer(folder.path).files(), **folder.origin()}


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's language model into a folder in Hugging Face's layout."""
    assert isinstance(model, CausalLM)
    adapter.export(model, attachments, layout, out)


def _evaluate(ids: np.ndarray, tokens: int, model: nn.Module) -> Iterator[tuple[str, float]]:
    assert isinstance(model, CausalLM)
    losses = losses_per_sequence(model, ids, tokens, EvaluationSettings(batch_size=16)).tensors["loss"]
    yield from likelihood(losses, model.vocab_size)


def make_tokenizer(config: RunConfig, texts: list[str], rows: int) -> TextTokenizer:
    """Return the tokenizer of `data.tokenizer` or of the initial weights, else one learnt from the texts."""
    init, data = model_config(config).init, data_config(config)
    own = None if init is None else adapter.load_tokenizer(init)
    given = None if data.tokenizer is None else adapter.load_tokenizer(data.tokenizer)
    if own and given and own.files() != given.files():
        what = f"{data.tokenizer} is not the tokenizer in {init}"
        raise ConfigError(what, where="data.tokenizer", remedy="leave data.tokenizer out")
    tokenizer = given or own or collectives.from_rank_0(partial(train_tokenizer, texts, rows))
    tokenizer.check_fits(rows, data.tokenizer or config.name)
    return tokenizer


def load_evaluated(path: str) -> tuple[CausalLM, tuple[TextTokenizer, int]]:
    """Return a checkpoint's model, and for its evaluations the tokenizer and sequence length."""
    model, tokenizer, config = load_lm(path)
    return model, (tokenizer, data_config(config).tokens)


def load_lm(path: str) -> tuple[CausalLM, TextTokenizer, RunConfig]:
    """Return a checkpoint's model, in evaluation mode, its tokenizer and its configuration."""
    folder = folders.find(path)
    model, config = checkpoint.load_model(folder, build_model)
    files = {name: folders.read_attachment(folder, name) for name in (TOKENIZER, SPECIAL)}
    return model, read_files(files, folder), config
