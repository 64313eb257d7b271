"""Pairs to arrays: CLIP's preprocessing, augmentation from a given generator, and a cache that changes no result."""

import dataclasses
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPDataConfig
from corpusloom.trainers.clip.data import PairTransform, drop_words, evaluation_image, resize_bicubic
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import InterleavedSample, PairSample
from tests.trainers.datasets import encode_jpeg

TOKENIZER = ClipTokenizer((), context=12)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sample(key: str = "k") -> PairSample:
    return PairSample(key, encode_jpeg(noise(50, 70)), "a cat", {})


def test_evaluation_images_are_preprocessed_as_in_clip() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(50, 71)).save(buffer, "PNG")
    picture = Image.open(buffer).convert("RGB").resize((34, 24), Image.Resampling.BICUBIC)
    left = (34 - 24) // 2
    expected = np.asarray(picture.crop((left, 0, left + 24, 24))).transpose(2, 0, 1)
    assert np.array_equal(evaluation_image(buffer.getvalue(), 24), expected)


def test_images_are_squashed_as_in_siglip() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(50, 24)).save(buffer, "PNG")
    expected = Image.open(buffer).convert("RGB").resize((24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(evaluation_image(buffer.getvalue(), 24, squash=True), np.asarray(expected).transpose(2, 0, 1))
    # our own object: a loader process gets its transform as a pickle
    transform = pickle.loads(pickle.dumps(PairTransform(TOKENIZER, 24, CLIPDataConfig(), squash=True)))
    seen = transform(PairSample("k", buffer.getvalue(), "a cat", {}), np.random.default_rng(0))["image"]
    assert np.array_equal(seen, np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), [(40, 90), (90, 40), (20, 20), (10, 300)])
def test_the_shorter_side_becomes_the_size(height: int, width: int) -> None:
    assert min(resize_bicubic(noise(height, width), 20).shape[:2]) == 20


def test_a_sample_becomes_a_square_of_pixels_and_a_row_of_tokens() -> None:
    fields = PairTransform(TOKENIZER, 24, CLIPDataConfig())(sample(), np.random.default_rng(0))
    assert fields["image"].shape == (3, 24, 24)
    assert fields["image"].dtype == np.uint8
    assert fields["tokens"].tolist() == TOKENIZER.row("a cat").tolist()


@pytest.mark.parametrize("config", [CLIPDataConfig(), CLIPDataConfig(flip=True, brightness=0.3, margin=0.2)])
def test_the_same_generator_gives_the_same_pixels_with_and_without_cache(config: CLIPDataConfig) -> None:
    cached = PairTransform(TOKENIZER, 24, _with_cache(config, 1 << 20))
    plain = PairTransform(TOKENIZER, 24, config)
    for seed in (1, 2, 1):
        one = cached(sample(), np.random.default_rng(seed))["image"]
        assert np.array_equal(one, plain(sample(), np.random.default_rng(seed))["image"])
    assert len(cached._cache) == 1
    assert not plain._cache


def test_the_cache_stops_at_its_size() -> None:
    config = CLIPDataConfig(cache_bytes=24 * 33 * 3 + 10)
    transform = PairTransform(TOKENIZER, 24, config)
    for key in ("a", "b"):
        transform(sample(key), np.random.default_rng(0))
    assert list(transform._cache) == ["a"]


def _with_cache(config: CLIPDataConfig, size: int) -> CLIPDataConfig:
    return CLIPDataConfig(flip=config.flip, brightness=config.brightness, margin=config.margin, cache_bytes=size)


def test_pages_are_refused() -> None:
    page = InterleavedSample("k", ("text",), (None,), {})
    with pytest.raises(ConfigError, match="trains on pairs"):
        PairTransform(TOKENIZER, 24, CLIPDataConfig())(page, np.random.default_rng(0))


def test_an_image_without_a_text_is_left_out() -> None:
    transform = PairTransform(TOKENIZER, 24, CLIPDataConfig())
    with pytest.raises(SampleError, match="empty_text"):
        transform(dataclasses.replace(sample(), text=""), np.random.default_rng(0))


def test_a_share_of_a_caption_s_words_is_left_out_in_their_order() -> None:
    text, rng = " ".join(map(str, range(1000))), np.random.default_rng(0)
    kept = [int(word) for word in drop_words(text, 0.3, rng).split()]
    assert 640 < len(kept) < 760
    assert kept == sorted(set(kept))
    assert {drop_words("cat", 0.9, rng) for _ in range(20)} == {"cat"}
    assert drop_words("a  cat", 0.0, rng) == "a cat"


def test_a_sample_s_words_are_drawn_anew_each_time() -> None:
    transform, rng = PairTransform(TOKENIZER, 24, CLIPDataConfig(word_dropout=0.5)), np.random.default_rng(0)
    rows = {tuple(transform(sample(), rng)["tokens"].tolist()) for _ in range(40)}
    assert rows == {tuple(TOKENIZER.row(text).tolist()) for text in ("a cat", "a", "cat")}
