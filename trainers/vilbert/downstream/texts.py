"""The text of an annotation as the model's inputs: one text, or several of which the model chooses one.

Shapes: C choices, T tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from corpusloom.trainers.vilbert.tokenizer import encode, encode_pair, token_id


@dataclass(frozen=True, slots=True)
class Choices:
    """Texts among which the model chooses."""

    context: tuple[str, ...]
    """Texts before each choice, with a [SEP] between them: segment 0."""
    choices: tuple[str, ...]
    """The choices: segment 1."""


ModelText = str | Choices
"""Text or texts beside an image."""


def text_inputs(tokenizer: Tokenizer, text: ModelText, length: int) -> dict[str, np.ndarray]:
    """Return `tokens` and `token_mask`, (T,), of one text; of choices, (C, T), and their `segments`."""
    pad = token_id(tokenizer, "[PAD]")
    if isinstance(text, str):
        tokens = encode(tokenizer, text, length)
        return {"tokens": tokens, "token_mask": tokens != pad}
    pairs = [encode_pair(tokenizer, text.context, choice, length) for choice in text.choices]
    tokens, segments = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    return {"tokens": tokens, "token_mask": tokens != pad, "segments": segments}


def texts_of(text: ModelText) -> Iterator[str]:
    """Yield all texts of an annotation, from which a vocabulary may be learnt."""
    if isinstance(text, str):
        yield text
    else:
        yield from (*text.context, *text.choices)
