"""Flamingo as a task of the loop: a frozen CLIP image tower and a frozen language model, trained on pages and pairs."""

from collections.abc import Collection, Mapping

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.flamingo.config import FlamingoDataConfig, data_config, parts
from corpusloom.trainers.flamingo.data import FlamingoTransform, Vocabulary
from corpusloom.trainers.flamingo.language_model import folder_of, load_language, read_language_config
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import make_objective
from corpusloom.trainers.flamingo.vision_encoder import check_size, load_vision
from corpusloom.trainers.lm.adapter import load_tokenizer
from corpusloom.trainers.lm.model import context_of
from corpusloom.trainers.lm.tokenizer import SPECIAL, TOKENIZER, read_files
from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.batches.joint import JointBatches
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.loader import make_batches, open_stream
from corpusloom.trainers.training.task import TrainingTask


def complete(config: RunConfig, typed: Collection[str] | None = None) -> RunConfig:
    """Return the configuration as it is: the frozen parts have their own configurations."""
    return config


def build_model(config: RunConfig) -> Flamingo:
    """Return the model; frozen parts have the weights that the configuration names, if any.

    Positions and image sizes that do not fit are a ConfigError here, so before any data is read.
    """
    shape, vision, language = parts(config)
    data = data_config(config)
    check_positions(data, context_of(read_language_config(language, config.name)), config.name)
    tower = load_vision(vision, config.name)
    check_size(data.size, tower, config.name)
    return Flamingo(shape, tower, load_language(language, config.name))


def check_positions(data: FlamingoDataConfig, context: int, where: str) -> None:
    """Raise ConfigError if a sequence is longer than the language model's positions."""
    for key in ("tokens", "pair_tokens"):
        if getattr(data, key) > context:
            raise ConfigError(
                f"data.{key} is {getattr(data, key)}, the language model has {context} positions",
                where=where,
                remedy=f"--set data.{key}={context}, or another model.language.weights",
            )


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


def frozen_parts(config: RunConfig) -> dict[str, str]:
    """Return {key of the configuration: path} of the weights that training does not change."""
    _, vision, language = parts(config)
    paths = {"model.vision.checkpoint": vision.checkpoint, "model.language.weights": folder_of(language)}
    return {key: path for key, path in paths.items() if path is not None}


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]]) -> TrainingTask:
    """Return the task with one stream per dataset; a dataset's weight is its lambda in equation 2."""
    _, vision, language = parts(config)
    if vision.checkpoint is None:
        raise ConfigError(
            "the vision encoder would have random weights",
            where=config.name,
            remedy="--set model.vision.checkpoint=RUN, a run of loom train clip, or a CLIP's folder",
        )
    vocabulary = load_vocabulary(config, int(read_language_config(language, config.name).vocab_size))
    model = build_model(config)
    data = data_config(config)
    transform = FlamingoTransform(vocabulary, data, data.size or model.image_size)
    streams = {
        name: _batches(open_stream(config, path, seed_offset=number), transform, config)
        for number, (name, (path, _)) in enumerate(datasets.items())
    }
    return TrainingTask(
        model=model,
        objective=make_objective({name: weight for name, (_, weight) in datasets.items()}),
        stream=JointBatches(streams),
        attachments=vocabulary.tokenizer.files(),
    )


def _batches(stream: StreamingDataset, transform: FlamingoTransform, config: RunConfig) -> Batches:
    """Return a dataset's batches; those of pairs may be larger, because pairs are shorter than pages."""
    size = transform.config.pair_batch if stream.kinds == ("pairs",) else None
    return make_batches(config, stream, transform, batch_size=size)


def evaluation_transform(path: str, config: RunConfig, model: Flamingo) -> FlamingoTransform:
    """Return the transform of a checkpoint, with its own tokenizer and without augmentation."""
    folder = folders.find(path)
    tokenizer = read_files({name: folders.read_attachment(folder, name) for name in (TOKENIZER, SPECIAL)}, folder)
    data = data_config(config)
    return FlamingoTransform(Vocabulary(tokenizer, model.eoc), data, data.size or model.image_size, augment=False)
