"""Embeddings of both streams: tokens as in BERT; regions by feature and place (arXiv 1908.02265, section 3.1).

Shapes: B batch, T tokens, H text width.
"""

import torch
from torch import Tensor, nn

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.blocks import LAYER_NORM_EPS


class TextEmbeddings(nn.Module):
    """Sum of token, position and segment embeddings, and layer norm."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden)
        self.position = nn.Embedding(config.max_tokens, config.hidden)
        self.segment = nn.Embedding(2, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the embeddings of tokens, (B, T) -> (B, T, H); `segments` (B, T) are 0 or 1, None: all 0."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        segment = self.segment.weight[0] if segments is None else self.segment(segments)
        return self.dropout(self.norm(self.token(tokens) + self.position(positions) + segment))


class RegionEmbeddings(nn.Module):
    """LN(W_f feature + W_l location); a location is x1/W, y1/H, x2/W, y2/H, share of the area."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.feature = nn.Linear(config.feature_width, config.v_hidden)
        self.location = nn.Linear(5, config.v_hidden)
        self.norm = nn.LayerNorm(config.v_hidden, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor, locations: Tensor) -> Tensor:
        return self.dropout(self.norm(self.feature(features) + self.location(locations)))
