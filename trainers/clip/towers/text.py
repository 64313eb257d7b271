"""CLIP's text tower (arXiv 2103.00020, section 2.4).

Shapes: B texts, S tokens, D width, E embedding.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.config import TextTowerConfig
from corpusloom.trainers.clip.towers.blocks import TransformerBlock, initialise_blocks, read_one


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
        if self.trim or (self.trim is None and tokens.device.type == "cpu"):
            tokens = tokens[:, : int(end.max()) + 1]
        embedded = self.token_embedding(tokens) + self.positions[: tokens.shape[1]]
        return self.projection(self.ln_final(read_one(self.blocks, embedded, end)))
