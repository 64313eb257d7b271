"""Each prediction is that of a forward pass in which one word, or one region, is masked as in the pre-training."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.page.masked import (
    MaskedPrediction,
    PairInputs,
    inputs_of,
    predict_regions,
    predict_words,
)
from corpusloom.trainers.vilbert.tokenizer import encode
from tests.trainers.vilbert.page.pools import TOKENIZER, empty
from tests.trainers.vilbert.region_pairs import region_sample
from tests.trainers.vilbert.small import small_model

MODEL, SAMPLE = small_model(), region_sample(3, boxes=4)
IDS = encode(TOKENIZER, "a red disc", 8)


def given() -> PairInputs:
    return inputs_of(MODEL, IDS, 0, region_inputs(SAMPLE, 6))


@pytest.mark.parametrize("rows", [2, 100])
def test_a_masked_word_is_predicted_from_the_others_and_the_regions(rows: int) -> None:
    with torch.no_grad():
        found = predict_words(MODEL, given(), TOKENIZER, rows)
        masked = IDS.copy()
        masked[2] = TOKENIZER.token_to_id("[MASK]")
        alone = inputs_of(MODEL, masked, 0, region_inputs(SAMPLE, 6))
        expected = MODEL.predict_words(MODEL(alone.tokens, alone.token_mask, *alone.visual).text[:, 2]).softmax(1)[0]
    assert [one.place for one in found] == [1, 2, 3], "special tokens and padding are not masked"
    assert [one.own for one in found] == IDS[1:4].tolist()
    assert found[1].top[0] == (int(expected.argmax()), pytest.approx(float(expected.max()), rel=1e-4))
    shares = [share for _, share in found[1].top]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("rows", [3, 100])
def test_a_masked_region_has_its_box_and_no_feature(rows: int) -> None:
    arrays = region_inputs(SAMPLE, 6)
    arrays["features"][3] = 0
    arrays["features"][0] = arrays["features"][1:5].astype(np.float32).sum(0) / 4  # IMG counts the zeros
    alone = inputs_of(MODEL, IDS, 0, arrays)
    with torch.no_grad():
        found = predict_regions(MODEL, given(), SAMPLE, rows)
        outputs = MODEL(alone.tokens, alone.token_mask, *alone.visual)
        expected = MODEL.predict_regions(outputs.image[:, 3]).softmax(1)[0]
    assert [one.place for one in found] == [0, 1, 2, 3]
    assert [one.own for one in found] == SAMPLE.class_probs.argmax(1).tolist()
    assert found[2].top[0] == (int(expected.argmax()), pytest.approx(float(expected.max()), rel=1e-3))


def test_an_image_without_regions_has_no_masked_region() -> None:
    bare = empty(SAMPLE)
    with torch.no_grad():
        inputs = inputs_of(MODEL, IDS, 0, region_inputs(bare, 6))
        assert predict_regions(MODEL, inputs, bare, 4) == []
        assert len(predict_words(MODEL, inputs, TOKENIZER, 4)) == 3


def test_a_prediction_is_right_if_the_own_one_is_the_most_probable() -> None:
    assert MaskedPrediction(0, 7, ((7, 0.6), (3, 0.4))).right
    assert not MaskedPrediction(0, 3, ((7, 0.6), (3, 0.4))).right
