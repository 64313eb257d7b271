"""A dialogue with a model: images and texts go in, replies come out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm, Turn, fit, prompt_of
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.images import read_image
from corpusloom.trainers.flamingo.prompts.sequence import generate


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of a model to a dialogue."""

    text: str
    """The reply; "" if the model ends it at once."""
    images: tuple[str, ...]
    """Paths of the images that came with the user's text."""
    cut: int
    """Earlier turns that were cut to their images, for the context to have room."""


@dataclass(frozen=True, slots=True)
class Responder:
    """A model, and how it writes."""

    model: Flamingo
    transform: FlamingoTransform
    """Reads images; it does not augment."""
    form: DialogueForm
    decoding: DecodingConfig
    encoder: ImageEncoder | None = None
    """Holds the tokens of earlier turns' images; None: they are encoded for every reply."""

    def respond(self, turns: Sequence[Turn]) -> tuple[Sequence[Turn], int]:
        """Return turns with the reply to the last of them, and how many were cut to their images.

        Raises ConfigError if the images and the last turn do not fit the context.
        """
        vocabulary, context = self.transform.vocabulary, self.model.language.context
        kept, cut = fit(self.form, turns, vocabulary, context, self.decoding.limit)
        (text,) = generate(self.model, [prompt_of(self.form, kept)], vocabulary, self.decoding, self.encoder)
        return [*kept[:-1], Turn(kept[-1].pieces, self.form.trim(text))], cut


class Session:
    """A dialogue so far. An error leaves it as it was."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._waiting: list[tuple[str, np.ndarray]] = []
        self._turns: Sequence[Turn] = ()

    def add_image(self, path: str) -> None:
        """Read an image, a video or a folder of its frames for the next text; InputError if it cannot be decoded."""
        self._waiting.append((path, read_image(path, self._responder.transform)))

    def ask(self, text: str) -> Reply:
        """Return the reply to a text and the images that wait for it; errors as `turn` and `respond`."""
        turn = self._responder.form.turn(text, [pixels for _, pixels in self._waiting])
        self._turns, cut = self._responder.respond([*self._turns, turn])
        names = tuple(path for path, _ in self._waiting)
        self._waiting.clear()
        return Reply(self._turns[-1].reply, names, cut)

    def undo(self) -> bool:
        """Take back the images that wait or, if there are none, the last turn; return whether there was either."""
        if self._waiting:
            self._waiting.clear()
            return True
        undone, self._turns = bool(self._turns), self._turns[:-1]
        return undone

    def reset(self) -> None:
        """Forget all turns and images."""
        self._waiting.clear()
        self._turns = ()
