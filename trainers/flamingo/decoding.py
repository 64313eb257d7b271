"""Continues prompts of text and images: greedy, beam search (section 3.3: 3 beams) or nucleus sampling.

Prompts of different lengths are padded on the left. The keys and values of text and images are kept between steps.

Shapes: B prompts, L tokens, N images per prompt, R visual tokens per image, W visual width, K beams, V token ids.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.model import DecodingCache, Flamingo


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """Choice of the next tokens."""

    limit: int = 20
    """New tokens, at most."""
    beams: int = 1
    """Beams of the search; 1: greedy, or sampling if `top_p` is given."""
    length_penalty: float = 0.0
    """A beam's score is its log likelihood / (number of new tokens) ** length_penalty."""
    top_p: float | None = None
    """Share of the probability from whose likeliest tokens the next one is drawn (arXiv 1904.09751)."""
    temperature: float = 1.0
    """Divisor of the logits before sampling."""
    rng_seed: int = 0
    """Seed of the draws."""

    def __post_init__(self) -> None:
        if self.limit < 1 or self.beams < 1:
            raise ConfigError("limit or beams is below 1", where="decoding", remedy="set both to 1 or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}", where="decoding", remedy="set it above 0 and at most 1")
        if self.top_p is not None and self.beams > 1:
            raise ConfigError("top_p with several beams", where="decoding", remedy="use one of both")
        if self.temperature <= 0:
            raise ConfigError(f"temperature is {self.temperature}", where="decoding", remedy="set it above 0")


@dataclass(frozen=True, slots=True)
class Prompts:
    """A batch of prompts, padded on the left."""

    tokens: Tensor
    """(B, L) int."""
    real: Tensor
    """(B, L) bool, False for padding."""
    phi: Tensor
    """Number of the image that each token sees, from 1 to N; 0: none. (B, L) int."""
    visual: Tensor
    """Visual tokens of the images, (B, N, R, W)."""


def pad_prompts(rows: Sequence[tuple[Sequence[int], Sequence[int]]], visual: Sequence[Tensor], pad: int) -> Prompts:
    """Return a batch of prompts, each (ids, phi) and the visual tokens of its images, (N, R, W).

    No token sees the zeros that stand for the missing images of a prompt with fewer than the others.
    """
    longest, most = max(len(ids) for ids, _ in rows), max(1, *(len(images) for images in visual))
    padded = [longest - len(ids) for ids, _ in rows]
    tokens = [[pad] * count + list(ids) for count, (ids, _) in zip(padded, rows, strict=True)]
    phi = [[0] * count + list(sees) for count, (_, sees) in zip(padded, rows, strict=True)]
    place = visual[0].device
    return Prompts(
        torch.tensor(tokens, device=place),
        torch.arange(longest, device=place) >= torch.tensor(padded, device=place)[:, None],
        torch.tensor(phi, device=place),
        torch.stack([F.pad(images, (0, 0, 0, 0, 0, most - len(images))) for images in visual]),
    )


@torch.no_grad()
def decode(model: Flamingo, prompts: Prompts, config: DecodingConfig, stop: Collection[int]) -> list[list[int]]:
    """Return the new tokens of each prompt, up to a token of `stop`, which is left out, or to the limit.

    New tokens see the image that the last token of their prompt sees. Raises ConfigError if prompt and new tokens are
    longer than the language model's context.
    """
    needed, context = int(prompts.real.sum(1).max()) + config.limit, model.language.context
    if needed > context:
        raise ConfigError(
            f"a prompt and {config.limit} new tokens need {needed} positions, the language model has {context}",
            where="decoding",
            remedy="give fewer shots or a shorter text, or a lower limit",
        )
    reader = _Reader(model, prompts)
    return _search(reader, config, stop) if config.beams > 1 else _follow(reader, config, stop)


class _Reader:
    """Log probabilities of the next token of each row, with the keys and values of those before kept."""

    def __init__(self, model: Flamingo, prompts: Prompts) -> None:
        self._model, self._cache = model, DecodingCache()
        self._real, self._phi, self._visual = prompts.real, prompts.phi[:, -1:], prompts.visual
        self._prompts = prompts

    def first(self) -> Tensor:
        """Read the prompts: (B, V)."""
        return self._read(self._prompts.tokens, self._prompts.phi)

    def next(self, tokens: Tensor) -> Tensor:
        """Read one more token per row: (B,) -> (B, V)."""
        self._real = F.pad(self._real, (0, 1), value=True)
        return self._read(tokens[:, None], self._phi)

    def take(self, rows: Tensor) -> None:
        """Go on with these rows, (B',) int."""
        self._cache.take(rows)
        self._real, self._phi, self._visual = self._real[rows], self._phi[rows], self._visual[rows]

    def _read(self, tokens: Tensor, phi: Tensor) -> Tensor:
        logits = self._model(tokens, self._visual, phi, self._real, self._cache)
        return F.log_softmax(logits[:, -1].float(), -1)


