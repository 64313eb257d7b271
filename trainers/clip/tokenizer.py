"""CLIP's byte-level BPE tokenizer: cleaning, word splitting and order of ids as in CLIP; merges are read or learnt.

A vocabulary is a text file with a header and one merge per line, as CLIP's own `bpe_simple_vocab_16e6.txt.gz`.
Ids: 256 bytes, 256 bytes at the end of a word, one id per merge, start of text, end of text (the largest id).
"""

import gzip
import html
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Any

import ftfy
import numpy as np
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
END_OF_WORD = "</w>"
HEADER = "#version: 0.2"
CLIP_MERGES = 48_894
"""Number of merges that CLIP uses; OpenAI's file has more."""
MIN_COUNT = 2
"""Smallest number of occurrences of a learnt merge."""

Merges = tuple[tuple[str, str], ...]


def clean(text: str) -> str:
    """Return the text as CLIP cleans it: mojibake and HTML entities repaired, white space collapsed, lower case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


class ClipTokenizer:
    """Turns texts into rows of token ids of one length, and back."""

    def __init__(self, merges: Merges, context: int = 77) -> None:
        self.merges, self.context = merges, context
        alphabet = byte_alphabet()
        pieces = [*alphabet, *(letter + END_OF_WORD for letter in alphabet), *map("".join, merges)]
        self.start, self.end = len(pieces), len(pieces) + 1
        self.vocab_size = self.end + 1
        self._pieces = pieces
        self._bpe = _byte_level(_bpe(dict(zip(pieces, range(len(pieces)), strict=True)), merges))
        self._encode_once = lru_cache(maxsize=65_536)(self._encode)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the merges and the context, from which the tokenizer is made again."""
        return type(self), (self.merges, self.context)

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
        letters = "".join(self._pieces[i] for i in own if i < self.start)
        values = {letter: value for value, letter in _byte_letters().items()}
        words = letters.split(END_OF_WORD)
        return b" ".join(bytes(values[letter] for letter in word) for word in words).decode(errors="replace").strip()

    def check_fits(self, vocab_size: int) -> None:
        """Raise ConfigError if a model of `vocab_size` token embeddings has too few for these ids."""
        if self.vocab_size > vocab_size:
            raise ConfigError(
                f"the tokenizer has {self.vocab_size} ids, model.text.vocab_size is {vocab_size}",
                remedy="raise vocab_size, or use the model's own vocabulary",
            )

    def to_bytes(self) -> bytes:
        """Return the content of the vocabulary's file."""
        return "\n".join([HEADER, *(f"{first} {second}" for first, second in self.merges), ""]).encode()


def load_tokenizer(path: str, context: int = 77) -> ClipTokenizer:
    """Read a vocabulary of merges, gzipped or not; of OpenAI's file, the merges that CLIP uses."""
    return tokenizer_from_bytes(storage.read_bytes(path), context, where=path)


def tokenizer_from_bytes(data: bytes, context: int = 77, where: str = "") -> ClipTokenizer:
    """Return the tokenizer of a vocabulary file's bytes."""
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        lines = text.split("\n")[1 : CLIP_MERGES + 1]
        merges = tuple((first, second) for first, second in (line.split() for line in lines if line))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"not a file of merges: {error}", where=where, remedy="one pair per line, after a header"
        ) from error
    return ClipTokenizer(merges, context)


def train_merges(texts: Iterable[str], vocab_size: int) -> Merges:
    """Learn the most frequent merges, as many as a vocabulary of `vocab_size` holds; equal texts give equal merges.

    The library's own trainer breaks ties in the order of a hash table, so that two runs on the same captions differ.
    """
    split = _byte_level(_bpe({}, ())).pre_tokenizer.pre_tokenize_str
    words = Counter(word for text in texts for word, _ in split(clean(text)))
    pieces = {word: (*word[:-1], word[-1] + END_OF_WORD) for word in words}
    wanted = max(0, vocab_size - 2 * len(byte_alphabet()) - 2)
    merges: list[tuple[str, str]] = []
    while len(merges) < wanted:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < MIN_COUNT:
            break
        merges.append(best)
        pieces = {word: merge_pair(parts, best) for word, parts in pieces.items()}
    return tuple(merges)


def merge_pair(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Return a word's pieces with each occurrence of a pair joined, from left to right."""
    if pair[0] not in parts:
        return parts
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def byte_alphabet() -> list[str]:
    """Return the letter of each byte in CLIP's order of ids: the printable bytes first, then the others."""
    return list(_byte_letters().values())


@lru_cache(maxsize=1)
def _byte_letters() -> dict[int, str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(others)}


def _bpe(ids: dict[str, int], merges: Merges) -> models.BPE:
    return models.BPE(ids, list(merges), end_of_word_suffix=END_OF_WORD)


def _byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer
