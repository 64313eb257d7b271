"""A CLIP's initial weights: of a whole model (`model.init`) or of a tower (`model.image.init`, `model.text.init`).

A source is a folder in the layout of transformers or open_clip, or a run or checkpoint of a CLIP.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch

from corpusloom.schemas import config as tables
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip import adapter
from corpusloom.trainers.clip.config import CLIPConfig, model_config
from corpusloom.trainers.clip.layouts.shapes import shape_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer, tokenizer_from_bytes, tokenizer_in
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import ORIGIN, Folder, read_folder
from corpusloom.trainers.training.hub.renames import load_state
from corpusloom.trainers.training.hub.shapes import flattened, nested, take_shape
from corpusloom.trainers.training.optimizer import freeze, group_of

TOKENIZER = "tokenizer.txt"
"""Name of the vocabulary in a checkpoint."""
TOWERS = ("image", "text")
_NO_SHAPE = ("init", "image.init", "text.init", "image.patch_dropout", "text.trim")
"""Keys of the model table on which no weight depends."""


@dataclass(frozen=True)
class FolderSource:
    """Weights in a folder in the layout of transformers or open_clip."""

    folder: Folder

    @property
    def path(self) -> str:
        """Path of the folder."""
        return self.folder.path

    @cached_property
    def shape(self) -> dict[str, Any]:
        """The model's shape as a flat table of our keys."""
        return shape_of(self.folder)

    @property
    def _config(self) -> CLIPConfig:
        return tables.build(CLIPConfig, nested(self.shape), where=self.folder.path)

    def load(self) -> CLIP:
        """Return the model."""
        model = CLIP(self._config)
        adapter.load_weights(model, self.folder)
        return model

    def tokenizer(self) -> CaptionTokenizer | None:
        """Return the vocabulary of the weights, None if the folder has none."""
        return tokenizer_in(self.folder.path, self._config.text)

    def origin(self) -> dict[str, bytes]:
        """Return the attachments from which an export writes the folder's own files."""
        return self.folder.origin()


@dataclass(frozen=True)
class RunSource:
    """Weights in a checkpoint of a CLIP, with moving averages in their place if there are any."""

    path: str
    """Folder of the checkpoint."""
    assignments: tuple[str, ...] = ()
    """KEY=PATH of frozen parts that moved."""

    @cached_property
    def config(self) -> RunConfig:
        """The configuration of the run."""
        return checkpoint.read_config(self.path, self.assignments)

    @cached_property
    def shape(self) -> dict[str, Any]:
        """The model's shape as a flat table of our keys."""
        if self.config.family != "clip":
            what = f"a checkpoint of a {self.config.family}, not of a CLIP"
            raise InputError(what, where=self.path, remedy="give a run of loom train clip")
        return {
            key: value for key, value in flattened(asdict(model_config(self.config))).items() if key not in _NO_SHAPE
        }

    def load(self) -> CLIP:
        """Return the model."""
        return checkpoint.load_model(self.path, build_model, self.assignments)[0]

    def tokenizer(self) -> CaptionTokenizer:
        """Return the vocabulary of the weights."""
        data = folders.read_attachment(self.path, TOKENIZER)
        return tokenizer_from_bytes(data, model_config(self.config).text, where=self.path)

    def origin(self) -> dict[str, bytes]:
        """Return the attachments from which an export writes the files of the folder that the run began from."""
        commit = folders.read_commit(self.path)
        return {name: folders.read_file(self.path, name, commit) for name in commit["files"] if name.startswith(ORIGIN)}


WeightSource = FolderSource | RunSource


def read_source(path: str, *assignments: str) -> WeightSource:
    """Return the CLIP at a path: a model folder, a checkpoint, or a run's newest checkpoint."""
    if not storage.exists(path):
        raise InputError("is not there", where=path, remedy="give a model folder, or a run of loom train clip")
    if folders.has_checkpoints(path):
        return RunSource(folders.find(path), assignments)
    return FolderSource(read_folder(path))


def sources_of(config: RunConfig, begun: str | None = None) -> dict[str, WeightSource]:
    """Return {key of the model table: source}: of `init`, or of towers.

    `begun` is a checkpoint of the run itself, which stands in for a source that is no longer there.
    """
    shape = model_config(config)
    paths = {"init": shape.init, "image.init": shape.image.init, "text.init": shape.text.init}
    found = {}
    for key, path in paths.items():
        if path is not None:
            try:
                found[key] = RunSource(begun) if begun and _stands_in(begun, key, path) else read_source(path)
            except InputError as error:
                raise InputError(f"model.{key}: {error.what}", where=error.where, remedy=error.remedy) from error
    return found


