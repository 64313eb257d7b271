"""Flamingo as a task of the loop: a frozen CLIP image tower and a frozen language model, trained on pages and pairs."""

from collections.abc import Mapping
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip import task as clip_task
from corpusloom.trainers.flamingo import language_model
from corpusloom.trainers.flamingo.config import BUNDLED, data_config, parts
from corpusloom.trainers.flamingo.data import FlamingoTransform, Vocabulary
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import make_objective
from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.batches.joint import JointBatches
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.training.loader import make_batches, open_stream
from corpusloom.trainers.training.task import TrainingTask

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


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
    """Return the task with one stream per dataset; a dataset's weight is its lambda in equation 2."""
    _, vision, _ = parts(config)
    if vision.checkpoint is None:
        raise ConfigError(
            "no vision encoder", where=config.name, remedy="--set model.vision.checkpoint=RUN, a run of loom train clip"
        )
    vocabulary = vocabulary_of(config)
    transform = FlamingoTransform(vocabulary, data_config(config))
    streams = {
        name: _batches(open_stream(config, path, seed_offset=number), transform, config)
        for number, (name, (path, _)) in enumerate(datasets.items())
    }
    return TrainingTask(
        model=build_model(config),
        objective=make_objective({name: weight for name, (_, weight) in datasets.items()}),
        stream=JointBatches(streams),
        attachments={TOKENIZER: vocabulary.tokenizer.to_str().encode()},
    )


def _batches(stream: StreamingDataset, transform: FlamingoTransform, config: RunConfig) -> Batches:
    """Return a dataset's batches; those of pairs may be larger, because pairs are shorter than pages."""
    size = transform.config.pair_batch if stream.kinds == ("pairs",) else None
    return make_batches(config, stream, transform, batch_size=size)


def evaluation_transform(path: str, config: RunConfig) -> FlamingoTransform:
    """Return the transform of a checkpoint, with its own tokenizer and without augmentation."""
    tokenizer = Tokenizer.from_str(folders.read_attachment(folders.find(path), TOKENIZER).decode())
    _, _, language = parts(config)
    size: Any = language.shape.vocab_size if language.shape else tokenizer.get_vocab_size()
    return FlamingoTransform(Vocabulary(tokenizer, size), data_config(config), augment=False)
