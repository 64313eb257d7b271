"""Decoding: padded batches as alone, beams against all continuations, nucleus, stop tokens, the context."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.decoding import DecodingConfig, Prompts, decode, draw, pad_prompts
from corpusloom.trainers.flamingo.model import Flamingo
from tests.trainers.flamingo.test_model import SHAPE, Eyes, open_gates
from tests.trainers.lm.tiny import SHAPES, tiny

STOP = 7


def opened(family: str = "gpt2", **shape: int) -> Flamingo:
    """Return a small Flamingo whose gates are open."""
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny(family, **shape)).eval()
    for parameter in model.language.layers.parameters():
        parameter.data.mul_(8)  # logits far enough apart for continuations that differ
    open_gates(model)
    return model


def rows(model: Flamingo, lengths: Sequence[tuple[int, int]]) -> tuple[list[tuple[list[int], list[int]]], list[Tensor]]:
    """Return prompts of these numbers of tokens and images, and the visual tokens of each."""
    torch.manual_seed(1)
    found = []
    for length, images in lengths:
        phi = [min(images, place * (images + 1) // length) for place in range(length)]
        pixels = torch.randint(0, 256, (1, images, 1, 3, 8, 8), dtype=torch.uint8)
        found.append(((torch.randint(8, 19, (length,)).tolist(), phi), model.encode_images(pixels)[0]))
    return [prompt for prompt, _ in found], [visual for _, visual in found]


def batch(model: Flamingo, lengths: Sequence[tuple[int, int]]) -> list[Prompts]:
    """Return all prompts as one batch, then each alone."""
    prompts, visual = rows(model, lengths)
    alone = [pad_prompts([prompt], [images], 0) for prompt, images in zip(prompts, visual, strict=True)]
    return [pad_prompts(prompts, visual, 0), *alone]


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("beams", [1, 3])
def test_prompts_of_different_lengths_and_images_are_continued_as_alone(family: str, beams: int) -> None:
    model = opened(family)
    together, *alone = batch(model, [(4, 1), (9, 2), (6, 3)])
    config = DecodingConfig(limit=6, beams=beams)
    found = decode(model, together, config, (STOP,))
    assert found == [decode(model, one, config, (STOP,))[0] for one in alone]
    assert len({tuple(ids) for ids in found}) == 3


def test_greedy_tokens_are_those_of_reading_the_whole_text_at_each_step() -> None:
    model = opened("llama")
    _, prompt = batch(model, [(9, 2)])
    tokens, phi = prompt.tokens, prompt.phi
    for _ in range(5):
        chosen = model(tokens, prompt.visual, phi)[:, -1].argmax(-1, keepdim=True)
        tokens, phi = torch.cat([tokens, chosen], 1), torch.cat([phi, phi[:, -1:]], 1)
    assert decode(model, prompt, DecodingConfig(limit=5), ()) == [tokens[0, 9:].tolist()]


def test_enough_beams_find_the_likeliest_of_all_continuations() -> None:
    model = opened(vocab_size=19)
    config = DecodingConfig(limit=3, beams=400)
    texts = torch.tensor(list(itertools.product(range(20), repeat=3)))
    for prompt in batch(model, [(4, 1), (6, 2)])[1:]:
        best = texts[likelihoods(model, prompt, texts).argmax()].tolist()
        ended = best[: best.index(STOP)] if STOP in best else best
        assert decode(model, prompt, config, (STOP,)) == [ended]


@torch.no_grad()
def likelihoods(model: Flamingo, prompt: Prompts, texts: Tensor) -> Tensor:
    """Return the log likelihood of each text after a prompt, up to and with its first stop token: (M, n) -> (M,)."""
    count, length = texts.shape
    tokens = torch.cat([prompt.tokens.expand(count, -1), texts], 1)
    phi = torch.cat([prompt.phi.expand(count, -1), prompt.phi[:, -1:].expand(count, length)], 1)
    scores = model(tokens, prompt.visual.expand(count, -1, -1, -1), phi).log_softmax(-1)[:, -length - 1 : -1]
    stops = (texts == STOP).long()
    return scores.gather(-1, texts[..., None])[..., 0].masked_fill(stops.cumsum(1) - stops > 0, 0).sum(1)


def test_a_stop_token_ends_a_text_and_is_left_out() -> None:
    model = opened()
    together, *_ = batch(model, [(4, 1), (9, 2)])
    free = decode(model, together, DecodingConfig(limit=4), ())
    ended = decode(model, together, DecodingConfig(limit=4), (free[0][2],))
    assert ended[0] == free[0][: free[0].index(free[0][2])]
    assert [len(ids) for ids in free] == [4, 4]


def test_a_length_penalty_prefers_longer_texts() -> None:
    model = opened()
    together, *_ = batch(model, [(4, 1), (9, 2), (6, 3), (5, 1)])
    stop = tuple(range(0, 50, 6))
    lengths = [
        sum(len(ids) for ids in decode(model, together, DecodingConfig(limit=8, beams=4, length_penalty=p), stop))
        for p in (0.0, 2.0)
    ]
    assert lengths[0] < lengths[1]


def test_only_tokens_of_the_nucleus_are_drawn_in_their_proportions() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(4000, -1)
    counts = draw(scores, DecodingConfig(top_p=0.7), torch.Generator().manual_seed(0)).bincount(minlength=4)
    assert counts[2:].tolist() == [0, 0]
    assert float(counts[0]) / 4000 == pytest.approx(0.5 / 0.8, abs=0.03)
    cold = draw(scores, DecodingConfig(top_p=1.0, temperature=0.05), torch.Generator().manual_seed(0))
    assert (cold == 0).float().mean() > 0.99


def test_draws_depend_on_the_seed_alone() -> None:
    model = opened()
    together, *_ = batch(model, [(4, 1), (9, 2)])
    made = [
        decode(model, together, DecodingConfig(limit=8, top_p=1.0, temperature=3.0, rng_seed=s), ()) for s in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]


def test_a_prompt_beyond_the_context_is_refused_before_the_first_step() -> None:
    model = opened()
    together, *_ = batch(model, [(4, 1), (90, 2)])
    with pytest.raises(ConfigError, match="need 97 positions, the language model has 96"):
        decode(model, together, DecodingConfig(limit=7), ())


@pytest.mark.parametrize("wrong", [{"beams": 0}, {"top_p": 1.5}, {"top_p": 0.9, "beams": 2}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        DecodingConfig(**wrong)  # type: ignore[arg-type]
