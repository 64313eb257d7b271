"""A small CLIP with fresh weights, for tests of its evaluations."""

import torch
from torch import Tensor

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.clip.zero_shot.figures import classification_figures, rank_classes


def small_clip() -> CLIP:
    """Return a CLIP of 16 x 16 pixels, 8 tokens and embeddings of 8 numbers."""
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=8)
    text = TextTowerConfig(vocab_size=514, context=8, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, image=image, text=text)).eval()


def zero_shot_figures(images: Tensor, labels: Tensor, classes: Tensor) -> dict[str, float]:
    """Return the figures of a zero-shot classification: (N, E), (N,) int, (C, E)."""
    ranks = rank_classes(images, classes, labels).ranks
    assert ranks is not None
    return dict(classification_figures(ranks, labels, len(classes)))


def small_tokenizer() -> ClipTokenizer:
    """Return a tokenizer of single bytes."""
    return ClipTokenizer((), context=8)
