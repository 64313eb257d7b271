"""ViLBERT as a task of the loop: configuration and datasets in, model, objective and stream out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from schemas import config as tables
from schemas import storage
from schemas.errors import ConfigError
from schemas.manifest import read_manifest
from schemas.tables import read_table
from trainers.checkpoint import find, read_attachment
from trainers.config import RunConfig
from trainers.registry import Task
from trainers.stream.dataset import StreamingDataset
from trainers.vilbert.data import DataConfig, PretrainingTransform, read_vocabulary, train_tokenizer
from trainers.vilbert.model import ViLBERT, ViLBERTConfig
from trainers.vilbert.objective import ObjectiveConfig, make_objective

TOKENIZER = "tokenizer.json"


def model_config(config: RunConfig) -> ViLBERTConfig:
    """Return the model's configuration."""
    return tables.build(ViLBERTConfig, config.model, where=config.name)


def data_config(config: RunConfig) -> DataConfig:
    """Return what the run asks of the data."""
    values = {name: value for name, value in config.data.items() if name != "objective"}
    return tables.build(DataConfig, values, where=config.name)


def build_model(config: RunConfig) -> nn.Module:
    """Return the model with fresh weights; needs no data."""
    return ViLBERT(model_config(config))


def example_forward(model: nn.Module, batch_size: int) -> object:
    """Run one forward pass on meta tensors: what FLOPs are counted from."""
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
    """Return a dataset's captions, sorted: what a vocabulary is trained on."""
    found: set[str] = set()
    for shard in read_manifest(path).shards:
        column = read_table(storage.join(path, shard.sidecar.name), ["caption"])["caption"]
        found.update(text for text in column.to_pylist() if text)
    return sorted(found)


def make_tokenizer(config: DataConfig, datasets: Mapping[str, tuple[str, float]]) -> Tokenizer:
    """Return the vocabulary given by path, else one trained on the datasets' captions."""
    if config.vocabulary is not None:
        return read_vocabulary(config.vocabulary)
    return train_tokenizer((text for path, _ in datasets.values() for text in captions(path)), config.vocab_size)


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> Task:
    """Return model, objective and stream of one run over datasets of regions."""
    data, shape = data_config(config), model_config(config)
    tokenizer = make_tokenizer(data, datasets)
    if tokenizer.get_vocab_size() > shape.vocab_size:
        raise ConfigError(
            f"the vocabulary has {tokenizer.get_vocab_size()} words, the model {shape.vocab_size}",
            where=config.name,
            remedy="raise model.vocab_size or lower data.vocab_size",
        )
    stream = StreamingDataset(dict(datasets.values()), rng_seed=config.train.rng_seed)
    objective = tables.build(ObjectiveConfig, config.data.get("objective", {}), where=config.name)
    return Task(
        model=ViLBERT(shape),
        objective=make_objective(objective),
        stream=stream.batches(config.train.batch_size, transform=PretrainingTransform(tokenizer, data)),
        attachments={TOKENIZER: tokenizer.to_str().encode()},
    )


def evaluation_batch(checkpoint: str, config: RunConfig, dataset: str, limit: int) -> dict[str, Any]:
    """Return one batch of the first `limit` pairs of a dataset, unmasked, with the checkpoint's vocabulary."""
    tokenizer = Tokenizer.from_str(read_attachment(find(checkpoint), TOKENIZER).decode())
    transform = PretrainingTransform(tokenizer, replace(data_config(config)), masking=False)
    stream = StreamingDataset(dataset, shuffle=False, rank=0, world_size=1)
    return next(stream.batches(min(limit, len(stream)), transform=transform, workers=0, on_error="raise"))
