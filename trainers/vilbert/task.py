"""ViLBERT as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints.folders import find, read_attachment
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.samples import check_split
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.training import collectives
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.checkpoint import load_model
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, is_model_folder, read_folder
from corpusloom.trainers.training.hub.shapes import take_shape
from corpusloom.trainers.training.hub.vocabulary import choose_vocabulary
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask, learnt_note, overlap_note
from corpusloom.trainers.vilbert import adapter
from corpusloom.trainers.vilbert.config import (
    ViLBERTConfig,
    ViLBERTDataConfig,
    data_config,
    model_config,
    objective_config,
)
from corpusloom.trainers.vilbert.data import PretrainingTransform
from corpusloom.trainers.vilbert.evaluate import retrieval, retrieve_from
from corpusloom.trainers.vilbert.model import ViLBERT
from corpusloom.trainers.vilbert.objective import PretrainingObjective
from corpusloom.trainers.vilbert.shapes import shape_of
from corpusloom.trainers.vilbert.tokenizer import learn_tokenizer, read_vocabulary, tokenizer_in

TOKENIZER = "tokenizer.json"


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shape of the weights in `model.init`: all of it, or the text stream's.

    `typed` are the keys that the user gave, None if all of the configuration is the user's.
    """
    if config.model.get("init") is None:
        return config
    folder = read_folder(str(config.model["init"]))
    return replace(config, model=take_shape(config.model, shape_of(folder), folder.path, typed))


def build_model(config: RunConfig) -> ViLBERT:
    """Return the model with fresh weights."""
    return ViLBERT(model_config(config))


def build_objective(config: RunConfig, datasets: Iterable[str] = ()) -> Objective:
    """Return the objective; a mixture of datasets is one stream with one loss."""
    return PretrainingObjective(objective_config(config))


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


def make_tokenizer(
    shape: ViLBERTConfig, data: ViLBERTDataConfig, datasets: Mapping[str, tuple[str, float]]
) -> Tokenizer:
    """Return the tokenizer of the initial weights or of the configured vocabulary, else one learnt from the captions.

    Raises ConfigError if the initial weights would get another vocabulary than their own.
    """
    own = None if shape.init is None else (shape.init, tokenizer_in(shape.init))
    given = None if data.vocabulary is None else (data.vocabulary, read_vocabulary(data.vocabulary))
    found = choose_vocabulary("data.vocabulary", given, own, Tokenizer.get_vocab)
    if found is not None:
        return found
    paths = [path for path, _ in datasets.values()]
    learnt = collectives.from_rank_0(lambda: learn_tokenizer(captions(paths), data.vocab_size).to_str())
    return Tokenizer.from_str(learnt)


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the task of training a ViLBERT on datasets of regions: name -> (path, share of samples)."""
    data, shape = data_config(config), model_config(config)
    folder = None if shape.init is None else read_folder(shape.init)
    tokenizer = make_tokenizer(shape, data, datasets)
    check_fits(tokenizer, data, shape, where=config.name)
    paths = [path for path, _ in datasets.values()]
    if data.evaluate is not None:
        check_split(paths, data.evaluate)
    stream = open_stream(config, dict(datasets.values()), split=data.split)
    transform = PretrainingTransform(tokenizer, data, shape.feature_width, shape.class_count)
    return TrainingTask(
        model=with_weights(partial(initial_model, config), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=None if data.evaluate is None else retrieval_over(paths, data.evaluate, tokenizer, data),
        figures=(*dict(retrieval(torch.ones(1, 1))), "skipped"),
        attachments={
            TOKENIZER: tokenizer.to_str().encode(),
            **(adapter.attachments_of(folder) if folder is not None else {}),
        },
        notes=(
            *(() if data.vocabulary or folder else (learnt_note(tokenizer.get_vocab_size(), "data.vocabulary"),)),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def initial_model(config: RunConfig) -> ViLBERT:
    """Return a ViLBERT with the weights of the folder `model.init`, where it has some, and fresh ones elsewhere."""
    model, folder = build_model(config), model_config(config).init
    if folder is not None:
        adapter.load_weights(model, read_folder(folder))
    return model


def read_model(folder: Folder) -> tuple[ViLBERT, dict[str, bytes]]:
    """Return the ViLBERT in a folder of the published layout, and the attachments for its checkpoints."""
    folder.check_type("vilbert")
    tokenizer = read_vocabulary(folder.path)
    model = ViLBERT(tables.build(ViLBERTConfig, shape_of(folder), where=folder.path))
    adapter.load_weights(model, folder)
    return model.eval(), {TOKENIZER: tokenizer.to_str().encode(), **adapter.attachments_of(folder)}


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's ViLBERT into a folder in the published layout."""
    assert isinstance(model, ViLBERT)
    adapter.export(model, Tokenizer.from_str(attachments[TOKENIZER].decode()), attachments, layout, out)


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
    """Return the model of a checkpoint or model folder, and for its evaluations the tokenizer and data configuration.

    A model folder has no data configuration: captions and regions are cut as by default, or at the model's positions.
    """
    if is_model_folder(path):
        model, files = read_model(read_folder(path))
        data = ViLBERTDataConfig()
        data = replace(data, tokens=min(data.tokens, model.config.max_tokens))
        return model, (Tokenizer.from_str(files[TOKENIZER].decode()), data)
    model, config = load_model(path, build_model)
    tokenizer = Tokenizer.from_str(read_attachment(find(path), TOKENIZER).decode())
    return model, (tokenizer, data_config(config))
