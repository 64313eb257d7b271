"""Zero-shot and retrieval figures against small cases counted by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.evaluate import class_embeddings, embed_images, retrieval, zero_shot
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokenizer import ClipTokenizer


def model() -> CLIP:
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=8)
    text = TextTowerConfig(vocab_size=514, context=8, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, image=image, text=text)).eval()


def test_a_class_is_the_normalised_mean_of_its_normalised_templates() -> None:
    clip, tokenizer = model(), ClipTokenizer((), context=8)
    got = class_embeddings(clip, tokenizer, ["cat", "dog"], ["a {c}", "{c}s {x}"])
    with torch.no_grad():
        rows = torch.from_numpy(tokenizer.rows(["a dog", "dogs {x}"]))
        expected = F.normalize(clip.encode_text(rows).mean(0), dim=-1)
    assert torch.allclose(got[1], expected, atol=1e-6)
    assert got.shape == (2, 8)


def test_a_template_without_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no class"):
        class_embeddings(model(), ClipTokenizer((), context=8), ["cat"], ["a photo"])


def test_zero_shot_figures_are_those_counted_by_hand() -> None:
    classes = torch.eye(6)
    images = torch.tensor([[9, 1, 0, 0, 0, 0], [0, 1, 9, 0, 0, 0], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 0.0]])
    labels = torch.tensor([0, 1, 2, 5])
    figures = dict(zero_shot(images, labels, classes))
    assert figures["top1"] == 0.25
    assert figures["top5"] == 0.75
    assert figures["mean_class_recall"] == 0.25
    assert figures["chance"] == pytest.approx(1 / 6)
    assert figures["top1_low"] < 0.25 < figures["top1_high"]
    assert figures["top5_chance"] == pytest.approx(5 / 6)
    assert figures["mean_class_recall_low"] < 0.25 < figures["mean_class_recall_high"]
    assert "top5" not in dict(zero_shot(images[:, :3], labels.clamp(max=2), torch.eye(3)))


def test_an_image_is_a_hit_when_any_of_its_texts_is_among_the_first_k() -> None:
    images = torch.eye(3)
    texts = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0.1, 0.2, 0.3]])
    image_of = torch.tensor([0, 0, 1, 2])
    figures = dict(retrieval(images, texts, image_of, ks=(1, 2)))
    assert figures["image_retrieval_r1"] == 0.75
    assert figures["text_retrieval_r1"] == pytest.approx(2 / 3)
    assert figures["text_retrieval_r2"] == 1.0


def test_a_wrong_candidate_of_equal_similarity_ranks_first() -> None:
    copies = torch.ones(4, 2)
    figures = dict(retrieval(copies, copies, torch.arange(4), ks=(1, 4)))
    assert figures["image_retrieval_r1"] == 0
    assert figures["image_retrieval_r4"] == 1


def test_images_are_embedded_batch_by_batch() -> None:
    pixels = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    clip = model()
    assert torch.allclose(embed_images(clip, pixels.split(2)), embed_images(clip, [pixels]), atol=1e-6)
    assert math.isclose(embed_images(clip, [pixels])[0].norm().item(), 1, rel_tol=1e-5)
