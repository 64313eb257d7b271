"""CLIP as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip import adapter
from corpusloom.trainers.clip.config import CLIPConfig, CLIPDataConfig, data_config, model_config
from corpusloom.trainers.clip.data import PairTransform
from corpusloom.trainers.clip.evaluate import retrieve_from
from corpusloom.trainers.clip.layouts.shapes import shape_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import make_objective
from corpusloom.trainers.clip.tokens.files import BPE_FILE
from corpusloom.trainers.clip.tokens.of_model import (
    CaptionTokenizer,
    learn_tokenizer,
    load_tokenizer,
    tokenizer_from_bytes,
    tokenizer_in,
)
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.samples import check_split
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.training import checkpoint, collectives
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, is_model_folder, read_folder
from corpusloom.trainers.training.hub.shapes import nested, take_shape
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask, learnt_note, overlap_note

TOKENIZER = "tokenizer.txt"
"""Name of the vocabulary in a checkpoint."""


def complete(config: RunConfig, typed: Collection[str] | None = None) -> RunConfig:
    """Return the configuration with the shape of the model in `model.init`, but for an image size that was typed.

    `typed` are the keys that the user gave, None if all of the configuration is the user's.
    """
    if config.model.get("init") is None:
        return config
    folder = read_folder(str(config.model["init"]))
    return replace(config, model=take_shape(config.model, shape_of(folder), folder.path, typed, free=("image.size",)))


def build_model(config: RunConfig) -> CLIP:
    """Return a CLIP with fresh weights."""
    return CLIP(model_config(config))


def build_objective(config: RunConfig, datasets: Iterable[str] = ()) -> Objective:
    """Return the objective; a mixture of datasets is one stream with one loss."""
    return make_objective(data_config(config).chunks)


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ()) -> dict[str, Any]:
    """Return a batch of zeros as the stream gives it; the texts fill the context."""
    shape = model_config(config)
    size, context = shape.image.size, shape.text.context
    tokens = torch.zeros(rows, context, dtype=torch.int64)
    tokens[:, -1] = 1
    return {"keys": [""] * rows, "image": torch.zeros(rows, 3, size, size, dtype=torch.uint8), "tokens": tokens}


def check_batch_of_one(config: RunConfig) -> None:
    """Raise ConfigError if the model normalises over a batch, and one image gives it one value per channel."""
    with torch.device("meta"):
        model = build_model(config).train()
        images = torch.zeros(1, 3, config_size := model.config.image.size, config_size)
    try:
        model.image(images)
    except ValueError as error:
        raise ConfigError(
            "train.batch_size is 1, and the image tower normalises over a batch",
            where=config.name,
            remedy="give 2 or more",
        ) from error


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
    """Return the task of training a CLIP on datasets of pairs: name -> (path, share of samples)."""
    shape, data = model_config(config), data_config(config)
    if config.train.batch_size == 1:
        check_batch_of_one(config)
    paths = [path for path, _ in datasets.values()]
    if data.evaluate is not None:
        check_split(paths, data.evaluate)
    folder = None if shape.init is None else read_folder(shape.init)
    tokenizer = make_tokenizer(shape, data, paths)
    stream = open_stream(config, dict(datasets.values()), split=data.split)
    transform = PairTransform(tokenizer, shape.image.size, data)
    return TrainingTask(
        model=with_weights(partial(initial_model, config), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=None if data.evaluate is None else retrieval_over(paths, data.evaluate, tokenizer),
        attachments={TOKENIZER: tokenizer.to_bytes(), **(folder.origin() if folder else {})},
        notes=(
            *(() if data.tokenizer or folder else (learnt_note(tokenizer.vocab_size, "data.tokenizer"),)),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def initial_model(config: RunConfig) -> CLIP:
    """Return a CLIP with the weights of the folder `model.init`, else fresh ones."""
    model, folder = build_model(config), model_config(config).init
    if folder is not None:
        adapter.load_weights(model, read_folder(folder))
    return model


def make_tokenizer(shape: CLIPConfig, data: CLIPDataConfig, paths: list[str]) -> CaptionTokenizer:
    """Return the tokenizer of the initial weights or of the configured vocabulary, else one learnt from the captions.

    Raises ConfigError if the initial weights would get another tokenizer than their own.
    """
    own = None if shape.init is None else tokenizer_in(shape.init, shape.text)
    given = None if data.tokenizer is None else load_tokenizer(data.tokenizer, shape.text)
    if own and given and own.vocabulary != given.vocabulary:
        what = f"{data.tokenizer} is not the tokenizer in {shape.init}"
        raise ConfigError(what, where="data.tokenizer", remedy="leave data.tokenizer out")
    tokenizer = given or own
    if tokenizer is None and shape.init is not None:
        what = f"{shape.init} has no tokenizer, and one that is learnt anew does not fit its weights"
        raise ConfigError(what, where="data.tokenizer", remedy="give the vocabulary of these weights")
    if tokenizer is None:
        tokenizer = collectives.from_rank_0(lambda: learn_tokenizer(captions(paths), shape.text))
    tokenizer.check_fits(shape.text.vocab_size)
    return tokenizer


def load_clip(path: str) -> tuple[CLIP, CaptionTokenizer]:
    """Return a CLIP and its tokenizer, of a checkpoint, of a run (its newest checkpoint) or of a model folder."""
    if is_model_folder(path):
        return read_clip(read_folder(path))
    folder = folders.find(path)
    model, config = checkpoint.load_model(folder, build_model)
    data = folders.read_attachment(folder, TOKENIZER)
    return model, tokenizer_from_bytes(data, model_config(config).text, where=folder)


def read_clip(folder: Folder) -> tuple[CLIP, CaptionTokenizer]:
    """Return the CLIP in a folder in the layout of transformers or open_clip, and its tokenizer."""
    shape = tables.build(CLIPConfig, nested(shape_of(folder)), where=folder.path)
    tokenizer = tokenizer_in(folder.path, shape.text)
    if tokenizer is None:
        raise InputError("no tokenizer", where=folder.path, remedy=f"copy the tokenizer's files or {BPE_FILE} into it")
    tokenizer.check_fits(shape.text.vocab_size)
    model = CLIP(shape)
    adapter.load_weights(model, folder)
    return model.eval(), tokenizer


def read_model(folder: Folder) -> tuple[CLIP, dict[str, bytes]]:
    """Return the CLIP in a folder of transformers or open_clip, and the attachments for its checkpoints."""
    model, tokenizer = read_clip(folder)
    return model, {TOKENIZER: tokenizer.to_bytes(), **folder.origin()}


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's CLIP into a folder in the layout of transformers or open_clip."""
    assert isinstance(model, CLIP)
    tokenizer = tokenizer_from_bytes(attachments[TOKENIZER], model.config.text, where=TOKENIZER)
    adapter.export(model, tokenizer, attachments, layout, out)


def load_evaluated(path: str) -> tuple[CLIP, CaptionTokenizer]:
    """Return the model at a path, and for its evaluations the tokenizer."""
    return load_clip(path)


def retrieval_over(paths: list[str], split: str, tokenizer: CaptionTokenizer) -> Evaluate:
    """Return the evaluation of retrieval among the samples of one split, each with its own text."""

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, CLIP)
        return retrieve_from(model, tokenizer, paths, EvaluationSettings(), split).values.items()

    return evaluate
