"""CLIP as a task of the loop: model, objective, stream and evaluation from one configuration."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import nn

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.adapter import from_any, resize_positions
from corpusloom.trainers.clip.config import CLIPConfig, CLIPDataConfig, data_config, model_config
from corpusloom.trainers.clip.data import PairTransform, captions, evaluation_image
from corpusloom.trainers.clip.evaluate import retrieve_from
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import make_objective
from corpusloom.trainers.clip.tokenizer import ClipTokenizer, load_tokenizer, tokenizer_from_bytes, train_merges
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import PairSample, RegionsSample, TypedSample
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.task import Evaluate, Objective, TrainingTask

TOKENIZER = "tokenizer.txt"
"""Name of the vocabulary in a checkpoint."""


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
    """Return the task of training a CLIP on datasets of pairs: name -> (path, weight)."""
    shape, data = model_config(config), data_config(config)
    if config.train.batch_size == 1:
        check_batch_of_one(config)
    paths = [path for path, _ in datasets.values()]
    tokenizer = make_tokenizer(shape, data, paths)
    model = build_model(config)
    if shape.init is not None:
        load_initial(model, shape.init)
    stream = open_stream(config, dict(datasets.values()), split=data.split)
    transform = PairTransform(tokenizer, shape.image.size, data)
    return TrainingTask(
        model=model,
        objective=build_objective(config),
        stream=make_batches(config, stream, transform),
        example=lambda: example_batch(config, 1),
        evaluate=None if data.evaluate is None else retrieval_over(paths, data.evaluate, tokenizer),
        attachments={TOKENIZER: tokenizer.to_bytes()},
    )


def make_tokenizer(shape: CLIPConfig, data: CLIPDataConfig, paths: list[str]) -> ClipTokenizer:
    """Return the tokenizer of the configured vocabulary, or of one learnt from the datasets' captions."""
    if data.tokenizer is not None:
        tokenizer = load_tokenizer(data.tokenizer, shape.text.context)
    else:
        tokenizer = ClipTokenizer(train_merges(captions(paths), shape.text.vocab_size), shape.text.context)
    tokenizer.check_fits(shape.text.vocab_size)
    return tokenizer


def load_initial(model: CLIP, path: str) -> None:
    """Load initial weights (safetensors); a vision transformer's positions are interpolated to the model's grid."""
    state = from_any(load_tensors(storage.read_bytes(path)))
    if not model.config.image.is_resnet:
        state = resize_positions(state, model.state_dict()["image.positions"].shape[0])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise InputError(
            f"the weights are of another model: {lines[min(1, len(lines) - 1)].strip()}",
            where=path,
            remedy="set the model table to the shape of the weights",
        ) from error


def load_clip(path: str) -> tuple[CLIP, ClipTokenizer]:
    """Return a checkpoint's CLIP, in evaluation mode, and its tokenizer; a run's folder means its newest one."""
    folder = checkpoint.find(path)
    model, config = checkpoint.load_model(folder, build_model)
    data = checkpoint.read_attachment(folder, TOKENIZER)
    return model, tokenizer_from_bytes(data, model_config(config).text.context, where=folder)


def load_evaluated(path: str) -> tuple[CLIP, ClipTokenizer]:
    """Return what the evaluations of a CLIP take: the model at a path and its tokenizer."""
    return load_clip(path)


def retrieval_over(paths: list[str], split: str, tokenizer: ClipTokenizer) -> Evaluate:
    """Return the evaluation of retrieval among the samples of one split, each with its own text."""

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, CLIP)
        return retrieve_from(model, tokenizer, paths, EvaluationSettings(), split).values.items()

    return evaluate
