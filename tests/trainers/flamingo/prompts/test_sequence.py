"""Prompts: their ids, generation and scores as one prompt at a time, images that are encoded once, refusals."""

from unittest import mock

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.data import pair_ids
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts import sequence
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.sequence import EOC, generate, parse_prompt, row_ids, score
from tests.trainers.flamingo.test_data import VOCABULARY

RED, BLUE = (np.full((1, 3, 8, 8), colour, np.uint8) for colour in (40, 220))
CLIP = np.stack([RED[0], BLUE[0], RED[0]])
ROWS = (
    [RED, "Output:", " a red star", EOC, BLUE, "Output:"],
    ["two blue rings", EOC, CLIP, "Output:"],
    ["a text without an image"],
)


def test_an_image_and_a_text_are_the_ids_of_a_pair_in_training() -> None:
    found = row_ids([RED, "a red star", EOC], VOCABULARY)
    assert [*found.ids, VOCABULARY.eos] == pair_ids("a red star", VOCABULARY)
    assert found.tags == [1]
    assert found.phi == [0] + [1] * (len(found.ids) - 1)


def test_a_text_with_tags_is_the_same_prompt_as_its_pieces() -> None:
    found = parse_prompt(f"<image>Output: a red star{EOC}<image>Output:", [RED, BLUE])
    assert [piece if isinstance(piece, str) else piece[0, 0, 0, 0] for piece in found] == [
        40, "Output: a red star", EOC, 220, "Output:",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 3])
def test_more_or_fewer_images_than_tags_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"<image> tags in the text: 2, images: {count} "):
        parse_prompt("<image>a<image>b", [RED] * count)


def test_texts_of_a_batch_are_those_of_each_prompt_alone(model: Flamingo) -> None:
    config = DecodingConfig(limit=6)
    together = generate(model, ROWS, VOCABULARY, config)
    assert together == [generate(model, [row], VOCABULARY, config)[0] for row in ROWS]
    assert len(set(together)) == 3


def test_scores_are_the_log_likelihoods_of_a_whole_pass_over_each_text(model: Flamingo) -> None:
    texts = [[" a red star", " two", ""], [" here"], [" a red star on a grey ground", " two blue"]]
    with mock.patch.object(sequence, "CONTINUATIONS_AT_ONCE", 4):
        scores = score(model, ROWS, texts, VOCABULARY)
    for row, endings, found in zip(ROWS, texts, scores, strict=True):
        for text, value in zip(endings, found.tolist(), strict=True):
            assert value == pytest.approx(whole_pass(model, row, text), abs=1e-3)


@torch.no_grad()
def whole_pass(model: Flamingo, row: sequence.PromptRow, text: str) -> float:
    """Return the log likelihood of a text and <EOC> after a prompt, without padding and cache."""
    prompt, ending = row_ids(row, VOCABULARY), [*VOCABULARY.ids(text), VOCABULARY.eoc]
    visual = F.pad(ImageEncoder(model)([row])[0], (0, 0, 0, 0, 0, 1))[None]
    phi = torch.tensor([prompt.phi + [prompt.phi[-1]] * len(ending)])
    logits = model(torch.tensor([prompt.ids + ending]), visual, phi)
    scores = F.log_softmax(logits[0, -len(ending) - 1 : -1], -1)
    return float(scores.gather(-1, torch.tensor(ending)[:, None]).sum())


def test_a_prompt_beyond_the_context_says_how_many_shots_fit(model: Flamingo) -> None:
    shot = [RED, "Output:", " a red star", EOC]
    length = len(row_ids(shot, VOCABULARY).ids) - 1
    query = len(row_ids([RED, "Output:"], VOCABULARY).ids)
    fitting = (model.language.context - query - 5) // length
    generate(model, [[*shot * fitting, RED, "Output:"]], VOCABULARY, DecodingConfig(limit=5))
    with pytest.raises(ConfigError, match=rf"the language model has 96 \(give at most {fitting} shots\)"):
        generate(model, [[*shot * (fitting + 3), RED, "Output:"]], VOCABULARY, DecodingConfig(limit=5))
    with pytest.raises(ConfigError, match=r"no shot and 1 new tokens.*give a shorter text"):
        generate(model, [["a red star " * 60]], VOCABULARY, DecodingConfig(limit=1))
