"""The streams of a ViLBERT, which exchange attention in connection layers (arXiv 1908.02265, section 2.2).

`Streams` are what all tasks share: `pretraining.ViLBERT` adds the heads of the pre-training, `downstream.model` those
of the other tasks. With `streams = 1` they are the single-stream baseline of section 4: one BERT over the sequence of
tokens and regions, in which nothing but the embeddings is computed before they are joined.

Shapes: B batch, T tokens, R regions with IMG first, H text width, V visual width. A connection stands before the layers
of its ids; with the published ids the order is t0..t5, c0, v0, t6, c1, v1, ... c5, v5, t11. The q_dense layers that the
public code has in each connection and never uses (11,020,800 weights) are left out.
"""

from collections.abc import Collection
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.training.parallel import ParallelPlan
from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.attention import additive
from corpusloom.trainers.vilbert.model.blocks import Connection, Pairs, StreamLayer
from corpusloom.trainers.vilbert.model.embeddings import RegionEmbeddings, TextEmbeddings

FROM_BERT = ("text_embeddings.", "text_layers.")
"""Prefixes of the parameters whose weights every BERT provides."""
FROM_WORD_HEAD = ("word_transform.", "word_bias")
"""Prefixes of those that a BERT with its word head provides."""
POOLER = ("text_pooler.",)
"""Prefix of those that a BERT with its pooler provides to a single stream."""


class Streams(nn.Module):
    """One or two streams, their connections and poolers; a subclass adds heads and then calls `initialise`."""

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
        v_layers, connections = (config.v_layers, len(config.v_connections)) if config.streams == 2 else (0, 0)
        self.image_layers = nn.ModuleList(
            StreamLayer(config.v_hidden, config.v_heads, config.v_ffw, config.dropout) for _ in range(v_layers)
        )
        self.connections = nn.ModuleList(Connection(config) for _ in range(connections))
        self.text_pooler = nn.Linear(config.hidden, config.co_hidden)
        if config.streams == 2:
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
        given = FROM_BERT + FROM_WORD_HEAD + (POOLER if self.config.streams == 1 else ())
        return self.config.init_lr_factor if self.config.init is not None and name.startswith(given) else 1.0

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
        """Return the text stream up to where it meets the image, (B, T) -> (B, T, H); no image enters it."""
        stream = self.text_embeddings(tokens, segments)
        for layer in self.text_layers[: self._first_connection()]:
            stream = layer(stream, additive(mask))
        return stream

    def encode_image(self, features: Tensor, locations: Tensor, mask: Tensor) -> Tensor:
        """Return the visual stream up to where it meets the text, (B, R, F) -> (B, R, V); no text enters it."""
        stream = self.region_embeddings(features, locations)
        for layer in self.image_layers[: self._first_image_layers()]:
            stream = layer(stream, additive(mask))
        return stream

    def _first_connection(self) -> int:
        if self.config.streams == 1:
            return 0
        return self.config.t_connections[0] if self.config.t_connections else self.config.layers

    def _first_image_layers(self) -> int:
        if self.config.streams == 1:
            return 0
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
        """Run the streams from where they meet on, over the results of `encode_text` and `encode_image`.

        With `pairs` the rows of the results are these pairs of texts and images. `outputs` is the number of first
        positions that the last layer computes; None: all.
        """
        if pairs is not None and not self.connections:
            (text, token_mask), (image, region_mask) = pairs.texts(text, token_mask), pairs.images(image, region_mask)
        if self.config.streams == 1:
            return self._run_joined(text, token_mask, image, region_mask, outputs)
        text_mask, image_mask = additive(token_mask), additive(region_mask)
        t, v = self._first_connection(), self._first_image_layers()
        for number, connection in enumerate(self.connections):
            text, image, t, v = self._advance(text, text_mask, image, image_mask, t, v, number)
            text, image = connection(text, text_mask, image, image_mask, pairs if number == 0 else None)
            if pairs is not None and number == 0:
                (text_mask,), (image_mask,) = pairs.texts(text_mask), pairs.images(image_mask)
        text = _run(self.text_layers[t:], text, text_mask, outputs)
        return text, _run(self.image_layers[v:], image, image_mask, outputs)

    def _run_joined(
        self, text: Tensor, token_mask: Tensor, image: Tensor, region_mask: Tensor, outputs: int | None
    ) -> tuple[Tensor, Tensor]:
        """Run all layers over tokens and regions as one sequence; return its two parts."""
        joined, mask = torch.cat([text, image], 1), additive(torch.cat([token_mask, region_mask], 1))
        joined = _run(self.text_layers, joined, mask, outputs)
        return joined[:, : text.shape[1]], joined[:, text.shape[1] :]

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
        """Return the state of the pair, (B, co_hidden): h_IMG * h_CLS after ReLU poolers; of one stream tanh(h_CLS)."""
        pooled = self.text_pooler(text[:, 0])
        if self.config.streams == 1:
            return self.pooled_dropout(pooled.tanh())
        return self.pooled_dropout(F.relu(pooled) * F.relu(self.image_pooler(image[:, 0])))


def _run(layers: nn.ModuleList, stream: Tensor, mask: Tensor, outputs: int | None) -> Tensor:
    """Return a stream after layers, of which the last computes the first `outputs` positions alone; None: all."""
    for number, layer in enumerate(layers, 1):
        stream = layer(stream, mask, outputs if number == len(layers) else None)
    return stream


def _initialise(module: nn.Module, std: float) -> None:
    """Initialise a module as BERT: normal weights, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=std)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
