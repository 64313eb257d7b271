"""ViLBERT as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints.folders import find, read_attachment
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.samples import check_split
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, is_model_folder, read_folder
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask, learnt_note, overlap_note
from corpusloom.trainers.vilbert import adapter
from corpusloom.trainers.vilbert.config import (
    PRETRAIN,
    RETRIEVAL,
    ViLBERTConfig,
    ViLBERTDataConfig,
    data_config,
    model_config,
    objective_config,
)
from corpusloom.trainers.vilbert.data import PretrainingTransform
from corpusloom.trainers.vilbert.downstream import runs
from corpusloom.trainers.vilbert.downstream.measure import TaskTools
from corpusloom.trainers.vilbert.initial import (
    TOKENIZER,
    attachments_of,
    build_model,
    check_fits,
    initial_model,
    load_streams,
    make_tokenizer,
    source_of,
    take_source,
)
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.model.streams import Streams
from corpusloom.trainers.vilbert.objective import PretrainingObjective
from corpusloom.trainers.vilbert.retrieval import runs as retrieval_runs
from corpusloom.trainers.vilbert.retrieval.figures import retrieval
from corpusloom.trainers.vilbert.retrieval.pool import RetrievalTools, retrieve_samples
from corpusloom.trainers.vilbert.shapes import shape_of
from corpusloom.trainers.vilbert.tokenizer import read_vocabulary

__all__ = ["build_model"]
"""A part of `FamilyModule` that `initial` defines."""


class TaskRuns(Protocol):
    """The module `runs` of tasks after the pre-training."""

    def build_objective(self, config: RunConfig) -> Objective:
        """Return the objective; it needs no annotations."""

    def example(self, config: RunConfig, rows: int) -> dict[str, Any]:
        """Return a batch of zeros as the stream gives it."""

    def build_task(
        self, config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None
    ) -> TrainingTask:
        """Return the run over one dataset of regions."""

    def load_tools(
        self, config: RunConfig, tokenizer: Tokenizer, read: Callable[[str], bytes]
    ) -> RetrievalTools | TaskTools:
        """Return the tools of a checkpoint's evaluations; `read` returns an attachment's content by its name."""


def runs_of(config: RunConfig) -> TaskRuns | None:
    """Return the module of a run's task, None for the pre-training."""
    task = config.model.get("task", PRETRAIN)
    return None if task == PRETRAIN else retrieval_runs if task == RETRIEVAL else runs


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shape of the weights in `model.init`, and of vqa the number of answers.

    `typed` are the keys that the user gave, None if all of the configuration is the user's; `begun` is as in
    `initial.source_of`.
    """
    return runs.with_answers(take_source(config, typed, begun))


def build_objective(config: RunConfig, datasets: Iterable[str] = ()) -> Objective:
    """Return the objective; a mixture of datasets is one stream with one loss."""
    after = runs_of(config)
    if after is not None:
        return after.build_objective(config)
    return PretrainingObjective(objective_config(config))


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ()) -> dict[str, Any]:
    """Return a batch as the stream gives it, of zeros: in the pre-training all words and regions are masked."""
    after = runs_of(config)
    if after is not None:
        return after.example(config, rows)
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


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the task of training a ViLBERT on datasets of regions: name -> (path, share of samples)."""
    after = runs_of(config)
    if after is not None:
        return after.build_task(config, datasets, begun)
    data, shape = data_config(config), model_config(config)
    paths = [path for path, _ in datasets.values()]
    source = source_of(config, begun)
    tokenizer, learnt = make_tokenizer(source, data.vocabulary, data.vocab_size, lambda: captions(paths))
    check_fits(tokenizer, data.tokens, shape, where=config.name)
    if data.evaluate is not None:
        check_split(paths, data.evaluate)
    stream = open_stream(config, dict(datasets.values()), split=data.split)
    transform = PretrainingTransform(tokenizer, data, shape.feature_width, shape.class_count)
    return TrainingTask(
        model=with_weights(partial(initial_model, config, source), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=None if data.evaluate is None else retrieval_over(paths, tokenizer, data),
        figures=(*dict(retrieval(torch.ones(1, 1))), "skipped"),
        attachments=attachments_of(tokenizer, source),
        notes=(
            *((learnt_note(tokenizer.get_vocab_size(), "data.vocabulary"),) if learnt else ()),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def read_model(folder: Folder) -> tuple[ViLBERT, dict[str, bytes]]:
    """Return the ViLBERT in a folder of the published layout, and the attachments for its checkpoints."""
    folder.check_type("vilbert")
    tokenizer = read_vocabulary(folder.path)
    model = ViLBERT(tables.build(ViLBERTConfig, shape_of(folder), where=folder.path))
    adapter.load_weights(model, folder)
    return model.eval(), {TOKENIZER: tokenizer.to_str().encode(), **adapter.attachments_of(folder)}


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's ViLBERT into a folder in the published layout; ConfigError for that of another task."""
    if not isinstance(model, ViLBERT):
        what = "only the pre-training model has a published layout, and this one is of another task"
        raise ConfigError(what, where="PATH", remedy="give a run of the pre-training")
    adapter.export(model, Tokenizer.from_str(attachments[TOKENIZER].decode()), attachments, layout, out)


def retrieval_over(paths: Sequence[str], tokenizer: Tokenizer, data: ViLBERTDataConfig) -> Evaluate:
    """Return the evaluation of retrieval: each caption of the split `data.evaluate` ranks the split's images."""
    tools = RetrievalTools(tokenizer, data.tokens, data.regions)

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, ViLBERT)
        settings = EvaluationSettings(limit=data.evaluate_limit)
        return retrieve_samples(model, tools, paths, settings, data.evaluate).values.items()

    return evaluate


def load_evaluated(path: str) -> tuple[Streams, RetrievalTools | TaskTools]:
    """Return the model of a checkpoint or model folder, and the tools of its evaluations.

    A model folder has no data configuration: captions and regions are cut as by default, or at the model's positions.
    """
    if is_model_folder(path):
        model, files = read_model(read_folder(path))
        data, tokenizer = ViLBERTDataConfig(), Tokenizer.from_str(files[TOKENIZER].decode())
        return model, RetrievalTools(tokenizer, min(data.tokens, model.config.max_tokens), data.regions)
    streams, config, tokenizer = load_streams(path)
    after = runs_of(config)
    if after is not None:
        return streams, after.load_tools(config, tokenizer, partial(read_attachment, find(path)))
    data = data_config(config)
    return streams, RetrievalTools(tokenizer, data.tokens, data.regions)