def _follow(reader: _Reader, config: DecodingConfig, stop: Collection[int]) -> list[list[int]]:
    """Return the new tokens of each prompt, each the likeliest or drawn."""
    scores = reader.first()
    generator = torch.Generator(scores.device).manual_seed(config.rng_seed)
    made: list[list[int]] = [[] for _ in scores]
    open_rows = set(range(len(made)))
    for _ in range(config.limit):
        chosen = scores.argmax(-1) if config.top_p is None else draw(scores, config, generator)
        for row, token in enumerate(chosen.tolist()):
            if token in stop:
                open_rows.discard(row)
            if row in open_rows:
                made[row].append(token)
        if not open_rows or all(len(made[row]) == config.limit for row in open_rows):
            break
        scores = reader.next(chosen)
    return made


def draw(scores: Tensor, config: DecodingConfig, generator: torch.Generator) -> Tensor:
    """Draw a token per row from the nucleus, the likeliest tokens that reach `top_p` together: (B, V) -> (B,)."""
    probability, ids = (scores / config.temperature).softmax(-1).sort(-1, descending=True)
    before = probability.cumsum(-1) - probability
    drawn = torch.multinomial(probability.masked_fill(before >= (config.top_p or 1.0), 0), 1, generator=generator)
    return ids.gather(-1, drawn)[:, 0]


@dataclass(frozen=True, slots=True)
class _Beam:
    row: int
    """Row of the reader that has read its tokens but the last."""
    tokens: tuple[int, ...]
    total: float
    """Log likelihood of the tokens, and of the stop token of an ended beam."""

    def score(self, penalty: float, length: int | None = None) -> float:
        """Return the score, as if the beam had `length` tokens."""
        return self.total / max(1, length if length is not None else len(self.tokens)) ** penalty


def _search(reader: _Reader, config: DecodingConfig, stop: Collection[int]) -> list[list[int]]:
    """Return the best of K beams per prompt; a prompt is done when no open beam can become better than its best."""
    scores = reader.first()
    prompts = len(scores)
    beams = [[_Beam(row, (), 0.0)] for row in range(prompts)]
    ended: list[list[_Beam]] = [[] for _ in range(prompts)]
    for _ in range(config.limit):
        for prompt, found in enumerate(beams):
            extended = _extend(found, scores, config.beams * (1 + len(stop)), stop)
            ended[prompt] += [beam for beam, stops in extended if stops]
            beams[prompt] = [beam for beam, stops in extended if not stops][: config.beams]
            if _is_done(ended[prompt], beams[prompt], config):
                beams[prompt] = []
        alive = [beam for found in beams for beam in found]
        if not alive or len(alive[0].tokens) == config.limit:
            break
        reader.take(torch.tensor([beam.row for beam in alive], device=scores.device))
        scores = reader.next(torch.tensor([beam.tokens[-1] for beam in alive], device=scores.device))
        rows = iter(range(len(alive)))
        beams = [[_Beam(next(rows), beam.tokens, beam.total) for beam in found] for found in beams]
    best = (
        max([*done, *found], key=lambda beam: beam.score(config.length_penalty))
        for done, found in zip(ended, beams, strict=True)
    )
    return [list(beam.tokens) for beam in best]


def _extend(beams: list[_Beam], scores: Tensor, count: int, stop: Collection[int]) -> list[tuple[_Beam, bool]]:
    """Return the `count` best continuations by one token, and whether each ends with a stop token, best first."""
    if not beams:
        return []
    totals = torch.tensor([beam.total for beam in beams], device=scores.device)
    candidates = (scores[[beam.row for beam in beams]] + totals[:, None]).flatten()
    values, places = candidates.topk(min(count, len(candidates)))
    extended = []
    for value, place in zip(values.tolist(), places.tolist(), strict=True):
        beam, token = beams[place // scores.shape[1]], place % scores.shape[1]
        stops = token in stop
        extended.append((_Beam(beam.row, beam.tokens if stops else (*beam.tokens, token), value), stops))
    return extended


def _is_done(ended: list[_Beam], beams: list[_Beam], config: DecodingConfig) -> bool:
    """Return whether no open beam can become better than the best that ended: totals only fall."""
    if not ended or not beams:
        return not beams
    penalty = config.length_penalty
    lengths = (len(beams[0].tokens), config.limit)
    reachable = max(beam.score(penalty, length) for beam in beams for length in lengths)
    return max(beam.score(penalty) for beam in ended) >= reachable
