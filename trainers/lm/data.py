"""Texts -> an endless, resumable stream of token sequences of equal length.

A file of texts has one JSON value per line: a string, or an object with the string "text".
"""

import json
import posixpath
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.lm.tokenizer import TextTokenizer


def read_texts(path: str) -> list[str]:
    """Return the texts of a file, in order."""
    texts = []
    for number, line in enumerate(storage.read_bytes(path).splitlines(), 1):
        try:
            value = json.loads(line)
            text = value["text"] if isinstance(value, dict) else value
        except (ValueError, KeyError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise InputError(
                f"line {number} is neither a JSON string nor an object with one named text",
                where=path,
                remedy="write one JSON string per line",
            )
        texts.append(text)
    return texts


def join_texts(texts: Sequence[str], tokenizer: TextTokenizer) -> np.ndarray:
    """Return the ids of all texts in one array (int32), each text between the begin and the end token."""
    encoded = tokenizer.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    parts = [np.array([tokenizer.bos, *item.ids, tokenizer.eos], np.int32) for item in encoded]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


class TextStream:
    """Endless batches of sequences; sequence g of a run depends on the seed and g alone, not on the ranks.

    An epoch cuts the texts into sequences from a random place on and gives each once, in random order. Rank r of R with
    B samples per batch takes the sequences p + r B to p + (r + 1) B of a step that begins at p, and the next step
    begins at p + R B. A batch has "tokens" (B, L + 1): each token but the first is predicted. `sizes` are the sequences
    per epoch, by the name of the first file.
    """

    def __init__(
        self, ids: np.ndarray, tokens: int, batch_size: int, *, seed: int, rank: int, ranks: int, where: str
    ) -> None:
        if len(ids) <= tokens:
            raise InputError(
                f"the texts have {len(ids)} tokens, a sequence has {tokens}", where=where, remedy="lower data.tokens"
            )
        self._ids, self._tokens, self.batch_size = ids, tokens, batch_size
        self.sizes = {posixpath.basename(where): (len(ids) - 1) // tokens}
        self._seed, self._rank, self._ranks, self._where = seed, rank, ranks, where
        self._checksum = zlib.crc32(ids.tobytes())
        self._position = 0
        self._epoch: tuple[int, np.ndarray] = -1, np.empty(0, np.int64)

    def __next__(self) -> dict[str, Any]:
        first = self._position + self._rank * self.batch_size
        starts = [self._start(number) for number in range(first, first + self.batch_size)]
        self._position += self._ranks * self.batch_size
        return {"keys": [str(start) for start in starts], "tokens": windows(self._ids, starts, self._tokens)}

    def _start(self, number: int) -> int:
        """Return where sequence `number` of the run begins in the ids."""
        (per_epoch,) = self.sizes.values()
        epoch, place = divmod(number, per_epoch)
        if self._epoch[0] != epoch:
            rng = np.random.default_rng((self._seed, epoch))
            free = len(self._ids) - 1 - per_epoch * self._tokens
            offset = int(rng.integers(0, free + 1))
            self._epoch = epoch, offset + self._tokens * rng.permutation(per_epoch)
        return int(self._epoch[1][place])

    def state_dict(self) -> dict[str, Any]:
        """Return the number of sequences that all ranks have read, and a checksum of the texts."""
        return {"position": self._position, "texts": self._checksum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at a state, with any number of ranks; ConfigError if the texts are others."""
        if state["texts"] != self._checksum:
            remedy = "resume with the same texts, or train into another folder"
            raise ConfigError("the texts are not those of the checkpoint", where=self._where, remedy=remedy)
        self._position = int(state["position"])

    def close(self) -> None:
        """Do nothing: the texts are in memory."""


def windows(ids: np.ndarray, starts: Iterable[int], tokens: int) -> Tensor:
    """Return the sequences that begin at `starts`, (B, tokens + 1) int64."""
    return torch.from_numpy(np.stack([ids[start : start + tokens + 1] for start in starts]).astype(np.int64))
