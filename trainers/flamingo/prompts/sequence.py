"""Interleaved prompts of texts, images and video clips: what a model writes after them, and how likely texts are there.

Shapes: B prompts, L tokens, N images per prompt, R visual tokens per image, W visual width, C continuations, M tokens
of the longest, V token ids.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.data import IMAGE_TAG, Vocabulary, make_phi
from corpusloom.trainers.flamingo.decoding import DecodingConfig, Prompts, decode, pad_prompts
from corpusloom.trainers.flamingo.model import DecodingCache, Flamingo
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder

Piece = str | np.ndarray
"""A text, or an image or clip as pixels, (T, 3, S, S) uint8; T is 1 for an image."""
PromptRow = Sequence[Piece]
"""The pieces of one prompt in order."""
EOC = "<EOC>"
"""Piece at the end of an example (section 3.2.1)."""
CONTINUATIONS_AT_ONCE = 64
"""Continuations that are read together."""


@dataclass(frozen=True, slots=True)
class PromptIds:
    """The tokens of a prompt."""

    ids: list[int]
    tags: list[int]
    """Index of the first token of each image's tag."""

    @property
    def phi(self) -> list[int]:
        """Number of the image that each token sees, from 1; 0: none."""
        return make_phi(len(self.ids), self.tags, len(self.tags), look_ahead=False).tolist()


def row_ids(row: PromptRow, vocabulary: Vocabulary) -> PromptIds:
    """Return <BOS> and the pieces as ids: the tag <image> for an image or clip, and each text as it is.

    Texts are encoded piece by piece, as in training, so that no token reaches over the end of a piece.
    """
    ids, tags = [vocabulary.bos], []
    for piece in row:
        if isinstance(piece, np.ndarray):
            tags.append(len(ids))
            ids += vocabulary.ids(IMAGE_TAG)
        elif piece == EOC:
            ids.append(vocabulary.eoc)
        else:
            ids += vocabulary.ids(piece)
    return PromptIds(ids, tags)


def parse_prompt(text: str, images: Sequence[np.ndarray]) -> list[Piece]:
    """Return a text with tags as a prompt: each `<image>` is the next image or clip, `<EOC>` the end of an example.

    Raises InputError unless there are as many tags as images.
    """
    tags = text.count(IMAGE_TAG)
    if tags != len(images):
        raise InputError(
            f"{IMAGE_TAG} tags in the text: {tags}, images: {len(images)}",
            where="prompt",
            remedy=f"write {IMAGE_TAG} once for each image, in their order",
        )
    following = iter(images)
    parts = re.split(f"({IMAGE_TAG}|{EOC})", text)
    return [next(following) if part == IMAGE_TAG else part for part in parts if part]


def check_fits(prompt: PromptIds, new: int, context: int, vocabulary: Vocabulary) -> None:
    """Raise ConfigError if a prompt and `new` tokens after it are longer than the context; it says how many shots fit.

    A shot is an example up to its <EOC>.
    """
    needed = len(prompt.ids) + new
    if needed <= context:
        return
    ends = [place + 1 for place, token in enumerate(prompt.ids) if token == vocabulary.eoc]
    fitting = sum(needed - end + 1 <= context for end in ends)  # without all up to this <EOC>, but with <BOS>
    shots = f"{len(ends)} shots" if ends else "no shot"
    raise ConfigError(
        f"a prompt with {shots} and {new} new tokens need {needed} positions, the language model has {context}",
        where="prompt",
        remedy=f"give at most {fitting - 1} shots" if fitting else "give a shorter text, or ask for fewer tokens",
    )


@torch.no_grad()
def generate(
    model: Flamingo,
    rows: Sequence[PromptRow],
    vocabulary: Vocabulary,
    config: DecodingConfig,
    encoder: ImageEncoder | None = None,
) -> list[str]:
    """Return the text that a model writes after each prompt, up to <EOC>, <EOS> or `config.limit` tokens, stripped.

    Images that an `encoder` still holds are not encoded again. Raises ConfigError, before any image is encoded, for a
    prompt that is longer than the context.
    """
    prompts = make_prompts(model, rows, vocabulary, config.limit, encoder)
    made = decode(model, prompts, config, (vocabulary.eoc, vocabulary.eos))
    return [vocabulary.tokenizer.text(ids).strip() for ids in made]


@torch.no_grad()
def score(
    model: Flamingo,
    rows: Sequence[PromptRow],
    continuations: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    encoder: ImageEncoder | None = None,
) -> list[Tensor]:
    """Return per prompt the log likelihood of each of its continuations, with the <EOC> after it: B times (C,).

    It is the sum over the tokens. With its <EOC> a text is not likelier for being the beginning of another. A prompt is
    read once for all of its continuations, and images that an `encoder` still holds are not encoded again. Raises
    ConfigError if a prompt and a continuation do not fit the context.
    """
    endings = [[[*vocabulary.ids(text), vocabulary.eoc] for text in texts] for texts in continuations]
    longest = max(len(ids) for texts in endings for ids in texts)
    prompts, cache = make_prompts(model, rows, vocabulary, longest, encoder), DecodingCache()
    first = model(prompts.tokens, prompts.visual, prompts.phi, prompts.real, cache)[:, -1:]
    flat = [(row, ids) for row, texts in enumerate(endings) for ids in texts]
    parts = [flat[at : at + CONTINUATIONS_AT_ONCE] for at in range(0, len(flat), CONTINUATIONS_AT_ONCE)]
    scores = torch.cat([_read(model, prompts, cache, first, part) for part in parts])
    return list(scores.split([len(texts) for texts in endings]))


def _read(
    model: Flamingo, prompts: Prompts, cache: DecodingCache, first: Tensor, part: Sequence[tuple[int, list[int]]]
) -> Tensor:
    """Return the log likelihood of continuations, each (its prompt's row, ids): (B, 1, V) of the prompts' ends -> (C,).

    They are padded on the right.
    """
    longest, device = max(len(ids) for _, ids in part), first.device
    owner = torch.tensor([row for row, _ in part], device=device)
    lengths = torch.tensor([len(ids) for _, ids in part], device=device)
    tokens = torch.tensor([[*ids, *ids[-1:] * (longest - len(ids))] for _, ids in part], device=device)
    real = torch.arange(longest, device=device) < lengths[:, None]
    branch = copy.deepcopy(cache)
    branch.take(owner)
    phi, sees = prompts.phi[owner, -1:].expand(-1, longest), torch.cat([prompts.real[owner], real], 1)
    logits = model(tokens, prompts.visual[owner], phi, sees, branch)
    before = torch.cat([first[owner], logits[:, :-1]], 1)
    taken = F.log_softmax(before.float(), -1).gather(-1, tokens[..., None])[..., 0]
    return taken.masked_fill(~real, 0).sum(1)


def make_prompts(
    model: Flamingo, rows: Sequence[PromptRow], vocabulary: Vocabulary, new: int, encoder: ImageEncoder | None = None
) -> Prompts:
    """Return prompts as a batch with encoded images, and set the model to evaluation; `new` as in `check_fits`."""
    model.eval()
    read = [row_ids(row, vocabulary) for row in rows]
    check_fits(max(read, key=lambda prompt: len(prompt.ids)), new, model.language.context, vocabulary)
    visual = (encoder or ImageEncoder(model))(rows)
    return pad_prompts([(prompt.ids, prompt.phi) for prompt in read], visual, vocabulary.pad)
