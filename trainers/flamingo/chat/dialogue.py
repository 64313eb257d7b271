"""The turns of a dialogue about images, and the prompt of its next reply.

A turn is `Question: {q} Answer: {a}` after its images, as in the paper's visual dialogue (section 4.1.3). Ours are the
choice of other keywords, a text before the first turn, and images at any turn. <EOC> stands before each image that
something precedes, as on pages in training (section 3.2.1).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.data import IMAGE_TAG, Vocabulary
from corpusloom.trainers.flamingo.prompts.episodes import trim
from corpusloom.trainers.flamingo.prompts.sequence import EOC, Piece, PromptRow, parse_prompt, row_ids


@dataclass(frozen=True, slots=True)
class DialogueForm:
    """The words around the texts of a dialogue."""

    prefix: str = ""
    """Text before the first turn."""
    asks: str = "Question:"
    """Keyword before a user's text; "": texts are continued as they are."""
    answers: str = "Answer:"
    """Keyword before a reply."""

    def turn(self, text: str, images: Sequence[np.ndarray]) -> "Turn":
        """Return a user's turn; the images stand where the text has the tag <image>, or before a text without tags.

        Raises InputError for a text without words, one that is not valid Unicode, or other than one tag per image.
        """
        if not text.strip():
            raise InputError("the text is empty", where="prompt", remedy="write a question or a text to continue")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InputError("the text is not valid Unicode", where="prompt", remedy="give it as UTF-8")
        words = f"{self.asks} {text.strip()} {self.answers}" if self.asks else text
        return Turn([*images, words] if IMAGE_TAG not in text else parse_prompt(words, images))

    def trim(self, text: str) -> str:
        """Return a generated text up to where another turn, example or image begins, stripped."""
        if not self.asks:
            return text.partition(IMAGE_TAG)[0].strip()
        return re.split(f"(?<!\\w)(?:{re.escape(self.asks)}|{re.escape(self.answers)})", trim(text))[0].strip()


COMPLETION = DialogueForm(asks="", answers="")
"""Texts are continued as they are, without keywords: captions, few-shot prompts, OCR."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A user's images and text in order, with its keywords, and the reply."""

    pieces: PromptRow
    reply: str = ""

    def images(self) -> "Turn":
        """Return the turn without its texts."""
        return Turn([piece for piece in self.pieces if isinstance(piece, np.ndarray)])


def prompt_of(form: DialogueForm, turns: Iterable[Turn]) -> PromptRow:
    """Return turns as one prompt. A blank stands between the text of a turn and what was written before it."""
    row: list[Piece] = [form.prefix] if form.prefix else []
    for turn in turns:
        for number, piece in enumerate(turn.pieces):
            row += _joined(row, piece, begins=number == 0)
        if turn.reply:
            row.append(f" {turn.reply}")
    return row


def _joined(row: Sequence[Piece], piece: Piece, *, begins: bool) -> list[Piece]:
    """Return a piece as it follows a row: an image after <EOC>, a turn's text after a blank if it follows a text."""
    last = row[-1] if row else None
    after_text = isinstance(last, str) and last != EOC
    if isinstance(piece, np.ndarray):
        return [EOC, piece] if after_text or isinstance(last, np.ndarray) else [piece]
    return [f" {piece}"] if begins and after_text and piece != EOC else [piece]


def fit(
    form: DialogueForm, turns: Sequence[Turn], vocabulary: Vocabulary, context: int, new: int
) -> tuple[Sequence[Turn], int]:
    """Return turns whose prompt leaves room for `new` tokens, and how many were cut to their images, oldest first.

    The last turn is never cut. Raises ConfigError if all images and the last turn alone do not fit.
    """
    kept, cut = list(turns), 0
    needed = _length(form, kept, vocabulary) + new
    for number, turn in enumerate(turns[:-1]):
        if needed <= context:
            break
        kept[number] = turn.images()
        cut += len(kept[number].pieces) < len(turn.pieces)
        needed = _length(form, kept, vocabulary) + new
    if needed > context:
        raise ConfigError(
            f"the images, the text and {new} new tokens need {needed} positions, the language model has {context}",
            where="prompt",
            remedy="give fewer images, a shorter text or fewer new tokens",
        )
    return [turn for turn in kept if turn.pieces], cut


def _length(form: DialogueForm, turns: Iterable[Turn], vocabulary: Vocabulary) -> int:
    return len(row_ids(prompt_of(form, turns), vocabulary).ids)
