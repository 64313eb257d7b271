"""Word F1 of captions, a figure that needs no corpus: the overlap of a caption's words with its reference's."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor


def word_f1(written: str, reference: str) -> float:
    """Return the F1 score of the words of two captions, counted as multisets."""
    words, wanted = Counter(written.lower().split()), Counter(reference.lower().split())
    return 2 * (words & wanted).total() / max(words.total() + wanted.total(), 1)


def word_f1s(written: Sequence[str], references: Sequence[str]) -> Tensor:
    """Return the F1 of each caption with its reference, (M,) float64."""
    return torch.tensor([word_f1(*both) for both in zip(written, references, strict=True)], dtype=torch.float64)


def word_f1_by_chance(written: Sequence[str], references: Sequence[str]) -> float:
    """Return the mean F1 of each caption with the next one's reference, the first after the last."""
    return float(word_f1s(written, [*references[1:], *references[:1]]).mean())
