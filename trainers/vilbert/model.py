"""ViLBERT: a text stream and a visual stream that exchange attention in connection layers (arXiv 1908.02265).

`Streams` are what all tasks share, `ViLBERT` the pre-training model; `downstream.model` has those of the other tasks.

Shapes: B batch, T tokens, R regions with IMG first, H text width, V visual width, C region classes. A connection stands
before the layers of its ids; with the published ids the order is t0..t5, c0, v0, t6, c1, v1, ... c5, v5, t11. The
q_dense layers that the public code has in each connection and never uses (11,020,800 weights) are left out.
"""

from collections.abc import Collection
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.training.parallel import ParallelPlan
from corpusloom.trainers.vilbert.config import ViLBERTConfig

LAYER_NORM_EPS = 1e-12
MASKED = -10_000.0
"""Value added to the attention scores of padding."""
FROM_BERT = ("text_embeddings.", "text_layers.", "word_transform.", "word_bias")
"""Prefixes of the parameters whose weights a BERT provides."""


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor, dropout: float) -> Tensor:
    """Return multi-head attention: (B, Q, W), (B, K, W), (B, K, W), additive mask (B, 1, 1, K) -> (B, Q, W)."""

    def split(tensor: Tensor) -> Tensor:
        return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask, dropout_p=dropout)
    return mixed.transpose(1, 2).flatten(2)


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


