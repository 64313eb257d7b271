"""ViLBERT as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.tables import read_table
from corpusloom.trainers.checkpoints.folders import find, read_attachment
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.loader import make_batches, open_stream
from corpusloom.trainers.training.loop import Evaluate, to_device
from corpusloom.trainers.training.task import TrainingTask
from corpusloom.trainers.vilbert.adapter import load_bert
from corpusloom.trainers.vilbert.config import (
    ViLBERTConfig,
    ViLBERTDataConfig,
    data_config,
    model_config,
    objective_config,
)
from corpusloom.trainers.vilbert.data import PretrainingTransform, read_vocabulary, train_tokenizer
from corpusloom.trainers.vilbert.evaluate import evaluate_batch
from corpusloom.trainers.vilbert.model import ViLBERT
from corpusloom.trainers.vilbert.objective import make_objective

TOKENIZER = "tokenizer.json"


def complete(config: RunConfig, typed: Collection[str] | None = None) -> RunConfig:
    """Return the configuration as it is."""
    return config


def build_model(config: RunConfig) -> ViLBERT:
    """Return the model with fresh weights."""
    return ViLBERT(model_config(config))


def example_forward(model: nn.Module, batch_size: int) -> object:
    """Run one forward pass over meta tensors, whose FLOPs are counted."""
    config: ViLBERTConfig = model.config  # type: ignore[assignment]
    regions, tokens = 37, 36
    return model(
        torch.zeros(batch_size, tokens, dtype=torch.long, device="meta"),
        torch.ones(batch_size, tokens, dtype=torch.bool, device="meta"),
        torch.zeros(batch_size, regions, config.feature_width, device="meta"),
        torch.zeros(batch_size, regions, 5, device="meta"),
        torch.ones(batch_size, regions, dtype=torch.bool, device="meta"),
    )


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
        objective=make_objective(objective_config(config)),
        stream=make_batches(config, stream, transform),
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

    def evaluate(model: nn.Module) -> Iterator[tuple[str, float]]:
        assert isinstance(model, ViLBERT)
        source = paths[0] if len(paths) == 1 else dict.fromkeys(paths, 1.0)
        batch = unmasked_batch(source, tokenizer, data, data.evaluate_limit, split)
        yield from evaluate_batch(model, to_device(batch, model.word_bias.device))

    return evaluate


def unmasked_batch(
    source: str | Mapping[str, float],
    tokenizer: Tokenizer,
    data: ViLBERTDataConfig,
    limit: int,
    split: str | None = None,
) -> dict[str, Any]:
    """Return the first `limit` pairs of a dataset, or of one split of it, as one batch without masking."""
    stream = StreamingDataset(source, shuffle=False, rank=0, world_size=1, split=split)
    transform = PretrainingTransform(tokenizer, replace(data, mask=0.0))
    return next(stream.batches(min(limit, len(stream)), transform=transform, workers=0, on_error="raise"))


def evaluation_batch(checkpoint: str, config: RunConfig, dataset: str, limit: int) -> dict[str, Any]:
    """Return the first `limit` pairs of a dataset as one unmasked batch, with a checkpoint's vocabulary."""
    tokenizer = Tokenizer.from_str(read_attachment(find(checkpoint), TOKENIZER).decode())
    return unmasked_batch(dataset, tokenizer, data_config(config), limit)
