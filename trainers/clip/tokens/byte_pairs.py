"""CLIP's byte-level BPE tokenizer: cleaning, word splitting and order of ids as in CLIP; merges are read or learnt.

A vocabulary is a text file with a header and one merge per line, as CLIP's own `bpe_simple_vocab_16e6.txt.gz`.
Ids: 256 bytes, 256 bytes at the end of a word, one id per merge, start of text, end of text (the largest id).
`tokens.files` reads the files of CLIP and of transformers.
"""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any

import ftfy
import numpy as np
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from corpusloom.schemas.errors import ConfigError

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
END_OF_WORD = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
HEADER = "#version: 0.2"
MIN_COUNT = 2
"""Smallest number of occurrences of a learnt merge."""

Merges = tuple[tuple[str, str], ...]


def clean(text: str) -> str:
    """Return the text as CLIP cleans it: mojibake and HTML entities repaired, white space collapsed, lower case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


class ClipTokenizer:
    """Turns texts into rows of token ids of one length, and back."""

    def __init__(self, merges: Merges, context: int = 77, vocabulary: Mapping[str, int] | None = None) -> None:
        """Make the tokenizer of merges; `vocabulary` is piece -> id, CLIP's own order if None."""
        self.merges, self.context = merges, context
        self.vocabulary = standard_ids(merges) if vocabulary is None else dict(vocabulary)
        self.start, self.end = self.vocabulary[START], self.vocabulary[END]
        self.vocab_size = max(self.vocabulary.values()) + 1
        self._bpe = byte_level(models.BPE(self.vocabulary, list(merges), unk_token=END, end_of_word_suffix=END_OF_WORD))
        self._encode_once = lru_cache(maxsize=65_536)(self._encode)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as merges, context and ids, from which the tokenizer is made again."""
        return type(self), (self.merges, self.context, self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Return all ids of a text, without the special ones; special tokens spelt out in it are plain text."""
        return list(self._encode_once(text))

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._bpe.encode(clean(text)).ids)

    def row(self, text: str) -> np.ndarray:
        """Return (context,) int64: start, ids, end, then zeros; a long text is cut before the end token."""
        row = np.zeros(self.context, np.int64)
        ids = [self.start, *self._encode_once(text)[: self.context - 2], self.end]
        row[: len(ids)] = ids
        return row

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, context) int64."""
        return np.stack([self.row(text) for text in texts])

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids up to the end token, without special tokens."""
        own = takewhile(lambda i: i != self.end, ids)
        pieces = {number: piece for piece, number in self.vocabulary.items()}
        letters = "".join(pieces.get(i, "") for i in own if i != self.start)
        values = {letter: value for value, letter in _byte_letters().items()}
        words = letters.split(END_OF_WORD)
        return b" ".join(bytes(values[letter] for letter in word) for word in words).decode(errors="replace").strip()

    def check_fits(self, vocab_size: int) -> None:
        """Raise ConfigError if a model of `vocab_size` token embeddings has too few for these ids."""
        check_ids_fit(self.vocab_size, vocab_size)

    @property
    def special_ids(self) -> dict[str, int | None]:
        """Ids of the special tokens as transformers names them."""
        return {"bos_token_id": self.start, "eos_token_id": self.end, "pad_token_id": self.end}

    def to_bytes(self) -> bytes:
        """Return the content of the vocabulary's file: merges, or a JSON object if the ids are not in CLIP's order."""
        if self.vocabulary == standard_ids(self.merges):
            return "\n".join([HEADER, *(f"{first} {second}" for first, second in self.merges), ""]).encode()
        model = {"type": "BPE", "end_of_word_suffix": END_OF_WORD, "vocab": self.vocabulary, "merges": self.merges}
        return json.dumps({"model": model}).encode()


def check_ids_fit(ids: int, vocab_size: int) -> None:
    """Raise ConfigError if a tokenizer has more ids than a model has token embeddings."""
    if ids > vocab_size:
        raise ConfigError(
            f"the tokenizer has {ids} ids, model.text.vocab_size is {vocab_size}",
            remedy="raise vocab_size, or use the model's own vocabulary",
        )


def standard_ids(merges: Merges) -> dict[str, int]:
    """Return piece -> id in CLIP's order."""
    alphabet = byte_alphabet()
    pieces = [*alphabet, *(letter + END_OF_WORD for letter in alphabet), *map("".join, merges), START, END]
    return {piece: number for number, piece in enumerate(pieces)}


def learn_merges(texts: Iterable[str], vocab_size: int) -> Merges:
    """Learn the most frequent merges, as many as a vocabulary of `vocab_size` holds.

    Equal texts give equal merges in any order. The library breaks ties by id, and numbers the letters at the end of a
    word in the order of a hash table; here all letters are given to it first, in CLIP's order, as special tokens.
    """
    alphabet = byte_alphabet()
    letters = [*alphabet, *(letter + END_OF_WORD for letter in alphabet)]
    if vocab_size - 2 <= len(letters):
        return ()
    tokenizer = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        min_frequency=MIN_COUNT,
        special_tokens=letters,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(clean, texts), trainer)
    return tuple((first, second) for first, second in json.loads(tokenizer.to_str())["model"]["merges"])


def byte_alphabet() -> list[str]:
    """Return the letter of each byte in CLIP's order of ids: the printable bytes first, then the others."""
    return list(_byte_letters().values())


@lru_cache(maxsize=1)
def _byte_letters() -> dict[int, str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(others)}


def byte_level(model: models.BPE) -> Tokenizer:
    """Return a tokenizer that splits texts into CLIP's words, and words into the letters of their bytes."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer
