"""Evaluation of a Flamingo that was trained on two images until it reproduces their captions."""

import numpy as np
import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.class_names import ClassName
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo import evaluate as evaluation
from corpusloom.trainers.flamingo.data import pair_ids
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.objective import token_loss
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.few_shot import Trials
from corpusloom.trainers.flamingo.prompts.own_image import caption_log_likelihoods, right_against_wrong
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from corpusloom.trainers.flamingo.prompts.sequence import generate
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
    scores = caption_log_likelihoods(model, (ITEMS, ITEMS[::-1]), VOCABULARY)
    assert (scores[:, 0] > scores[:, 1] + 1).all()
    assert dict(right_against_wrong(scores))["right_image_likelier"] == 1.0


def test_a_trained_model_writes_the_caption_of_each_image(model: Flamingo) -> None:
    pool = ShotPool(2, ITEMS.__getitem__, True, "items")
    settings = EvaluationSettings(prompt="", beams=1)
    trials = Trials(model, VOCABULARY, ITEMS, pool, None, settings)
    rows = [[item.pixels] for item in ITEMS]
    assert generate(model, rows, VOCABULARY, DecodingConfig()) == list(TEXTS)
    assert trials.classes([0, 1], 0, 0, TEXTS) == list(TEXTS)


@pytest.mark.parametrize(
    ("captions", "wanted"), [(["Red", "blue"], ["red", "blue"]), (["crimson", "red"], ["red", "red"])]
)
def test_a_caption_names_its_class_by_any_synonym(captions: list[str], wanted: list[str]) -> None:
    classes = [ClassName(("red", "crimson")), ClassName(("blue",))]
    items = [Example(ITEMS[0].pixels, text, key="k") for text in captions]
    assert evaluation.labels_of(items, classes, "names.txt") == wanted


def test_a_caption_that_names_no_class_is_refused_with_its_sample() -> None:
    with pytest.raises(InputError, match=r"names.txt: no class 'green', the caption of sample k7"):
        evaluation.labels_of([Example(ITEMS[0].pixels, "green", key="k7")], [ClassName(("red",))], "names.txt")
