"""The pre-training model: streams, and heads of words, regions and alignment (arXiv 1908.02265, section 2.2).

Shapes: B batch, T tokens, R regions with IMG first, H text width, V visual width, C region classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.blocks import HeadTransform, Pairs
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
