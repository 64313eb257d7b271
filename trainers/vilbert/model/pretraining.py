"""The pre-training model: streams, and heads of words, regions and alignment (arXiv 1908.02265, section 2.2).

Shapes: B batch, T tokens, R regions with IMG first, H text width, V visual width, C region classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.blocks import HeadTransform
from corpusloom.trainers.vilbert.model.streams import Streams


class Outputs(NamedTuple):
    """Result of a forward pass."""

    text: Tensor
    """Text stream, (B, T, H)."""
    image: Tensor
    """Visual stream, (B, R, V)."""
    alignment: Tensor
    """Alignment logits, (B, 2); column 0 is "aligned"."""


class ViLBERT(Streams):
    """The pre-training model: both streams and the three heads."""

    METHODS = ("encode_text", "encode_image", "join", "predict_words", "predict_regions")

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

    def predict_words(self, text: Tensor) -> Tensor:
        """Return word logits, (N, H) -> (N, vocabulary); the decoder is the token embedding."""
        return F.linear(self.word_transform(text), self.text_embeddings.token.weight, self.word_bias)

    def predict_regions(self, image: Tensor) -> Tensor:
        """Return region class logits, (N, V) -> (N, C)."""
        return self.region_decoder(self.region_transform(image))
