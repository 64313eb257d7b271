"""CLIP as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip import adapter
from corpusloom.trainers.clip.config import CLIPDataConfig, TextTowerConfig, data_config, model_config
from corpusloom.trainers.clip.data import PairTransform
from corpusloom.trainers.clip.initial import (
    TOKENIZER,
    WeightSource,
    build_model,
    check_pretrained,
    complete,
    frozen_parts,
    initial_model,
    read_source,
    sources_of,
)
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import PairObjective
from corpusloom.trainers.clip.tokens.files import BPE_FILE
from corpusloom.trainers.clip.tokens.of_model import (
    CaptionTokenizer,
    learn_tokenizer,
    load_tokenizer,
    tokenizer_from_bytes,
)
from corpusloom.trainers.clip.zero_shot.classify import ClassifiedImages
from corpusloom.trainers.clip.zero_shot.in_training import figure_names, open_sets, zero_shot_figures
from corpusloom.trainers.clip.zero_shot.retrieval.retrieve import retrieve_from
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.samples import check_split
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder
from corpusloom.trainers.training.hub.vocabulary import choose_vocabulary
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask, learnt_note, overlap_note

__all__ = ["build_model", "complete", "frozen_parts"]
"""Parts of `FamilyModule` that `initial` defines."""


def build_objective(config: RunConfig, datasets: Iterable[str] = ()) -> Objective:
    """Return the objective; a mixture of datasets is one stream with one loss."""
    return PairObjective(data_config(config).chunks)


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ()) -> dict[str, Any]:
    """Return a batch of zeros as the stream gives it; the texts fill the context."""
    shape = model_config(config)
    size, context = shape.image.size, shape.text.context
    tokens = torch.zeros(rows, context, dtype=torch.int64)
    tokens[:, -1] = 1
    return {"keys": [""] * rows, "image": torch.zeros(rows, 3, size, size, dtype=torch.uint8), "tokens": tokens}


def check_negatives(config: RunConfig) -> None:
    """Raise ConfigError for a step of one pair, which has no negatives.

    The softmax loss of one pair is 0 whatever the weights, and batch normalisation has no variance.
    """
    if config.train.batch_size * distributed.data_ranks() == 1:
        raise ConfigError(
            "train.batch_size is 1 on one rank: a contrastive loss compares the pairs of a step with each other",
            where=config.name,
            remedy="give 2 or more, and data.chunks for large batches in little memory",
        )


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the task of training a CLIP on datasets of pairs: name -> (path, share of samples)."""
    shape, data = model_config(config), data_config(config)
    check_negatives(config)
    paths = [path for path, _ in datasets.values()]
    if data.evaluate is not None:
        check_split(paths, data.evaluate)
    sets = open_sets(data.zero_shot)
    sources = sources_of(config, begun)
    check_pretrained(config, sources)
    tokenizer = choose_tokenizer(data, shape.text, sources)
    learnt = tokenizer is None
    if tokenizer is None:
        tokenizer = collectives.from_rank_0(lambda: learn_tokenizer(captions(paths), shape.text))
    tokenizer.check_fits(shape.text.vocab_size)
    stream = open_stream(config, dict(datasets.values()), split=data.split, min_score=data.min_clip_score)
    transform = PairTransform(tokenizer, shape.image.size, data, squash=shape.image.squashes)
    return TrainingTask(
        model=with_weights(partial(initial_model, config, sources), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=evaluation_of(paths, data.evaluate, sets, tokenizer),
        figures=figure_names(data.evaluate, sets),
        attachments={TOKENIZER: tokenizer.to_bytes(), **(sources["init"].origin() if "init" in sources else {})},
        notes=(
            *((learnt_note(tokenizer.vocab_size, "data.tokenizer"),) if learnt else ()),
            *overlap_note(data.split, data.evaluate),
            *score_note(data.min_clip_score, stream),
        ),
    )


def score_note(least: float | None, stream: StreamingDataset) -> Iterator[str]:
    """Yield the number of pairs that are trained on and left out, if there is a least score."""
    if least is not None:
        kept = sum(index.samples for index in stream.reader.indexes)
        yield f"trains on {kept:,} pairs: data.min_clip_score = {least:g} and data.split leave out {stream.left_out:,}"


def choose_tokenizer(
    data: CLIPDataConfig, text: TextTowerConfig, sources: Mapping[str, WeightSource]
) -> CaptionTokenizer | None:
    """Return the tokenizer of the text tower's initial weights, or the configured one; None: it must be learnt.

    Raises ConfigError if the weights would get another tokenizer than their own.
    """
    source = sources.get("init") or sources.get("text.init")
    own = None if source is None else (source.path, source.tokenizer())
    given = None if data.tokenizer is None else (data.tokenizer, load_tokenizer(data.tokenizer, text))
    return choose_vocabulary("data.tokenizer", given, own, lambda tokenizer: tokenizer.vocabulary)


def load_clip(path: str, *assignments: str) -> tuple[CLIP, CaptionTokenizer]:
    """Return a CLIP and its tokenizer, of a checkpoint, of a run (its newest checkpoint) or of a model folder.

    `assignments` are KEY=PATH of frozen parts that moved.
    """
    source = read_source(path, *assignments)
    rows, tokenizer = source.shape["text.vocab_size"], source.tokenizer()
    if tokenizer is None:
        raise InputError("no tokenizer", where=path, remedy=f"copy the tokenizer's files or {BPE_FILE} into it")
    tokenizer.check_fits(rows)
    return source.load().eval(), tokenizer


def read_model(folder: Folder) -> tuple[CLIP, dict[str, bytes]]:
    """Return the CLIP in a folder of transformers or open_clip, and the attachments for its checkpoints."""
    model, tokenizer = load_clip(folder.path)
    return model, {TOKENIZER: tokenizer.to_bytes(), **folder.origin()}


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's CLIP into a folder in the layout of transformers or open_clip."""
    assert isinstance(model, CLIP)
    tokenizer = tokenizer_from_bytes(attachments[TOKENIZER], model.config.text, where=TOKENIZER)
    adapter.export(model, tokenizer, attachments, layout, out)


def load_evaluated(path: str, *assignments: str) -> tuple[CLIP, CaptionTokenizer]:
    """Return the model at a path, and for its evaluations the tokenizer; `assignments` as in `load_clip`."""
    return load_clip(path, *assignments)


def evaluation_of(
    paths: list[str], split: str | None, sets: Mapping[str, ClassifiedImages], tokenizer: CaptionTokenizer
) -> Evaluate | None:
    """Return the evaluation of a run: retrieval among the samples of a split, zero-shot classification, or both."""
    if split is None and not sets:
        return None

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, CLIP)
        if split is not None:
            yield from retrieve_from(model, tokenizer, paths, EvaluationSettings(), split).values.items()
        yield from zero_shot_figures(model, tokenizer, sets)

    return evaluate
