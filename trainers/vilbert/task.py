"""ViLBERT as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.tables import read_table
from corpusloom.trainers.evaluation_batches import EvaluationSettings
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.checkpoint import find, load_model, read_attachment
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask
from corpusloom.trainers.vilbert.adapter import load_bert
from corpusloom.trainers.vilbert.config import (
    ViLBERTConfig,
    ViLBERTDataConfig,
    data_config,
    model_config,
    objective_config,
)
from corpusloom.trainers.vilbert.data import PretrainingTransform, read_vocabulary, train_tokenizer
from corpusloom.trainers.vilbert.evaluate import retrieve_from
from corpusloom.trainers.vilbert.model import ViLBERT
from corpusloom.trainers.vilbert.objective import make_objective

TOKENIZER = "tokenizer.json"


def complete(config: RunConfig, typed: Collection[str] | None = None) -> RunConfig:
    """Return the configuration as it is."""
    return config


def build_model(config: RunConfig) -> ViLBERT:
    """Return the model with fresh weights."""
    return ViLBERT(model_config(config))


def build_objective(config: RunConfig, datasets: Iterable[str] = ()) -> Objective:
    """Return the objective; a mixture of datasets is one stream with one loss."""
    return make_objective(objective_config(config))


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ()) -> dict[str, Any]:
    """Return a batch as the stream gives it, of zeros: all words and regions are masked."""
    shape, data = model_config(config), data_config(config)
    words, regions = (rows, data.tokens), (rows, data.regions)
    return {
        "keys": [""] * rows,
        "negative": torch.zeros(rows, 3, dtype=torch.float64),
        "original": torch.zeros(words, dtype=torch.int64),
        "tokens": torch.zeros(words, dtype=torch.int64),
        "token_mask": torch.ones(words, dtype=torch.bool),
        "word_labels": torch.zeros(words, dtype=torch.int64),
        "features": torch.zeros(rows, data.regions + 1, shape.feature_width, dtype=torch.float16),
        "locations": torch.zeros(rows, data.regions + 1, 5),
        "region_mask": torch.ones(rows, data.regions + 1, dtype=torch.bool),
        "masked_regions": torch.ones(regions, dtype=torch.bool),
        "class_probs": torch.zeros(*regions, shape.class_count, dtype=torch.float16),
    }


def captions(path: str) -> list[str]:
    """Return a dataset's distinct captions, sorted."""
    found: set[str] = set()
    for shard in read_manifest(path).shards:
        column = read_table(storage.join(path, shard.sidecar.name), ["caption"])["caption"]
        found.update(text for text in column.to_pylist() if text)
    return sorted(found)


def make_tokenizer(config: ViLBERTDataConfig, datasets: Mapping[str, tuple[str, float]]) -> Tokenizer:
    """Return the tokenizer of the configured vocabulary, or of one trained on the datasets' captions."""
    if config.vocabulary is not None:
        return read_vocabulary(config.vocabulary)
    return train_tokenizer((text for path, _ in datasets.values() for text in captions(path)), config.vocab_size)


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
    """Return the task of training a ViLBERT on datasets of regions: name -> (path, weight)."""
    data, shape = data_config(config), model_config(config)
    tokenizer = make_tokenizer(data, datasets)
    check_fits(tokenizer, data, shape, where=config.name)
    model = ViLBERT(shape)
    if shape.init is not None:
        load_bert(model, shape.init)
    paths = [path for path, _ in datasets.values()]
    stream = open_stream(config, dict(datasets.values()), split=data.split)
    transform = PretrainingTransform(tokenizer, data)
    return TrainingTask(
        model=model,
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=None if data.evaluate is None else retrieval_over(paths, data.evaluate, tokenizer, data),
        attachments={TOKENIZER: tokenizer.to_str().encode()},
    )


def check_fits(tokenizer: Tokenizer, data: ViLBERTDataConfig, shape: ViLBERTConfig, where: str) -> None:
    """Raise ConfigError if the model lacks embeddings for some ids or positions of captions."""
    if tokenizer.get_vocab_size() > shape.vocab_size:
        raise ConfigError(
            f"the vocabulary has {tokenizer.get_vocab_size()} words, the model {shape.vocab_size}",
            where=where,
            remedy="raise model.vocab_size or lower data.vocab_size",
        )
    if data.tokens > shape.max_tokens:
        raise ConfigError(
            f"captions have {data.tokens} tokens, the model {shape.max_tokens} positions",
            where=where,
            remedy="raise model.max_tokens or lower data.tokens",
        )


def retrieval_over(paths: Sequence[str], split: str, tokenizer: Tokenizer, data: ViLBERTDataConfig) -> Evaluate:
    """Return the evaluation of retrieval: each caption of one split ranks the split's images."""

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, ViLBERT)
        settings = EvaluationSettings(limit=data.evaluate_limit)
        return retrieve_from(model, (tokenizer, data), paths, settings, split).values.items()

    return evaluate


def load_evaluated(path: str) -> tuple[ViLBERT, tuple[Tokenizer, ViLBERTDataConfig]]:
    """Return what the evaluations of a ViLBERT take: a checkpoint's model, its tokenizer and data configuration."""
    model, config = load_model(path, build_model)
    tokenizer = Tokenizer.from_str(read_attachment(find(path), TOKENIZER).decode())
    return model, (tokenizer, data_config(config))
