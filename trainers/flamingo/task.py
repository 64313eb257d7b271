"""Flamingo as a task of the loop: a CLIP's image tower and a frozen language model, trained on pages and pairs."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.flamingo.config import ROUND_ROBIN, FlamingoDataConfig, data_config, parts
from corpusloom.trainers.flamingo.data import FlamingoTransform, Vocabulary
from corpusloom.trainers.flamingo.initial import build_model, complete, frozen_parts, initial_model
from corpusloom.trainers.flamingo.language_model import folder_of, read_language_config
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import LanguageObjective
from corpusloom.trainers.flamingo.vision_encoder import load_vision
from corpusloom.trainers.lm.adapter import load_tokenizer
from corpusloom.trainers.lm.tokenizer import SPECIAL, TOKENIZER, read_files
from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.batches.joint import JointBatches, RoundRobinBatches
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Objective, TrainingTask

__all__ = ["build_model", "complete", "frozen_parts"]
"""Parts of `FamilyModule` that `initial` defines."""


def load_vocabulary(config: RunConfig, rows: int) -> Vocabulary:
    """Return the language model's tokenizer, and <EOC> as the id after the embedding's `rows`."""
    _, _, language = parts(config)
    folder = folder_of(language)
    if folder is None:
        raise ConfigError(
            "the language model would have random weights",
            where=config.name,
            remedy="--set model.language.weights=FOLDER",
        )
    tokenizer = load_tokenizer(folder)
    tokenizer.check_fits(rows, folder)
    return Vocabulary(tokenizer, rows)


def read_model(folder: Folder) -> tuple[nn.Module, dict[str, bytes]]:
    """Refuse: no other program writes a Flamingo of this shape."""
    raise ConfigError(
        "transformers and open_clip have no Flamingo of this shape",
        where=folder.path,
        remedy="give a run of loom train",
    )


def export(model: nn.Module, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Refuse: no other program reads a Flamingo of this shape."""
    raise ConfigError(
        f"a Flamingo has no place in the layout {layout}",
        where="loom export-model",
        remedy="give a run of a CLIP or of a ViLBERT",
    )


def build_objective(config: RunConfig, datasets: Iterable[str]) -> Objective:
    """Return the objective over datasets of these names.

    A configuration may have factors of more datasets than a run has. ConfigError if `data.lambdas` names a dataset that
    is not there while one that is there has no factor, as after a misspelt name.
    """
    data, names = data_config(config), list(datasets)
    without = [name for name in names if name not in data.lambdas]
    for name, value in data.lambdas.items():
        if name not in names and without:
            what = f"no dataset {name!r}, and {', '.join(without)} has no factor"
            remedy = f"name the datasets: --data {name}=PATH, or --set data.lambdas.{without[0]}=1"
            raise ConfigError(what, where="data.lambdas", remedy=remedy)
        if value <= 0:
            raise ConfigError(f"{name} is {value}", where="data.lambdas", remedy="give a factor above 0")
    return LanguageObjective({name: data.lambdas.get(name, 1.0) for name in names}, per_token=data.per_token)


def example_batch(config: RunConfig, rows: int, datasets: Iterable[str] = ("data",)) -> dict[str, dict[str, Any]]:
    """Return a batch of zeros as the stream of a run over these datasets gives it: windows of pages.

    In a round robin a step has one dataset, so the batch is of the first.
    """
    data, (_, vision, _) = data_config(config), parts(config)
    names = list(datasets)[: 1 if data.mixing == ROUND_ROBIN else None]
    size = data.size
    if size is None:
        with torch.device("meta"):
            size = load_vision(vision, config.name).size
    return {name: _example_window(data, size, rows) for name in names}


def _example_window(data: FlamingoDataConfig, size: int, rows: int) -> dict[str, Any]:
    return {
        "keys": [""] * rows,
        "images": torch.zeros(rows, data.images, 1, 3, size, size, dtype=torch.uint8),
        "tokens": torch.zeros(rows, data.tokens, dtype=torch.int64),
        "phi": torch.ones(rows, data.tokens, dtype=torch.int64),
        "counted": torch.ones(rows, data.tokens, dtype=torch.bool),
    }


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the task with one stream per dataset, each of `train.batch_size` times its share of samples per batch."""
    shape, vision, language = parts(config)
    if vision.checkpoint is None and shape.init is None:
        raise ConfigError(
            "the vision encoder would have random weights",
            where=config.name,
            remedy="--set model.vision.checkpoint=RUN, a run of loom train clip or a CLIP's folder, or model.init=RUN",
        )
    objective = build_objective(config, datasets)
    vocabulary = load_vocabulary(config, int(read_language_config(language, config.name).vocab_size))
    build, data = partial(build_model, config), data_config(config)
    model = with_weights(partial(initial_model, config, begun), build)
    size = data.size or model.image_size
    transform = FlamingoTransform(vocabulary, data, size, shape.frames)
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
        model=model,
        skeleton=build,
        objective=objective,
        stream=join_streams(streams, config),
        example=lambda: {name: _example_window(data, size, 1) for name in datasets},
        attachments=vocabulary.tokenizer.files(),
    )


def join_streams(streams: Mapping[str, Batches], config: RunConfig) -> JointBatches:
    """Return the batches of several datasets, joined as `data.mixing` says."""
    if data_config(config).mixing == ROUND_ROBIN:
        return RoundRobinBatches(streams, per_turn=config.train.accumulate)
    return JointBatches(streams)


def evaluation_transform(path: str, config: RunConfig, model: Flamingo) -> FlamingoTransform:
    """Return the transform of a checkpoint, with its own tokenizer and without augmentation."""
    folder = folders.find(path)
    tokenizer = read_files({name: folders.read_attachment(folder, name) for name in (TOKENIZER, SPECIAL)}, folder)
    data = data_config(config)
    return FlamingoTransform(Vocabulary(tokenizer, model.eoc), data, data.size or model.image_size, augment=False)


def load_evaluated(path: str, *assignments: str) -> tuple[Flamingo, FlamingoTransform]:
    """Return a checkpoint's model, and for its evaluations the transform of samples."""
    model, config = checkpoint.load_model(path, build_model, assignments)
    return model, evaluation_transform(path, config, model)
