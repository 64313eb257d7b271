"""CLIP: two towers that project into one space, and a learned logit scale (arXiv 2103.00020, Figure 3).

Shapes: B pairs, S tokens, D width of the text, E embedding.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.clip.config import CLIPConfig, TextTowerConfig
from corpusloom.trainers.clip.towers import TransformerBlock, initialise_blocks, make_image_tower, quick_gelu, read_one

MAX_LOG_SCALE = math.log(100)
"""Upper bound of the log of the logit scale, which is at most 100 (section 2.5)."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Embeddings of both towers, L2-normalised in float32, (B, E) each."""

    image: Tensor
    text: Tensor


class TextTower(nn.Module):
    """A causal transformer; a text's feature is the state at the end-of-text token, which has the largest id."""

    def __init__(self, config: TextTowerConfig, embed_dim: int, *, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        width, self.trim = config.width, config.trim
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Parameter(0.01 * torch.randn(config.context, width))
        blocks = [
            TransformerBlock(width, config.heads, causal=True, activation=activation) for _ in range(config.layers)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.ln_final = nn.LayerNorm(width)
        self.projection = nn.Linear(width, embed_dim, bias=False)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        initialise_blocks(self.blocks, width)
        nn.init.normal_(self.projection.weight, std=width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, S) int -> (B, E), not normalised."""
        end = tokens.argmax(1)
        if self.trim:
            tokens = tokens[:, : int(end.max()) + 1]
        embedded = self.token_embedding(tokens) + self.positions[: tokens.shape[1]]
        return self.projection(self.ln_final(read_one(self.blocks, embedded, end)))


class CLIP(nn.Module):
    """Both towers, the log of the logit scale (shape [1]) and, for the sigmoid loss, the logit bias."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        activation = quick_gelu if config.quick_gelu else F.gelu
        sigmoid = config.loss == "sigmoid"
        self.image = make_image_tower(config.image, config.embed_dim, activation)
        self.text = TextTower(config.text, config.embed_dim, activation=activation)
        self.logit_scale = nn.Parameter(torch.full([1], math.log(10 if sigmoid else 1 / 0.07)))
        if sigmoid:
            self.logit_bias = nn.Parameter(torch.full([1], -10.0))

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8, or normalised float -> (B, E) of norm 1, float32."""
        return F.normalize(self.image(images).float(), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, S) int -> (B, E) of norm 1, float32."""
        return F.normalize(self.text(tokens).float(), dim=-1)

    def forward(self, images: Tensor, tokens: Tensor) -> Embeddings:
        """(B, 3, H, W), (B, S) -> the embeddings of both."""
        return Embeddings(self.encode_image(images), self.encode_text(tokens))

    def no_decay(self) -> Collection[str]:
        """Return names of matrices without weight decay: none, as only gains and biases have none (section 2.5)."""
        return ()

    @torch.no_grad()
    def after_step(self) -> None:
        """Clamp the logit scale after the update, so that its gradient does not vanish at the bound."""
        self.logit_scale.clamp_(0, MAX_LOG_SCALE)
