"""Converts pages and pairs to Flamingo's sequences: tags, windows, phi, square images (arXiv 2204.14198, 2.4, A.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.lm.tokenizer import TextTokenizer
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.colours import draw_change, recolour
from corpusloom.trainers.stream.samples.image_ops import decode_near, pad_to_square
from corpusloom.trainers.stream.samples.typed import ClipSample, InterleavedSample, PairSample, TypedSample

IMAGE_TAG = "<image>"
"""Tag before the text of an image: plain text, not a token of its own (section 2.4)."""
QUESTION = "few_shot"
"""Key of a sample's JSON: {"prompt": TEXT, "answers": [TEXT ...]} of a benchmark's record (`loom benchmark-data`)."""


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


def choose_frames(count: int, wanted: int, rng: np.random.Generator | None) -> np.ndarray:
    """Return the indexes of `wanted` of a clip's `count` frames, in order.

    With `rng`, in training, they follow each other from a random start (section 4.1.4); without it, or if the clip is
    shorter, they are spread over the whole clip, and frames of a shorter clip are repeated.
    """
    if rng is not None and count >= wanted:
        return int(rng.integers(count - wanted + 1)) + np.arange(wanted)
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)


@dataclass(frozen=True)
class FlamingoTransform:
    """A page, a pair or a video clip -> images (N, T, 3, S, S) uint8; tokens, phi and counted (L,).

    N is 1 for pairs and clips, T is 1 for pages and pairs.
    """

    vocabulary: Vocabulary
    config: FlamingoDataConfig
    size: int
    """Side of the images, S."""
    frames: int = 8
    """Frames per clip in training, as many as the model has time embeddings."""
    augment: bool = True
    """Whether images are augmented; without it clips have `config.evaluation_frames` frames."""

    def __call__(self, sample: TypedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return one sequence's arrays."""
        if isinstance(sample, InterleavedSample):
            return self._page(sample, rng)
        if isinstance(sample, PairSample):
            return self._captioned([sample.image], sample, rng)
        if isinstance(sample, ClipSample):
            wanted = self.frames if self.augment else self.config.evaluation_frames
            chosen = choose_frames(len(sample.frames), wanted, rng if self.augment else None)
            return self._captioned([sample.frames[number] for number in chosen], sample, rng)
        raise ConfigError("Flamingo trains on interleaved pages, pairs and video clips", where="--data")

    def _page(self, sample: InterleavedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        ids, tags = page_sequence(sample, self.vocabulary)
        start, end = cut_window(len(ids), self.config.tokens, rng)
        inside = [place for place in tags if start <= place < end]
        kept = inside[: self.config.images]
        look_ahead = bool(rng.random() < self.config.next_image)
        phi = make_phi(end - start, [place - start for place in inside], len(kept), look_ahead=look_ahead)
        images = [[sample.images[tags[place]] or b""] for place in kept]
        images += [[]] * (self.config.images - len(kept))
        counted = self._counted(len(ids), tags)[start:end]
        return self._arrays(ids[start:end], phi, counted, images, self.config.tokens, rng)

    def _captioned(
        self, frames: list[bytes], sample: PairSample | ClipSample, rng: np.random.Generator
    ) -> Mapping[str, np.ndarray]:
        limit = self.config.pair_tokens
        if QUESTION in sample.info:
            ids, first = answer_ids(sample.info[QUESTION], self.vocabulary, rng)
            if len(ids) > limit:  # without its <EOC> an answer would teach the model to go on
                raise SampleError("too_long", f"{len(ids)} tokens; data.pair_tokens is {limit}")
            counted = np.arange(len(ids)) >= first
        else:
            blank = " " if rng.random() < 0.5 else ""
            ids = pair_ids(blank + sample.text, self.vocabulary)
            counted = self._counted(len(ids), [1])
        phi = np.concatenate([[0], np.ones(len(ids) - 1, np.int64)])
        return self._arrays(ids[:limit], phi[:limit], counted[:limit], [frames], limit, rng)

    def _counted(self, length: int, tags: Iterable[int]) -> np.ndarray:
        """Return which tokens count in the loss, (length,) bool; `tags` are the indexes of the tags' first tokens."""
        counted = np.ones(length, np.bool_)
        if not self.config.tag_loss:
            pieces = len(self.vocabulary.ids(IMAGE_TAG))
            for tag in tags:
                counted[tag : tag + pieces] = False
        return counted

    def _arrays(
        self,
        ids: list[int],
        phi: np.ndarray,
        counted: np.ndarray,
        images: list[list[bytes]],
        length: int,
        rng: np.random.Generator,
    ) -> Mapping[str, np.ndarray]:
        """Return the arrays of a sequence; `images` are the frames of each, none for an image that is missing."""
        pad = length - len(ids)
        pixels = np.zeros((len(images), max(1, *map(len, images)), 3, self.size, self.size), np.uint8)
        for number, frames in enumerate(images):
            if frames:
                pixels[number] = self._frames(frames, rng)
        return {
            "images": pixels,
            "tokens": np.array(ids + [self.vocabulary.pad] * pad, np.int64),
            "phi": np.concatenate([phi, np.zeros(pad, np.int64)]),
            "counted": np.concatenate([counted, np.zeros(pad, np.bool_)]),
        }

    def _frames(self, frames: list[bytes], rng: np.random.Generator) -> np.ndarray:
        """Return the frames of an image or clip, padded with the configured colour, as (T, 3, S, S) uint8.

        All frames of a clip are mirrored or none, and their colours change alike.
        """
        mirrored = self.augment and self.config.flip and rng.random() < 0.5
        change = draw_change(self.config, rng) if self.augment else None
        decoded = {data: self._square(data, mirrored=mirrored) for data in frames}
        pixels = np.stack([decoded[data] for data in frames])
        return (pixels if change is None else recolour(pixels, change)).transpose(0, 3, 1, 2)

    def _square(self, data: bytes, *, mirrored: bool) -> np.ndarray:
        square = pad_to_square(decode_near(data, self.size), self.size, self.config.fill)
        return square[:, ::-1] if mirrored else square


def pair_ids(text: str, vocabulary: Vocabulary) -> list[int]:
    """Return <BOS><image>text<EOC><EOS> as ids (A.3.3)."""
    body = vocabulary.ids(IMAGE_TAG) + vocabulary.ids(text)
    return [vocabulary.bos, *body, vocabulary.eoc, vocabulary.eos]


def answer(opening: str, text: str) -> str:
    """Return a text as it follows its prompt: after a blank, or at once if there is no prompt."""
    return f" {text}" if opening else text


def answer_ids(record: Any, vocabulary: Vocabulary, rng: np.random.Generator) -> tuple[list[int], int]:
    """Return <BOS><image>prompt answer<EOC><EOS> as ids (section 4.1.3), and the index of the answer's first token.

    The answer is drawn from those of the record, {"prompt", "answers"}; SampleError if these are of another form. The
    parts are encoded one by one, as in the prompts of evaluations.
    """
    match record:
        case {"prompt": str(prompt), "answers": [_, *_] as texts} if all(isinstance(text, str) for text in texts):
            before = [vocabulary.bos, *vocabulary.ids(IMAGE_TAG), *vocabulary.ids(prompt)]
            drawn = answer(prompt, texts[int(rng.integers(len(texts)))])
            return [*before, *vocabulary.ids(drawn), vocabulary.eoc, vocabulary.eos], len(before)
    raise SampleError("bad_record", f"{QUESTION} has no prompt and answers")
