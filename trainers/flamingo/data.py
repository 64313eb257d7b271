"""Converts pages and pairs to Flamingo's sequences: tags, windows, phi, square images (arXiv 2204.14198, 2.4, A.3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.lm.tokenizer import TextTokenizer
from corpusloom.trainers.stream.samples.image_ops import decode_near, pad_to_square
from corpusloom.trainers.stream.samples.typed import InterleavedSample, PairSample, TypedSample

IMAGE_TAG = "<image>"
"""Tag before the text of an image: plain text, not a token of its own (section 2.4)."""


@dataclass(frozen=True)
class Vocabulary:
    """The language model's tokenizer, and the id of <EOC>, which is not in it."""

    tokenizer: TextTokenizer
    eoc: int

    def ids(self, text: str) -> list[int]:
        """Return a text's ids, without special tokens."""
        return self.tokenizer.ids(text)

    @property
    def bos(self) -> int:
        """Id before a text."""
        return self.tokenizer.bos

    @property
    def eos(self) -> int:
        """Id after a text."""
        return self.tokenizer.eos

    @property
    def pad(self) -> int:
        """Id of padding."""
        return self.tokenizer.pad


def page_sequence(sample: InterleavedSample, vocabulary: Vocabulary) -> tuple[list[int], dict[int, int]]:
    """Return a page's ids, and {index of a tag's first token: index of its image in the page}.

    <BOS>, then the texts, with <EOC> before every <image> and once at the end, before <EOS>. No blanks around tags.
    """
    ids, tags = [vocabulary.bos], {}
    for position, (text, image) in enumerate(zip(sample.texts, sample.images, strict=True)):
        if text is not None:
            ids += vocabulary.ids(text)
        elif image is not None:
            ids.append(vocabulary.eoc)
            tags[len(ids)] = position
            ids += vocabulary.ids(IMAGE_TAG)
    return [*ids, vocabulary.eoc, vocabulary.eos], tags


def make_phi(length: int, tags: list[int], kept: int, *, look_ahead: bool) -> np.ndarray:
    """Return the image that each token sees: its number from 1 to `kept`, or 0 for none (int64).

    `tags` are the indexes of the window's tags; only the images of the first `kept` tags are kept. By default a token
    sees the image of the last tag at or before it. With `look_ahead` it sees the image of the first tag at or after it,
    and none after the last tag. A token whose image is dropped sees none.
    """
    places = np.arange(length)
    if look_ahead:
        number = np.searchsorted(tags, places, side="left") + 1
        number[number > len(tags)] = 0
    else:
        number = np.searchsorted(tags, places, side="right")
    return np.where(number > kept, 0, number).astype(np.int64)


def cut_window(length: int, tokens: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return start and end of a random window of `tokens` tokens, or of the whole of a shorter sequence."""
    if length <= tokens:
        return 0, length
    start = int(rng.integers(0, length - tokens + 1))
    return start, start + tokens


@dataclass(frozen=True)
class FlamingoTransform:
    """A page or a pair -> images (N, 1, 3, S, S) uint8; tokens, phi and counted (L,)."""

    vocabulary: Vocabulary
    config: FlamingoDataConfig
    size: int
    """Side of the images, S."""
    augment: bool = True

    def __call__(self, sample: TypedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return one sequence's arrays."""
        if isinstance(sample, InterleavedSample):
            return self._page(sample, rng)
        if isinstance(sample, PairSample):
            return self._pair(sample.image, sample.text, rng)
        raise ConfigError("Flamingo trains on interleaved pages and on pairs", where="--data")

    def _page(self, sample: InterleavedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        ids, tags = page_sequence(sample, self.vocabulary)
        start, end = cut_window(len(ids), self.config.tokens, rng)
        inside = [place for place in tags if start <= place < end]
        kept = inside[: self.config.images]
        look_ahead = bool(rng.random() < self.config.next_image)
        phi = make_phi(end - start, [place - start for place in inside], len(kept), look_ahead=look_ahead)
        images = [sample.images[tags[place]] or b"" for place in kept]
        return self._arrays(ids[start:end], phi, images, self.config.tokens, self.config.images, rng)

    def _pair(self, image: bytes, text: str, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        blank = " " if rng.random() < 0.5 else ""
        ids = pair_ids(blank + text, self.vocabulary)[: self.config.pair_tokens]
        phi = np.concatenate([[0], np.ones(len(ids) - 1, np.int64)])
        return self._arrays(ids, phi, [image], self.config.pair_tokens, 1, rng)

    def _arrays(
        self, ids: list[int], phi: np.ndarray, images: list[bytes], length: int, count: int, rng: np.random.Generator
    ) -> Mapping[str, np.ndarray]:
        pad = length - len(ids)
        pixels = np.zeros((count, 1, 3, self.size, self.size), np.uint8)
        for number, data in enumerate(images):
            pixels[number, 0] = self._image(data, rng)
        return {
            "images": pixels,
            "tokens": np.array(ids + [self.vocabulary.pad] * pad, np.int64),
            "phi": np.concatenate([phi, np.zeros(pad, np.int64)]),
            "counted": np.arange(length) < len(ids),
        }

    def _image(self, data: bytes, rng: np.random.Generator) -> np.ndarray:
        """Return an image, padded with the configured colour, as (3, S, S) uint8."""
        size = self.size
        square = pad_to_square(decode_near(data, size), size, self.config.fill)
        if self.augment and self.config.flip and rng.random() < 0.5:
            square = square[:, ::-1]
        return np.ascontiguousarray(square.transpose(2, 0, 1))


def pair_ids(text: str, vocabulary: Vocabulary) -> list[int]:
    """Return <BOS><image>text<EOC><EOS> as ids (A.3.3)."""
    body = vocabulary.ids(IMAGE_TAG) + vocabulary.ids(text)
    return [vocabulary.bos, *body, vocabulary.eoc, vocabulary.eos]
