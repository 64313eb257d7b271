"""Embeddings are those of the model, and do not depend on what else is in a batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.clip.tokens.padded import PaddedTokenizer, with_padding
from corpusloom.trainers.embedding.encoder import Encoder, model_digest
from tests.trainers.clip.folders import TEXTS, siglip_config
from tests.trainers.clip.tokens.test_padded import plain
from tests.trainers.datasets import encode_jpeg
from tests.trainers.embedding.small import small_clip, small_encoder

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf")


def test_embeddings_are_those_of_the_model_rounded_to_float16(folder: Path) -> None:
    model, tokenizer = small_clip(folder)
    encoder = small_encoder(folder)
    with torch.no_grad():
        images = model.encode_image(torch.from_numpy(PIXELS)).half().numpy()
        texts = model.encode_text(torch.from_numpy(tokenizer.rows(TEXTS[:4]))).numpy()
    assert np.array_equal(encoder.images(PIXELS), images)
    found = encoder.texts(TEXTS[:4])
    assert found.dtype == np.float16
    assert np.abs(found - texts).max() < 1e-3
    assert encoder.identity.image_size == 16


def test_an_embedding_does_not_depend_on_its_neighbours(folder: Path) -> None:
    encoder = small_encoder(folder)
    images, texts = encoder.images(PIXELS), [*TEXTS[:4], "a " * 9, "red"]
    for row in range(4):
        assert np.array_equal(encoder.images(PIXELS[row : row + 1])[0], images[row])
    together = encoder.texts(texts)
    for row, text in enumerate(texts):
        assert np.array_equal(encoder.texts([text])[0], together[row])


def test_the_digest_is_that_of_the_model_in_any_layout(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = small_clip(folder)
    export(model, tokenizer, {}, "open_clip", str(tmp_path / "open_clip"))
    digest = model_digest(model, tokenizer)
    assert model_digest(*load_clip(str(tmp_path / "open_clip"))) == digest
    with torch.no_grad():
        model.text.projection.weight[0, 0] += 1
    assert model_digest(model, tokenizer) != digest


def test_a_text_keeps_the_padding_that_a_siglip_attends_to() -> None:
    tokenizer = PaddedTokenizer(with_padding(plain(a=2), "<pad>"), 12)
    model = CLIP(siglip_config()).eval()
    with torch.no_grad():
        expected = model.encode_text(torch.from_numpy(tokenizer.rows(["a"]))).half().numpy()
    found = Encoder(model, tokenizer, path="", batch_size=4)
    assert np.abs(found.texts(["a"]).astype(np.float32) - expected).max() < 1e-3
    wide = encode_jpeg(np.zeros((20, 60, 3), np.uint8))
    assert np.array_equal(found.prepare(wide), evaluation_image(wide, 16, squash=True))


def test_bf16_is_another_precision_of_the_same_direction(folder: Path) -> None:
    half = Encoder(*small_clip(folder), path="", precision="bf16", batch_size=4)
    rows, full = half.images(PIXELS), small_encoder(folder).images(PIXELS)
    assert not np.array_equal(rows, full)
    assert (rows.astype(np.float32) * full).sum(1).min() > 0.99
