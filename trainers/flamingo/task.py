"""Flamingo as a task of the loop: a frozen CLIP image tower and a frozen language model, trained on pages and pairs."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip import task as clip_task
from corpusloom.trainers.flamingo import language_model
from corpusloom.trainers.flamingo.config import BUNDLED, FlamingoDataConfig, data_config, parts
from corpusloom.trainers.flamingo.data import FlamingoTransform, Vocabulary
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import make_objective
from corpusloom.trainers.stream.batches.joint import JointBatches
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.training.task import Objective, TrainingTask

TOKENIZER = "tokenizer.json"


def build_model(config: RunConfig) -> Flamingo:
    """Return the model; frozen parts have the weights that the configuration names, if any."""
    shape, vision, language = parts(config)
    if vision.checkpoint is not None and torch.empty(0).device.type != "meta":
        clip, _ = checkpoint.load_model(vision.checkpoint, clip_task.build_model)
    else:
        clip = clip_task.build_model(load_config(vision.config))
    if language.shape is not None:
        text: nn.Module = language_model.LanguageModel(language.shape)
    else:
        text = language_model.load(language.weights or BUNDLED)[0]
    return Flamingo(shape, clip.image, text)


def vocabulary_of(config: RunConfig) -> Vocabulary:
    """Return the language model's tokenizer, and <EOC> as the id after its ids."""
    _, _, language = parts(config)
    model, tokenizer = language_model.load(language.weights or BUNDLED)
    return Vocabulary(tokenizer, model.vocab_size)


def build_objective(config: RunConfig, datasets: Iterable[str]) -> Objective:
    """Return the objective over datasets of these names; ConfigError if `data.lambdas` names another."""
    data, names = data_config(config), list(datasets)
    for name, value in data.lambdas.items():
        if name not in names:
            raise ConfigError(f"no dataset {name!r}", where="data.lambdas", remedy=f"there are {', '.join(names)}")
        if value <= 0:
            raise ConfigError(f"{name} is {value}", where="data.lambdas", remedy="give a factor above 0")
    return make_objective({name: data.lambdas.get(name, 1.0) for name in names}, per_token=data.per_token)


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ("data",)) -> dict[str, dict[str, Any]]:
    """Return a batch of zeros as the stream of a run over these datasets gives it: windows of pages."""
    data = data_config(config)
    return {name: _example_window(data, rows) for name in datasets}


def _example_window(data: FlamingoDataConfig, rows: int) -> dict[str, Any]:
    return {
        "keys": [""] * rows,
        "images": torch.zeros(rows, data.images, 1, 3, data.size, data.size, dtype=torch.uint8),
        "tokens": torch.zeros(rows, data.tokens, dtype=torch.int64),
        "phi": torch.ones(rows, data.tokens, dtype=torch.int64),
        "counted": torch.ones(rows, data.tokens, dtype=torch.bool),
    }


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
    """Return the task with one stream per dataset, each of `train.batch_size` times its share of samples per batch."""
    _, vision, _ = parts(config)
    if vision.checkpoint is None:
        raise ConfigError(
            "no vision encoder", where=config.name, remedy="--set model.vision.checkpoint=RUN, a run of loom train clip"
        )
    objective = build_objective(config, datasets)
    vocabulary = vocabulary_of(config)
    transform = FlamingoTransform(vocabulary, data_config(config))
    streams = {
        name: make_batches(
            config,
            open_stream(config, path, seed_offset=number),
            transform,
            batch_size=max(1, round(config.train.batch_size * share)),
        )
        for number, (name, (path, share)) in enumerate(datasets.items())
    }
    return TrainingTask(
        model=build_model(config),
        objective=objective,
        stream=JointBatches(streams),
        example=lambda: example_batch(config, 1, datasets),
        attachments={TOKENIZER: vocabulary.tokenizer.to_str().encode()},
    )


def evaluation_transform(path: str, config: RunConfig) -> FlamingoTransform:
    """Return the transform of a checkpoint, with its own tokenizer and without augmentation."""
    tokenizer = Tokenizer.from_str(checkpoint.read_attachment(checkpoint.find(path), TOKENIZER).decode())
    _, _, language = parts(config)
    size: Any = language.shape.vocab_size if language.shape else tokenizer.get_vocab_size()
    return FlamingoTransform(Vocabulary(tokenizer, size), data_config(config), augment=False)


def load_evaluated(path: str) -> tuple[Flamingo, FlamingoTransform]:
    """Return what the evaluations of a Flamingo take: a checkpoint's model, and the transform of its samples."""
    model, config = checkpoint.load_model(path, build_model)
    return model, evaluation_transform(path, config)
