"""Captions and regions as tensors: BERT's tokens, masking at the paper's shares, locations, IMG."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import PairSample
from corpusloom.trainers.vilbert.config import ViLBERTDataConfig
from corpusloom.trainers.vilbert.data import (
    PretrainingTransform,
    locations,
    mask_regions,
    mask_words,
    overlaps,
    region_arrays,
    region_inputs,
)
from corpusloom.trainers.vilbert.tokenizer import encode, learn_tokenizer
from tests.trainers.vilbert.region_pairs import WIDTH, region_sample

CAPTIONS = ["two large red stars on a striped green ground", "a small blue ring", "picture of a cross, over yellow"]
TOKENIZER = learn_tokenizer(CAPTIONS * 2, 200)
CONFIG = ViLBERTDataConfig(tokens=12, regions=8)


def within(hits: int, draws: int, share: float) -> bool:
    return abs(hits - draws * share) < 4 * (draws * share * (1 - share)) ** 0.5


def test_words_are_masked_at_the_papers_shares() -> None:
    size = TOKENIZER.get_vocab_size()
    words = np.random.default_rng(0).integers(5, size, 200_000)
    masked, labels = mask_words(words, TOKENIZER, 0.15, np.random.default_rng(1))
    chosen = labels != -1
    total = int(chosen.sum())
    assert within(total, len(words), 0.15)
    assert within(int((masked[chosen] == TOKENIZER.token_to_id("[MASK]")).sum()), total, 0.8 + 0.1 / size)
    assert within(int((masked[chosen] == words[chosen]).sum()), total, 0.1 + 0.1 / size)
    assert (labels[chosen] == words[chosen]).all()
    assert (masked[~chosen] == words[~chosen]).all()


def test_special_tokens_are_never_masked() -> None:
    ids = encode(TOKENIZER, CAPTIONS[0], 12)
    masked, labels = mask_words(ids, TOKENIZER, 1.0, np.random.default_rng(0))
    special = np.isin(ids, [TOKENIZER.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]")])
    assert (labels[special] == -1).all()
    assert (masked[special] == ids[special]).all()
    assert (labels[~special] == ids[~special]).all()


def test_regions_are_masked_at_the_papers_shares() -> None:
    chosen, zeroed = mask_regions(np.zeros((200_000, 4), np.float32), 0.15, None, np.random.default_rng(0))
    assert within(int(chosen.sum()), 200_000, 0.15)
    assert within(int(zeroed.sum()), int(chosen.sum()), 0.9)
    assert not (zeroed & ~chosen).any()


def test_regions_that_overlap_a_masked_region_are_zeroed_too() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], np.float32)
    seen = set()
    for number in range(200):
        _, zeroed = mask_regions(boxes, 0.3, 0.4, np.random.default_rng(number))
        assert zeroed[0] == zeroed[1]
        seen.add((bool(zeroed[0]), bool(zeroed[2])))
    assert len(seen) == 4


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(overlaps(boxes), [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]], atol=1e-6)


def test_locations_are_shares_of_the_image() -> None:
    found = locations(np.array([[10, 20, 60, 60]], np.float32), 100, 80)
    np.testing.assert_allclose(found, [[0.1, 0.25, 0.6, 0.75, 0.25]], atol=1e-6)


def test_img_is_the_mean_over_the_boxes_without_padding() -> None:
    sample = region_sample(3, boxes=5)
    arrays = region_arrays(sample, replace(CONFIG, mask=0.0), np.random.default_rng(0))
    np.testing.assert_allclose(arrays["features"][0], sample.features.astype(np.float32).mean(0), atol=2e-3)
    assert arrays["locations"][0].tolist() == [0, 0, 1, 1, 1]
    assert arrays["region_mask"].tolist() == [True] * 6 + [False] * 3
    assert not arrays["masked_regions"].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 1000))
def test_arrays_have_one_shape_and_masked_boxes_stay(boxes: int, seed: int) -> None:
    sample = region_sample(seed, boxes=boxes)
    arrays = region_arrays(sample, replace(CONFIG, mask=0.5), np.random.default_rng(seed))
    assert arrays["features"].shape == (9, WIDTH)
    assert arrays["region_mask"].sum() == min(boxes, 8) + 1
    zeroed = ~arrays["features"][1:].any(1)
    assert not arrays["masked_regions"][min(boxes, 8) :].any()
    assert (zeroed[: min(boxes, 8)] <= arrays["masked_regions"][: min(boxes, 8)]).all()
    expected = locations(sample.boxes[:8], 100, 80)
    np.testing.assert_array_equal(arrays["locations"][1 : len(expected) + 1], expected)
    np.testing.assert_allclose(
        arrays["features"][0].astype(np.float32),
        arrays["features"][1:].astype(np.float32).sum(0) / min(boxes, 8),
        atol=5e-3,
    )


def test_an_image_without_regions_has_img_alone() -> None:
    sample = region_sample(3, boxes=2)
    empty = replace(sample, **{name: getattr(sample, name)[:0] for name in ("boxes", "features", "class_probs")})
    arrays = region_arrays(empty, CONFIG, np.random.default_rng(0))
    assert arrays["region_mask"].tolist() == [True] + [False] * 8
    assert not arrays["features"].any()
    assert not arrays["masked_regions"].any()


def test_a_box_of_no_area_is_a_region_whose_share_of_the_area_is_zero() -> None:
    sample = region_sample(3, boxes=2)
    sample.boxes[1, 2] = sample.boxes[1, 0]
    assert region_inputs(sample, 8)["locations"][2, 4] == 0
    np.testing.assert_array_equal(overlaps(sample.boxes)[1], [0, 0])


class NoneZeroed(np.random.Generator):
    """Draws with which every region is predicted at a share of 1, and none is zeroed."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return np.full(size, 0.95)


