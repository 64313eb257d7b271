"""Evaluation of a Flamingo that was trained on two images until it reproduces their captions."""

import numpy as np
import pytest
import torch
from torch import nn

from corpusloom.trainers.flamingo import evaluate as evaluation
from corpusloom.trainers.flamingo.data import pair_ids
from corpusloom.trainers.flamingo.evaluate import Example
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import token_loss
from corpusloom.trainers.flamingo.prompts.sequence import row_ids
from tests.trainers.flamingo.test_data import VOCABULARY
from tests.trainers.flamingo.test_model import SHAPE, Eyes, open_gates
from tests.trainers.lm.tiny import tiny

TEXTS = ("a red star on a grey ground", "two blue rings here")
ITEMS = [
    Example(np.full((1, 3, 8, 8), colour, np.uint8) * np.array([1, sign, 1], np.uint8)[None, :, None, None], text)
    for colour, sign, text in zip((30, 220), (1, 0), TEXTS, strict=True)
]


@pytest.fixture(scope="module")
def model() -> Flamingo:
    """Return a small Flamingo trained on the two pairs until it knows them."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny("gpt2", vocab_size=VOCABULARY.eoc, n_layer=2))
    nn.init.normal_(model.language.embedding.weight)  # embeddings that differ, since the head is tied to them
    open_gates(model)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    images = torch.from_numpy(np.stack([item.pixels for item in ITEMS]))[:, None]
    rows = [torch.tensor(pair_ids(text, VOCABULARY)) for text in TEXTS]
    for _ in range(250):
        visual = model.encode_images(images)
        losses = [
            token_loss(
                model(row[None], visual[number : number + 1], torch.ones(1, len(row), dtype=torch.long)),
                row[None, 1:],
            )
            / (len(row) - 1)
            for number, row in enumerate(rows)
        ]
        optimizer.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        optimizer.step()
    return model


def test_a_caption_is_likelier_with_its_own_image(model: Flamingo) -> None:
    scores = evaluation.caption_log_likelihoods(model, (ITEMS, ITEMS[::-1]), VOCABULARY)
    assert (scores[:, 0] > scores[:, 1] + 1).all()
    assert dict(evaluation.right_against_wrong(scores))["right_image_likelier"] == 1.0


def test_a_trained_model_writes_the_caption_of_each_image(model: Flamingo) -> None:
    assert evaluation.captions(model, [[item] for item in ITEMS], VOCABULARY, prompt="") == list(TEXTS)
    f1 = evaluation.caption_f1(model, (ITEMS, ITEMS[::-1]), VOCABULARY, prompt="")
    figures = dict(evaluation.few_shot(f1, shots=0))
    assert figures["caption_word_f1"] == 1.0
    assert figures["caption_word_f1_chance"] == pytest.approx(evaluation.word_f1(*TEXTS))


def test_a_caption_prompt_is_the_papers_token_by_token() -> None:
    found = row_ids(evaluation.caption_row(ITEMS[:1], ITEMS[1]), VOCABULARY)
    opening = VOCABULARY.ids("<image>Output:")
    shot = [*opening, *VOCABULARY.ids(f" {TEXTS[0]}"), VOCABULARY.eoc]
    assert found.ids == [VOCABULARY.bos, *shot, *opening]
    assert found.tags == [1, 1 + len(shot)]


@pytest.mark.parametrize(
    ("written", "reference", "wanted"), [("", "a b", 0.0), ("a b", "A b", 1.0), ("a a a", "a b", 0.4), ("", "", 0.0)]
)
def test_word_f1_counts_shared_words_as_multisets(written: str, reference: str, wanted: float) -> None:
    assert evaluation.word_f1(written, reference) == pytest.approx(wanted)
