"""Blocks of both streams: BERT's layer, the connection between two streams, and the hidden layer of a head.

Shapes: B batch, N positions of a stream, W its width. Masks are those of `attention.additive`, (B, 1, 1, N).
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.attention import MultiHeadAttention

LAYER_NORM_EPS = 1e-12


class Pairs(NamedTuple):
    """Which text and which image of a batch make each pair, (P,) each."""

    text: Tensor
    image: Tensor

    def texts(self, *tensors: Tensor) -> list[Tensor]:
        """Return the rows of the pairs' texts, (B, ...) -> (P, ...)."""
        return [tensor[self.text] for tensor in tensors]

    def images(self, *tensors: Tensor) -> list[Tensor]:
        """Return the rows of the pairs' images, (B, ...) -> (P, ...)."""
        return [tensor[self.image] for tensor in tensors]


class Residual(nn.Module):
    """Projection back to the stream's width, dropout, residual sum, and post-layer norm."""

    def __init__(self, inner: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inner: Tensor, stream: Tensor) -> Tensor:
        return self.norm(stream + self.dropout(self.dense(inner)))


class FeedForward(nn.Module):
    """BERT's feed-forward block, (B, N, W) -> (B, N, W)."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.intermediate = nn.Linear(width, inner)
        self.output = Residual(inner, width, dropout)

    def forward(self, stream: Tensor) -> Tensor:
        return self.output(F.gelu(self.intermediate(stream)), stream)


class StreamLayer(nn.Module):
    """A BERT layer: self-attention, then feed-forward, each with residual and post-layer norm."""

    def __init__(self, width: int, heads: int, ffw: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(heads, dropout)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = Residual(width, width, dropout)
        self.ffw = FeedForward(width, ffw, dropout)

    def forward(self, stream: Tensor, mask: Tensor, outputs: int | None = None) -> Tensor:
        """Return the stream after the layer, or its first `outputs` positions alone, which attend to all."""
        kept = stream[:, :outputs]
        mixed = self.attention(self.query(kept), self.key(stream), self.value(stream), mask)
        return self.ffw(self.output(mixed, kept))


class Connection(nn.Module):
    """A co-attention layer (section 2.2): each stream's queries attend over the other's keys and values."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        width = config.co_hidden
        self.t_attention, self.v_attention = (MultiHeadAttention(config.co_heads, config.dropout) for _ in range(2))
        self.v_query, self.v_key, self.v_value = (nn.Linear(config.v_hidden, width) for _ in range(3))
        self.t_query, self.t_key, self.t_value = (nn.Linear(config.hidden, width) for _ in range(3))
        self.v_output = Residual(width, config.v_hidden, config.dropout)
        self.t_output = Residual(width, config.hidden, config.dropout)
        self.v_ffw = FeedForward(config.v_hidden, config.v_ffw, config.dropout)
        self.t_ffw = FeedForward(config.hidden, config.ffw, config.dropout)

    def forward(
        self, text: Tensor, text_mask: Tensor, image: Tensor, image_mask: Tensor, pairs: Pairs | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return both streams, of each row or of each of `pairs`, whose projections are then computed once per row."""
        t_query, t_key, t_value = self.t_query(text), self.t_key(text), self.t_value(text)
        v_query, v_key, v_value = self.v_query(image), self.v_key(image), self.v_value(image)
        if pairs is not None:
            text, text_mask, t_query, t_key, t_value = pairs.texts(text, text_mask, t_query, t_key, t_value)
            image, image_mask, v_query, v_key, v_value = pairs.images(image, image_mask, v_query, v_key, v_value)
        to_text = self.t_attention(t_query, v_key, v_value, image_mask)
        to_image = self.v_attention(v_query, t_key, t_value, text_mask)
        return self.t_ffw(self.t_output(to_text, text)), self.v_ffw(self.v_output(to_image, image))


class HeadTransform(nn.Module):
    """A head's hidden layer: linear, GELU, layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, stream: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(stream)))
