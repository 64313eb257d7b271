"""Embeddings of classes against means that are computed here."""

import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.zero_shot.class_embeddings import class_embeddings, embed_texts
from tests.trainers.clip.small import small_clip, small_tokenizer


def test_a_class_is_the_normalised_mean_of_its_normalised_templates() -> None:
    clip, tokenizer = small_clip(), small_tokenizer()
    got = class_embeddings(clip, tokenizer, ["cat", "dog"], ["a {c}", "{c}s {x}"])
    with torch.no_grad():
        rows = torch.from_numpy(tokenizer.rows(["a dog", "dogs {x}"]))
        expected = F.normalize(clip.encode_text(rows).mean(0), dim=-1)
    assert torch.allclose(got[1], expected, atol=1e-6)
    assert got.shape == (2, 8)


def test_a_template_without_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no class"):
        class_embeddings(small_clip(), small_tokenizer(), ["cat"], ["a photo"])


def test_synonyms_of_a_class_count_as_much_as_its_templates() -> None:
    clip, tokenizer = small_clip(), small_tokenizer()
    got = class_embeddings(clip, tokenizer, ["a", ("cat", "tom", "puss")], ["{c}", "my {c}"])
    with torch.no_grad():
        rows = torch.from_numpy(tokenizer.rows(["cat", "my cat", "tom", "my tom", "puss", "my puss"]))
        expected = F.normalize(clip.encode_text(rows).mean(0), dim=-1)
    torch.testing.assert_close(got[1], expected)


def test_many_texts_are_embedded_in_batches_as_one_by_one() -> None:
    clip, tokenizer = small_clip(), small_tokenizer()
    texts = [f"text {number}" for number in range(300)]
    with torch.no_grad():
        expected = clip.encode_text(torch.from_numpy(tokenizer.rows(texts)))
    torch.testing.assert_close(embed_texts(clip, tokenizer, texts), expected)
