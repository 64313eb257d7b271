"""A ViLBERT's initial weights, `model.init`: a run, a folder of the published layout, or a BERT for the text stream."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.training import checkpoint, collectives
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.hub.folders import Folder, read_folder
from corpusloom.trainers.training.hub.shapes import take_shape
from corpusloom.trainers.training.hub.vocabulary import choose_vocabulary
from corpusloom.trainers.vilbert import adapter
from corpusloom.trainers.vilbert.config import ALIGNED, ViLBERTConfig, model_config
from corpusloom.trainers.vilbert.downstream.model import TaskModel
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.model.streams import Streams
from corpusloom.trainers.vilbert.shapes import shape_of
from corpusloom.trainers.vilbert.tokenizer import learn_tokenizer, read_vocabulary, tokenizer_in

TOKENIZER = "tokenizer.json"
"""Name of the vocabulary in a checkpoint."""
_NO_SHAPE = ("init", "init_lr_factor", "init_std", "dropout", "task", "answers")
"""Keys of the model table on which no weight of the streams depends."""


@dataclass(frozen=True)
class FolderWeights:
    """Weights in a folder: of a ViLBERT in the published layout, or of a BERT of transformers."""

    folder: Folder

    @property
    def path(self) -> str:
        """Path of the folder."""
        return self.folder.path

    @cached_property
    def shape(self) -> dict[str, Any]:
        """Keys of the model table that the weights fix."""
        return shape_of(self.folder)

    def load(self, shape: ViLBERTConfig) -> Streams:
        """Return a pre-training model with these weights; parts that a BERT lacks are fresh."""
        model = ViLBERT(shape)
        adapter.load_weights(model, self.folder)
        return model

    def tokenizer(self) -> Tokenizer | None:
        """Return the vocabulary of the weights, None if the folder has none."""
        return tokenizer_in(self.folder.path)

    def attachments(self) -> dict[str, bytes]:
        """Return the attachments from which an export writes the folder's own files."""
        return adapter.attachments_of(self.folder)


@dataclass(frozen=True)
class RunWeights:
    """Weights in a checkpoint of a ViLBERT, with moving averages in their place if there are any."""

    path: str
    """Folder of the checkpoint."""

    @cached_property
    def shape(self) -> dict[str, Any]:
        """Keys of the model table that the weights fix."""
        config = checkpoint.read_config(self.path)
        if config.family != "vilbert":
            what = f"a checkpoint of a {config.family}, not of a ViLBERT"
            raise InputError(what, where=self.path, remedy="give a run of loom train vilbert")
        return {key: value for key, value in asdict(model_config(config)).items() if key not in _NO_SHAPE}

    def load(self, shape: ViLBERTConfig) -> Streams:
        """Return the checkpoint's model."""
        return checkpoint.load_model(self.path, build_model)[0]

    def tokenizer(self) -> Tokenizer:
        """Return the vocabulary of the weights."""
        return Tokenizer.from_str(folders.read_attachment(self.path, TOKENIZER).decode())

    def attachments(self) -> dict[str, bytes]:
        """Return no attachments: an export writes a new folder."""
        return {}


InitialWeights = FolderWeights | RunWeights


def source_of(config: RunConfig, begun: str | None = None) -> InitialWeights | None:
    """Return the source that `model.init` names, if it names one.

    `begun` is a checkpoint of the run itself, which stands in for a source that is no longer there.
    """
    path = config.model.get("init")
    if path is None:
        return None
    if not storage.exists(path):
        if begun is not None and checkpoint.read_config(begun).model.get("init") == path:
            return RunWeights(begun)
        remedy = "give a run of loom train vilbert, or a folder of a ViLBERT or a BERT"
        raise InputError("model.init: is not there", where=path, remedy=remedy)
    if folders.has_checkpoints(path):
        return RunWeights(folders.find(path))
    return FolderWeights(read_folder(path))


def take_source(config: RunConfig, typed: Collection[str] | None = None, begun: str | None = None) -> RunConfig:
    """Return the configuration with the shape of the weights in `model.init`: all of it, or the text stream's.

    `typed` are the keys that the user gave, None if all of the configuration is the user's.
    """
    source = source_of(config, begun)
    if source is None:
        return config
    return replace(config, model=take_shape(config.model, source.shape, source.path, typed))


def build_model(config: RunConfig) -> Streams:
    """Return the model of the configuration's task with fresh weights."""
    shape = model_config(config)
    return ViLBERT(shape) if shape.task in ALIGNED else TaskModel(shape)


def initial_model(config: RunConfig, source: InitialWeights | None) -> Streams:
    """Return the model with the weights of a source, where it has some, and fresh ones elsewhere.

    Heads are taken if the source has the same ones.
    """
    if source is None:
        return build_model(config)
    shape = model_config(config)
    if isinstance(source, FolderWeights) and shape.task in ALIGNED:
        return source.load(shape)
    model, found = build_model(config), source.load(shape).state_dict()
    own = model.state_dict()
    for name, tensor in found.items():
        if name in own and own[name].shape == tensor.shape:
            own[name].copy_(tensor)
    return model


def make_tokenizer(
    source: InitialWeights | None, vocabulary: str | None, vocab_size: int, texts: Callable[[], Iterable[str]]
) -> tuple[Tokenizer, bool]:
    """Return the tokenizer of the initial weights or of a file, else one learnt from texts; and whether it was learnt.

    Raises ConfigError if the initial weights would get another vocabulary than their own.
    """
    own = None if source is None else (source.path, source.tokenizer())
    given = None if vocabulary is None else (vocabulary, read_vocabulary(vocabulary))
    found = choose_vocabulary("data.vocabulary", given, own, Tokenizer.get_vocab)
    if found is not None:
        return found, False
    learnt = collectives.from_rank_0(lambda: learn_tokenizer(texts(), vocab_size).to_str())
    return Tokenizer.from_str(learnt), True


def attachments_of(tokenizer: Tokenizer, source: InitialWeights | None) -> Mapping[str, bytes]:
    """Return the attachments of a run's checkpoints: its vocabulary, and the files of the folder it began from."""
    return {TOKENIZER: tokenizer.to_str().encode(), **({} if source is None else source.attachments())}


def check_fits(tokenizer: Tokenizer, tokens: int, shape: ViLBERTConfig, where: str) -> None:
    """Raise ConfigError if the model lacks embeddings for some ids, or for some of `tokens` positions of a text."""
    if tokenizer.get_vocab_size() > shape.vocab_size:
        raise ConfigError(
            f"the vocabulary has {tokenizer.get_vocab_size()} words, the model {shape.vocab_size}",
            where=where,
            remedy="raise model.vocab_size or lower data.vocab_size",
        )
    if tokens > shape.max_tokens:
        raise ConfigError(
            f"captions have {tokens} tokens, the model {shape.max_tokens} positions",
            where=where,
            remedy="raise model.max_tokens or lower data.tokens",
        )


def load_streams(path: str) -> tuple[Streams, RunConfig, Tokenizer]:
    """Return the model of a checkpoint, its configuration and its vocabulary."""
    model, config = checkpoint.load_model(path, build_model)
    return model, config, RunWeights(folders.find(path)).tokenizer()
