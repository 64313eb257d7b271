"""Texts that a model wrote for samples, and their form in the finished batches of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

WIDTH = 1024
"""Bytes of a text that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenText:
    """A text that a model wrote for one sample."""

    key: str
    """Key of the sample."""
    shots: int
    """Examples before it."""
    seed: int
    """Seed of their choice."""
    text: str
    reference: str
    """The sample's own text."""

    def to_plain(self) -> dict[str, Any]:
        """Return plain values."""
        where = {"key": self.key, "shots": self.shots, "seed": self.seed}
        return {**where, "text": self.text, "reference": self.reference}


def pack(texts: Sequence[str]) -> Tensor:
    """Return texts as rows of UTF-8, (N, WIDTH) uint8, padded with zeros; a longer one is cut."""
    rows = torch.zeros(len(texts), WIDTH, dtype=torch.uint8)
    for row, text in zip(rows, texts, strict=True):
        data = text.encode("utf-8", "replace")[:WIDTH]
        row[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else 0
    return rows


def unpack(rows: Tensor) -> list[str]:
    """Return the texts of rows of UTF-8, (N, WIDTH) uint8."""
    return [bytes(row.tolist()).rstrip(b"\0").decode("utf-8", "ignore") for row in rows]