def _stands_in(begun: str, key: str, path: str) -> bool:
    """Return whether a source is gone, and a checkpoint is of a run that began from it."""
    return not storage.exists(path) and flattened(checkpoint.read_config(begun).model).get(key) == path


def complete(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shapes of its sources, but for an image size that was typed.

    `typed` are the keys that the user gave, None if all of the configuration is the user's; `begun` is as in
    `sources_of`. ConfigError if two towers do not go together.
    """
    model: dict[str, Any] = config.model
    taken: dict[str, Any] = {}
    for key, source in sources_of(config, begun).items():
        shape = {name: value for name, value in source.shape.items() if _belongs(name, key) and name not in taken}
        for name in sorted(taken.keys() & source.shape.keys()):
            if name != "embed_dim" and source.shape[name] != taken[name]:
                what = f"{name} is {source.shape[name]!r} there, and {taken[name]!r} in the image tower's source"
                raise ConfigError(what, where=f"model.{key}", remedy="give towers of one kind")
        path = flattened(config.model)[key]
        model = take_shape(model, shape, path, typed, free=("image.size",), where=f"model.{key}")
        taken |= {name: value for name, value in shape.items() if "." not in name}
    return replace(config, model=model)


def _belongs(name: str, key: str) -> bool:
    """Return whether a key of a shape comes with a source: all with `init`, else the tower's and what both share."""
    tower = key.removesuffix("init")
    return not tower or name.startswith(tower) or ("." not in name and name != "loss")


def build_model(config: RunConfig) -> CLIP:
    """Return a CLIP with fresh weights, except for those that frozen parts bring along."""
    model = CLIP(model_config(config))
    parts = _frozen_towers(model, config)
    if parts and not torch.empty(0).is_meta:
        fill(model, {key: source for key, source in sources_of(config).items() if key in parts})
    return model


def frozen_parts(config: RunConfig) -> dict[str, str]:
    """Return {key of the configuration: path} of the sources of towers that are frozen, in whole or in part."""
    with torch.device("meta"):
        parts = _frozen_towers(CLIP(model_config(config)), config)
    return {f"model.{key}": path for key, path in parts.items()}


def _frozen_towers(model: CLIP, config: RunConfig) -> dict[str, str]:
    """Freeze what `train.groups` says if a tower has a source of its own; return {key of the model table: path}."""
    shape = model.config
    paths = {key: path for key, path in (("image.init", shape.image.init), ("text.init", shape.text.init)) if path}
    if not paths:
        return {}
    freeze(model, config.train.groups)
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return {
        key: path for key, path in paths.items() if any(name.startswith(key.removesuffix("init")) for name in frozen)
    }


def initial_model(config: RunConfig, sources: Mapping[str, WeightSource]) -> CLIP:
    """Return the model with which training begins: fresh weights where no source, {key: source}, has some."""
    model = CLIP(model_config(config))
    fill(model, sources)
    return model


def fill(model: CLIP, sources: Mapping[str, WeightSource]) -> None:
    """Copy the weights of sources, {key of the model table: source}, into a model.

    Positions are interpolated to the model's image size. The projection of a text tower stays fresh if its source has
    embeddings of another width.
    """
    own = model.state_dict()
    for key, source in sources.items():
        with torch.device("cpu"):
            found = source.load().state_dict()
        state = {name: value for name, value in found.items() if name.startswith(key.removesuffix("init"))}
        if key == "text.init" and source.shape["embed_dim"] != model.config.embed_dim:
            state = {name: value for name, value in state.items() if not name.startswith("text.projection.")}
        load_state(model, adapter.fit_positions(state, own), f"model.{key}")


def check_pretrained(config: RunConfig, sources: Mapping[str, WeightSource]) -> None:
    """Raise ConfigError if `train.groups` freezes a tower, or decays its layers, that has no source of weights."""
    with torch.device("meta"):
        model = CLIP(model_config(config))
    for name, _ in model.named_parameters():
        group, tower = group_of(name, config.train.groups), name.partition(".")[0]
        if tower not in TOWERS or sources.keys() & {"init", f"{tower}.init"}:
            continue
        if group.freeze or group.layer_decay is not None:
            what = (
                f"{name} is {'frozen' if group.freeze else 'of a group with layer_decay'}, and its weights are random"
            )
            remedy = f"--set model.init=FOLDER, or model.{tower}.init=FOLDER"
            raise ConfigError(what, where="train.groups", remedy=remedy)