@pytest.mark.parametrize(
    ("name", "row", "value", "reason"),
    [
        ("features", 1, np.nan, "features are not finite"),
        ("features", 0, np.inf, "features are not finite"),
        ("boxes", 1, np.nan, "a box is not x1 <= x2"),
        ("boxes", 1, 99, "a box is not x1 <= x2"),
        ("boxes", 0, -np.inf, "a box is not x1 <= x2"),
        ("class_probs", 1, np.nan, "class probabilities are not finite"),
    ],
)
def test_a_sample_whose_values_would_spoil_a_batch_is_skipped(name: str, row: int, value: float, reason: str) -> None:
    sample = region_sample(3, boxes=2)
    getattr(sample, name)[row, 0] = value
    with pytest.raises(SampleError, match=f"bad_regions: {reason}"):
        region_arrays(sample, replace(CONFIG, mask=1.0), NoneZeroed())


@pytest.mark.parametrize("info", [{}, {"regions": []}, {"regions": {"image_width": 0, "image_height": 9}}])
def test_an_image_without_a_size_is_skipped(info: dict[str, Any]) -> None:
    with pytest.raises(SampleError, match=r"bad_regions: the JSON has no regions\.image_width and image_height"):
        region_inputs(replace(region_sample(3), info=info), 8)


def test_a_transform_is_a_function_of_sample_and_generator() -> None:
    transform = PretrainingTransform(TOKENIZER, CONFIG)
    first, again = (transform(region_sample(1), np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_masked_regions_need_class_probabilities_and_inputs_do_not() -> None:
    sample = replace(region_sample(0, boxes=3), class_probs=np.zeros((3, 0), np.float16))
    with pytest.raises(ConfigError, match=r"have no class probabilities.*--task takes these"):
        PretrainingTransform(TOKENIZER, CONFIG, WIDTH)(sample, np.random.default_rng(0))
    assert region_inputs(sample, 8)["region_mask"].sum() == 4


def test_pairs_without_regions_are_refused() -> None:
    with pytest.raises(ConfigError, match="loom build regions"):
        PretrainingTransform(TOKENIZER, CONFIG)(PairSample("k", b"", "a", {}), np.random.default_rng(0))
