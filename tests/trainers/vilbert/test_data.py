"""Captions and regions as tensors: the published shares of masking, locations, the IMG region."""

import numpy as np
import pytest

from schemas.errors import ConfigError
from trainers.stream.samples import PairSample, RegionsSample
from trainers.vilbert import data
from trainers.vilbert.objective import IGNORE

CAPTIONS = [
    f"{n} {c} {s} on a {b} ground"
    for n in ("a", "two")
    for c in ("red", "blue")
    for s in ("star", "ring")
    for b in ("grey", "pink")
]
TOKENIZER = data.train_tokenizer(CAPTIONS, 120)


def sample(count: int = 12) -> RegionsSample:
    """Return a sample with distinct features."""
    rng = np.random.default_rng(3)
    boxes = np.sort(rng.uniform(0, 200, (count, 2, 2)), axis=1).reshape(count, 4).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(7), count).astype(np.float16)
    info = {"regions": {"image_width": 200, "image_height": 400}}
    features = rng.normal(size=(count, 5)).astype(np.float16)
    return RegionsSample("k" * 32, b"", CAPTIONS[0], info, boxes, features, probabilities)


def test_a_caption_keeps_its_marks_when_it_is_cut_and_padded() -> None:
    ids = data.encode(TOKENIZER, CAPTIONS[0], 20)
    assert ids[0] == TOKENIZER.token_to_id("[CLS]")
    assert (ids == TOKENIZER.token_to_id("[SEP]")).sum() == 1
    cut = data.encode(TOKENIZER, CAPTIONS[0], 4)
    assert len(cut) == 4
    assert cut[-1] == TOKENIZER.token_to_id("[SEP]")
    assert TOKENIZER.decode(list(ids)) == CAPTIONS[0]


def test_words_are_masked_as_published() -> None:
    rng = np.random.default_rng(0)
    ids = np.full(200_000, 50)
    masked, labels = data.mask_words(ids, TOKENIZER, 0.15, rng)
    chosen = labels != IGNORE
    assert abs(chosen.mean() - 0.15) < 0.004
    assert (masked[~chosen] == 50).all()
    assert abs((masked[chosen] == TOKENIZER.token_to_id("[MASK]")).mean() - 0.8) < 0.02
    assert abs((masked[chosen] == 50).mean() - 0.1) < 0.02
    special = data.encode(TOKENIZER, CAPTIONS[0], 20)
    _, labels = data.mask_words(special, TOKENIZER, 1.0, rng)
    assert (labels[special == TOKENIZER.token_to_id("[PAD]")] == IGNORE).all()
    assert labels[0] == IGNORE


def test_regions_are_masked_as_published_and_keep_their_boxes() -> None:
    rng = np.random.default_rng(0)
    zeroed = chosen = total = 0
    for _ in range(600):
        arrays = data.region_arrays(sample(), 16, 0.15, rng)
        chosen += int(arrays["masked_regions"].sum())
        zeroed += int((arrays["features"][1:13] == 0).all(1).sum())
        total += 12
        assert (arrays["locations"][1:13] != 0).any(1).all()
    assert abs(chosen / total - 0.15) < 0.02
    assert abs(zeroed / chosen - 0.9) < 0.05


def test_the_first_region_is_the_whole_image() -> None:
    arrays = data.region_arrays(sample(), 16, 0.0, np.random.default_rng(0))
    assert np.allclose(arrays["features"][0], sample().features.astype(np.float32).mean(0), atol=1e-2)
    assert list(arrays["locations"][0]) == [0, 0, 1, 1, 1]
    assert arrays["region_mask"].sum() == 13
    assert arrays["class_probs"].shape == (16, 7)


def test_locations_are_shares_of_the_image() -> None:
    assert np.allclose(
        data.locations(np.array([[0, 100, 100, 300]], np.float32), 200, 400), [[0, 0.25, 0.5, 0.75, 0.25]]
    )


def test_another_kind_of_sample_is_a_clear_error() -> None:
    transform = data.PretrainingTransform(TOKENIZER, data.DataConfig())
    with pytest.raises(ConfigError, match="trains on regions"):
        transform(PairSample("k", b"", "t", {}), np.random.default_rng(0))
