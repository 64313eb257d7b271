"""Chooses the tokenizer of a model: CLIP's if it reads a text at its end token, else a padded one, as SigLIP's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from corpusloom.trainers.clip.config import TextTowerConfig
from corpusloom.trainers.clip.tokens import files, padded, padded_files
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer, learn_merges
from corpusloom.trainers.clip.tokens.padded import PaddedTokenizer


class CaptionTokenizer(Protocol):
    """A tokenizer as the text tower and its data use it."""

    context: int
    vocab_size: int

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Piece -> id."""

    def row(self, text: str) -> np.ndarray:
        """Return (context,) int64."""

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, context) int64."""

    def check_fits(self, vocab_size: int) -> None:
        """Raise ConfigError if a model of `vocab_size` token embeddings has too few for these ids."""

    @property
    def special_ids(self) -> Mapping[str, int | None]:
        """Ids of the special tokens as transformers names them."""

    def to_bytes(self) -> bytes:
        """Return the content of the vocabulary's file in a checkpoint."""


def load_tokenizer(path: str, text: TextTowerConfig) -> CaptionTokenizer:
    """Read a vocabulary's file, or what a folder has of them."""
    if text.pool == "last":
        return padded_files.load_padded(path, text.context)
    return files.load_tokenizer(path, text.context)


def tokenizer_in(folder: str, text: TextTowerConfig) -> CaptionTokenizer | None:
    """Return the tokenizer among the files of a model's folder, or None if there is none."""
    if text.pool == "last":
        return padded_files.padded_in(folder, text.context)
    return files.tokenizer_in(folder, text.context)


def tokenizer_from_bytes(data: bytes, text: TextTowerConfig, where: str = "") -> CaptionTokenizer:
    """Return the tokenizer of a file's bytes."""
    if text.pool == "last":
        return padded_files.padded_from_bytes(data, text.context, where)
    return files.tokenizer_from_bytes(data, text.context, where)


def learn_tokenizer(captions: Iterable[str], text: TextTowerConfig) -> CaptionTokenizer:
    """Return a tokenizer learnt from captions; equal captions in any order give an equal one."""
    merges = learn_merges(captions, text.vocab_size)
    return padded.from_merges(merges, text.context) if text.pool == "last" else ClipTokenizer(merges, text.context)


def hf_files(tokenizer: CaptionTokenizer) -> dict[str, bytes]:
    """Return the files from which transformers' AutoTokenizer reads the same ids."""
    if isinstance(tokenizer, PaddedTokenizer):
        return padded.hf_files(tokenizer)
    assert isinstance(tokenizer, ClipTokenizer)
    return files.hf_files(tokenizer)
