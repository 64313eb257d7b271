"""Few-shot episodes as in the paper: examples with their answers, then the query (sections 3.3 and 4.1.3)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.trainers.flamingo.data import answer
from corpusloom.trainers.flamingo.prompts.sequence import EOC, Piece, PromptRow

CAPTION = "Output:"
"""Prompt of captions and of classes: <image>Output: {text}<EOC>."""
_KEYWORDS = re.compile(r"\n|<image>|\b(?:Output|Question|Answer|Caption):")
"""Beginnings of another example, if a model writes on instead of <EOC>."""


@dataclass(frozen=True, slots=True)
class Example:
    """An image or a video clip, and the text that belongs to it."""

    pixels: np.ndarray
    """(T, 3, S, S) uint8; T is 1 for an image."""
    text: str
    """Caption, class or answer."""
    prompt: str | None = None
    """Text between the image and `text`, such as `question(...)`; None: that of the evaluation."""
    key: str = ""
    """Key of its sample."""


def question(asked: str) -> str:
    """Return the prompt of a question: <image>Question: {q} Answer: {a}<EOC>."""
    return f"Question: {asked} Answer:"


def dialogue(caption: str, turns: Sequence[tuple[str, str]], asked: str) -> str:
    """Return the prompt of a question after others with their answers; the caption comes first, without a prompt."""
    before = [f"{question(earlier)} {answer}" for earlier, answer in turns]
    return " ".join([caption, *before, question(asked)] if caption else [*before, question(asked)])


def episode(query: Example, shots: Sequence[Example], prompt: str = CAPTION, *, images: bool = True) -> PromptRow:
    """Return the shots with their texts, each up to <EOC>, and the query's image and prompt without its text.

    Without `images` the shots are texts alone. `prompt` is that of examples without one of their own.
    """
    row: list[Piece] = []
    for shot in shots:
        row += [shot.pixels] if images else []
        opening = opening_of(shot, prompt)
        row += [opening, answer(opening, shot.text), EOC]
    return [*row, query.pixels, opening_of(query, prompt)]


def opening_of(example: Example, prompt: str) -> str:
    """Return the text between an example's image and its text."""
    return prompt if example.prompt is None else example.prompt


def trim(text: str) -> str:
    """Return a generated text up to a line break, a tag, or a keyword of prompts (section 4.1.3), stripped."""
    return _KEYWORDS.split(text, maxsplit=1)[0].strip()


def shuffled(pool: int, seed: int, query: int) -> Iterator[int]:
    """Yield the numbers of a pool's examples in random order, each once (section 3.3).

    The order depends on the seed and on the query's number alone, so batches, ranks and the number of shots that are
    taken do not change it.
    """
    rng, drawn = np.random.default_rng([seed, query]), set[int]()
    while len(drawn) < pool:
        number = int(rng.integers(pool))
        if number not in drawn:
            drawn.add(number)
            yield number