class StreamLayer(nn.Module):
    """A BERT layer: self-attention, then feed-forward, each with residual and post-layer norm."""

    def __init__(self, width: int, heads: int, ffw: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = Residual(width, width, dropout)
        self.ffw = FeedForward(width, ffw, dropout)

    def forward(self, stream: Tensor, mask: Tensor, outputs: int | None = None) -> Tensor:
        """Return the stream after the layer, or its first `outputs` positions alone, which attend to all."""
        dropout = self.dropout if self.training else 0.0
        kept = stream[:, :outputs]
        mixed = attention(self.query(kept), self.key(stream), self.value(stream), self.heads, mask, dropout)
        return self.ffw(self.output(mixed, kept))


class Connection(nn.Module):
    """A co-attention layer (section 2.2): each stream's queries attend over the other's keys and values."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.co_heads, config.dropout
        width = config.co_hidden
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
        dropout = self.dropout if self.training else 0.0
        t_query, t_key, t_value = self.t_query(text), self.t_key(text), self.t_value(text)
        v_query, v_key, v_value = self.v_query(image), self.v_key(image), self.v_value(image)
        if pairs is not None:
            text, text_mask, t_query, t_key, t_value = pairs.texts(text, text_mask, t_query, t_key, t_value)
            image, image_mask, v_query, v_key, v_value = pairs.images(image, image_mask, v_query, v_key, v_value)
        to_text = attention(t_query, v_key, v_value, self.heads, image_mask, dropout)
        to_image = attention(v_query, t_key, t_value, self.heads, text_mask, dropout)
        return self.t_ffw(self.t_output(to_text, text)), self.v_ffw(self.v_output(to_image, image))


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


class HeadTransform(nn.Module):
    """A head's hidden layer: linear, GELU, layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, stream: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(stream)))


class Outputs(NamedTuple):
    """Result of a forward pass."""

    text: Tensor
    """Text stream, (B, T, H)."""
    image: Tensor
    """Visual stream, (B, R, V)."""
    alignment: Tensor
    """Alignment logits, (B, 2); column 0 is "aligned"."""


def additive(mask: Tensor) -> Tensor:
    """Return the mask to add to attention scores, (B, N) bool -> (B, 1, 1, N): 0 where true, else -10,000."""
    return torch.where(mask, 0.0, MASKED)[:, None, None, :]


class Streams(nn.Module):
    """The two streams, their connections and poolers; a subclass adds heads and then calls `initialise`."""

    METHODS: ClassVar[tuple[str, ...]] = ()
    """Methods other than `forward` that are called from outside the model."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.config = config
        self.text_embeddings = TextEmbeddings(config)
        self.region_embeddings = RegionEmbeddings(config)
        self.text_layers = nn.ModuleList(
            StreamLayer(config.hidden, config.heads, config.ffw, config.dropout) for _ in range(config.layers)
        )
        self.image_layers = nn.ModuleList(
            StreamLayer(config.v_hidden, config.v_heads, config.v_ffw, config.dropout) for _ in range(config.v_layers)
        )
        self.connections = nn.ModuleList(Connection(config) for _ in config.v_connections)
        self.text_pooler = nn.Linear(config.hidden, config.co_hidden)
        self.image_pooler = nn.Linear(config.v_hidden, config.co_hidden)
        self.pooled_dropout = nn.Dropout(config.dropout)

    def initialise(self) -> None:
        """Draw all weights as BERT's are."""
        self.apply(partial(_initialise, std=self.config.init_std))

    def no_decay(self) -> Collection[str]:
        """Return the names without weight decay, apart from parameters of one dimension: none."""
        return ()

    def lr_factor(self, name: str) -> float:
        """Return a parameter's factor of the learning rate: `init_lr_factor` if its weights come from `init`."""
        given = self.config.init is not None and name.startswith(FROM_BERT)
        return self.config.init_lr_factor if given else 1.0

    def part_of(self, name: str) -> str:
        """Return the part of the model in which a parameter is counted."""
        return "heads" if name.startswith(("word_", "region_transform", "region_decoder", "alignment")) else "streams"

    def plan(self) -> ParallelPlan:
        """Return how the model is divided: each layer and each connection is a unit."""
        parts = {"text_layers": self.text_layers, "image_layers": self.image_layers, "connections": self.connections}
        return ParallelPlan(
            blocks=tuple(f"{name}.{number}" for name, part in parts.items() for number in range(len(part))),
            methods={"": self.METHODS},
            no_tensor="ViLBERT has no tensor-parallel plan",
        )

    def encode_text(self, tokens: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the text stream up to the first connection, (B, T) -> (B, T, H); no image enters it."""
        stream = self.text_embeddings(tokens, segments)
        for layer in self.text_layers[: self._first_connection()]:
            stream = layer(stream, additive(mask))
        return stream

    def encode_image(self, features: Tensor, locations: Tensor, mask: Tensor) -> Tensor:
        """Return the visual stream up to the first connection, (B, R, F) -> (B, R, V); no text enters it."""
        stream = self.region_embeddings(features, locations)
        for layer in self.image_layers[: self._first_image_layers()]:
            stream = layer(stream, additive(mask))
        return stream

    def _first_connection(self) -> int:
        return self.config.t_connections[0] if self.config.t_connections else self.config.layers

    def _first_image_layers(self) -> int:
        return self.config.v_connections[0] if self.config.v_connections else self.config.v_layers

    def connect(
        self,
        text: Tensor,
        token_mask: Tensor,
        image: Tensor,
        region_mask: Tensor,
        *,
        pairs: Pairs | None = None,
        outputs: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run both streams from the first connection on, over the results of `encode_text` and `encode_image`.

        With `pairs` the rows of the results are these pairs of texts and images. `outputs` is the number of first
        positions of which layers after the last connection are computed; None: all.
        """
        text_mask, image_mask = additive(token_mask), additive(region_mask)
        t, v = self._first_connection(), self._first_image_layers()
        if pairs is not None and not self.connections:
            (text, text_mask), (image, image_mask) = pairs.texts(text, text_mask), pairs.images(image, image_mask)
        for number, connection in enumerate(self.connections):
            text, image, t, v = self._advance(text, text_mask, image, image_mask, t, v, number)
            text, image = connection(text, text_mask, image, image_mask, pairs if number == 0 else None)
            if pairs is not None and number == 0:
                (text_mask,), (image_mask,) = pairs.texts(text_mask), pairs.images(image_mask)
        text = _run(self.text_layers[t:], text, text_mask, outputs)
        return text, _run(self.image_layers[v:], image, image_mask, outputs)

    def _advance(
        self, text: Tensor, text_mask: Tensor, image: Tensor, image_mask: Tensor, t: int, v: int, number: int
    ) -> tuple[Tensor, Tensor, int, int]:
        """Run the layers of both streams from t and v up to a connection; return the streams and the new t and v."""
        for layer in self.text_layers[t : self.config.t_connections[number]]:
            text = layer(text, text_mask)
        for layer in self.image_layers[v : self.config.v_connections[number]]:
            image = layer(image, image_mask)
        return text, image, self.config.t_connections[number], self.config.v_connections[number]

    def pool(self, text: Tensor, image: Tensor) -> Tensor:
        """Return h_IMG * h_CLS of both streams' first positions after ReLU poolers, (B, co_hidden)."""
        pooled = F.relu(self.text_pooler(text[:, 0])) * F.relu(self.image_pooler(image[:, 0]))
        return self.pooled_dropout(pooled)


class ViLBERT(Streams):
    """The pre-training model: both streams and the three heads."""

    METHODS = ("encode_text", "encode_image", "join", "score", "predict_words", "predict_regions")

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__(config)
        self.word_transform = HeadTransform(config.hidden)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.region_transform = HeadTransform(config.v_hidden)
        self.region_decoder = nn.Linear(config.v_hidden, config.class_count)
        self.alignment = nn.Linear(config.co_hidden, 2)
        self.initialise()

    def forward(
        self, tokens: Tensor, token_mask: Tensor, features: Tensor, locations: Tensor, region_mask: Tensor
    ) -> Outputs:
        """Run both streams: (B, T) int, (B, T) bool, (B, R, F), (B, R, 5), (B, R) bool."""
        text = self.encode_text(tokens, token_mask)
        image = self.encode_image(features, locations, region_mask)
        return self.join(text, token_mask, image, region_mask)

    def join(self, text: Tensor, token_mask: Tensor, image: Tensor, region_mask: Tensor) -> Outputs:
        """Return the outputs of both streams from the first connection on."""
        text, image = self.connect(text, token_mask, image, region_mask)
        return Outputs(text, image, self.alignment(self.pool(text, image)))

    def score(self, text: Tensor, token_mask: Tensor, image: Tensor, region_mask: Tensor, pairs: Pairs) -> Tensor:
        """Return how much "aligned" is preferred in each of the pairs: the difference of their two logits, (P,).

        It ranks as the probability of "aligned" does, which is 1.0 for all large differences. The head runs without
        autocast, so that two pairs have equal scores only if their pooled outputs are equal.
        """
        text, image = self.connect(text, token_mask, image, region_mask, pairs=pairs, outputs=1)
        pooled = self.pool(text, image)
        with torch.autocast(pooled.device.type, enabled=False):
            logits = F.linear(pooled.to(self.alignment.weight.dtype), self.alignment.weight, self.alignment.bias)
        return logits[:, 0] - logits[:, 1]

    def predict_words(self, text: Tensor) -> Tensor:
        """Return word logits, (N, H) -> (N, vocabulary); the decoder is the token embedding."""
        return F.linear(self.word_transform(text), self.text_embeddings.token.weight, self.word_bias)

    def predict_regions(self, image: Tensor) -> Tensor:
        """Return region class logits, (N, V) -> (N, C)."""
        return self.region_decoder(self.region_transform(image))


def _run(layers: nn.ModuleList, stream: Tensor, mask: Tensor, outputs: int | None) -> Tensor:
    """Return a stream after layers; `outputs` as in `Streams.connect`."""
    for layer in layers[:-1]:
        stream = layer(stream, mask)
    for layer in layers[-1:]:
        stream = layer(stream, mask, outputs)
    return stream


def _initialise(module: nn.Module, std: float) -> None:
    """Initialise a module as BERT: normal weights, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=std)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
