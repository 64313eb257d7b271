"""Zero-shot and retrieval figures against small cases counted by hand."""

from pathlib import Path

import pytest
import torch

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.evaluate import evaluations, retrieval, retrieve
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from tests.trainers.datasets import COLOURS as PALETTE
from tests.trainers.datasets import coloured_pairs, write_pairs

COLOURS = list(PALETTE)


def model() -> CLIP:
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=8)
    text = TextTowerConfig(vocab_size=514, context=8, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, image=image, text=text)).eval()


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


def test_bf16_changes_embeddings_by_rounding(tmp_path: Path) -> None:
    folder, tokenizer = write_pairs(tmp_path / "pairs", coloured_pairs(12)), ClipTokenizer((), context=8)
    clip = model()
    kinds: list[torch.dtype] = []
    clip.text.projection.register_forward_hook(lambda *call: kinds.append(call[2].dtype))
    for precision in ("fp32", "bf16"):
        assert retrieve(clip, tokenizer, folder, EvaluationSettings(precision=precision)).values["n"] == 12
    assert kinds == [torch.float32, torch.bfloat16]


def test_the_evaluations_are_listed_by_name() -> None:
    assert evaluations() == {"zero-shot": classify, "retrieval": retrieve}
