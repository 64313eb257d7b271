"""A Flamingo's initial weights: those of its frozen parts, and with `model.init` those of a run that is fine-tuned."""

import json
from collections.abc import Collection
from dataclasses import asdict, replace
from typing import cast

from corpusloom.schemas import config as tables
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders, frozen
from corpusloom.trainers.flamingo.config import FlamingoDataConfig, FrozenLanguageConfig, data_config, parts
from corpusloom.trainers.flamingo.language_model import folder_of, load_language, read_language_config
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.vision_encoder import VisionTower, fit_size, load_vision, read_shape, unfreeze
from corpusloom.trainers.lm.model import context_of
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.shapes import flattened, take_shape

_NO_SHAPE = ("init", "gate_lr_factor")
"""Keys of the model table on which no weight depends."""
_VISION, _LANGUAGE = "model.vision.checkpoint", "model.language.weights"


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shapes, frozen parts and image size of `model.init`, if it names a run.

    A trained vision encoder gets its shape, so that checkpoints can be read without the weights with which it began.
    `typed` and `begun` are as in `FamilyModule.complete`.
    """
    shape, _, _ = parts(config)
    if shape.init is not None:
        config = _with_source(config, shape.init, typed, begun)
    _, vision, _ = parts(config)
    if vision.freeze or vision.checkpoint is None:
        return config
    kept = vision.shape
    if storage.exists(vision.checkpoint):
        kept = read_shape(vision.checkpoint)
    elif kept is None and begun is not None:
        kept = parts(checkpoint.read_config(begun))[1].shape
    if kept is None:
        frozen.check_present({_VISION: vision.checkpoint})
    return replace(config, model={**config.model, "vision": {**config.model["vision"], "shape": kept}})


def _with_source(config: RunConfig, init: str, typed: Collection[str] | None, begun: str | None) -> RunConfig:
    source = _read_source(config, init, typed, begun)
    own, vision, language = parts(source)
    if not vision.freeze and parts(config)[1].freeze:
        raise ConfigError(
            "the run has trained its vision encoder, so that there is no frozen part to name",
            where=f"model.init={init}",
            remedy="--set model.vision.freeze=false",
        )
    frozen_language = {f"language.{key}": value for key, value in asdict(language).items() if value is not None}
    taken = {key: value for key, value in asdict(own).items() if key not in _NO_SHAPE} | frozen_language
    if vision.checkpoint is not None:
        taken["vision.checkpoint"] = vision.checkpoint
    if vision.shape is not None:
        taken |= flattened(vision.shape, "vision.shape.")
    model = take_shape(config.model, taken, init, typed, free=("language.dtype",))
    size = config.data.get("size", data_config(source).size)
    return replace(config, model=model, data={**config.data, "size": size})


def _read_source(config: RunConfig, init: str, typed: Collection[str] | None, begun: str | None) -> RunConfig:
    """Return the configuration of `model.init`, or of a checkpoint of the run that began from it and outlived it."""
    path = init
    if begun is not None and not storage.exists(init) and checkpoint.read_config(begun).model.get("init") == init:
        path = begun
    if not storage.exists(path):
        raise _refused("is not there", init)
    try:
        path = folders.find(path)
    except InputError as error:
        raise _refused(error.what, init) from error
    found = checkpoint.read_config(path, _relocated(config, typed))
    if found.family != "flamingo":
        raise _refused(f"a checkpoint of a {found.family}, not of a Flamingo", init)
    return found


def _refused(what: str, path: str) -> InputError:
    return InputError(f"model.init: {what}", where=path, remedy="give a run of loom train flamingo")


def _relocated(config: RunConfig, typed: Collection[str] | None = None) -> list[str]:
    """Return KEY=PATH of the frozen parts of `model.init` that the user says are elsewhere now."""
    flat = flattened({"model": config.model})
    found = {key: flat.get(key) for key in (_VISION, _LANGUAGE) if typed is None or key in typed}
    return [f"{key}={json.dumps(path)}" for key, path in found.items() if path is not None]


def build_model(config: RunConfig) -> Flamingo:
    """Return the model; frozen parts have the weights that the configuration names, if any.

    Positions and image sizes that do not fit are a ConfigError here, so before any data is read.
    """
    shape, vision, language = parts(config)
    data = data_config(config)
    check_undivided(language, config)
    check_positions(data, context_of(read_language_config(language, config.name)), config.name)
    tower = load_vision(vision, config.name)
    fit_size(tower, data.size, config.name)
    model = Flamingo(shape, tower, load_language(language, config.name))
    if not vision.freeze:
        unfreeze(model.vision)
    return model


def initial_model(config: RunConfig, begun: str | None = None) -> Flamingo:
    """Return the model with which training begins: with the weights of `model.init`, or else of its frozen parts.

    A trained vision encoder begins with the weights of `model.vision.checkpoint`. If the run has a checkpoint, `begun`,
    the loop loads it afterwards, and the weights of frozen parts alone are read here.
    """
    shape, vision, _ = parts(config)
    if begun is not None:
        return build_model(config)
    if shape.init is not None:
        return _fine_tuned(config, shape.init)
    if vision.freeze or vision.checkpoint is None:
        return build_model(config)
    table = {key: value for key, value in config.model["vision"].items() if key != "shape"}
    return build_model(replace(config, model={**config.model, "vision": table}))


def _fine_tuned(config: RunConfig, init: str) -> Flamingo:
    """Return the model of `init` with what the configuration changes: precision, image size, rates, trained parts."""
    shape, vision, language = parts(config)
    size, source = data_config(config).size, _read_source(config, init, None, None)
    changes = [*_relocated(config), f"model.language.dtype={json.dumps(language.dtype)}"]
    if parts(source)[1].freeze:  # positions of a trained encoder are in the checkpoint, in the size of that run
        changes.append(f"data.size={json.dumps(size) if size else tables.OFF}")

    def build(found: RunConfig) -> Flamingo:
        return build_model(replace(found, parallel=config.parallel))

    model, _ = checkpoint.load_model(init, build, changes)
    model.config, tower = shape, cast(VisionTower, model.vision)
    fit_size(tower, size, config.name)
    if not vision.freeze:
        unfreeze(tower)
    return model


def check_undivided(language: FrozenLanguageConfig, config: RunConfig) -> None:
    """Raise ConfigError for int8 weights that would be divided among ranks: a row and its scale stay together."""
    divided = [key for key in ("shard", "tensor") if getattr(config.parallel, key) != 1]
    if language.dtype == "int8" and divided:
        key = f"parallel.{divided[0]}"
        raise ConfigError(
            f'model.language.dtype is "int8" and {key} is {getattr(config.parallel, divided[0])}',
            where=config.name,
            remedy=f'--set {key}=1, or model.language.dtype="bf16"',
        )


def check_positions(data: FlamingoDataConfig, context: int, where: str) -> None:
    """Raise ConfigError if a sequence is longer than the language model's positions."""
    for key in ("tokens", "pair_tokens"):
        if getattr(data, key) > context:
            raise ConfigError(
                f"data.{key} is {getattr(data, key)}, the language model has {context} positions",
                where=where,
                remedy=f"--set data.{key}={context}, or another model.language.weights",
            )


def frozen_parts(config: RunConfig) -> dict[str, str]:
    """Return {key of the configuration: path} of the weights that training does not change."""
    _, vision, language = parts(config)
    paths = {
        "model.vision.checkpoint": vision.checkpoint if vision.freeze else None,
        "model.language.weights": folder_of(language),
    }
    return {key: path for key, path in paths.items() if path is not None}
