"""The text towers of CLIP (arXiv 2103.00020, section 2.4) and of SigLIP (arXiv 2303.15343).

Shapes: B texts, S tokens, D width, E embedding.
"""

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.config import TextTowerConfig
from corpusloom.trainers.clip.towers.blocks import (
    Activation,
    TransformerBlock,
    initialise_as_clip,
    initialise_as_siglip,
    read_one,
)


class TextTower(nn.Module):
    """A transformer; a text's feature is the state at the end-of-text token, which has the largest id, or at the last.

    SigLIP's (`pool = "last"`) has a bias in the projection.
    """

    def __init__(self, config: TextTowerConfig, embed_dim: int, *, activation: Activation, eps: float = 1e-5) -> None:
        super().__init__()
        width, self.reads_last = config.width, config.pool == "last"
        self.reads_padding = self.reads_last or not config.causal
        self.trim = False if self.reads_padding else config.trim
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Parameter(torch.randn(config.context, width) * (width**-0.5 if self.reads_last else 0.01))
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(
                    width, config.heads, causal=config.causal, activation=activation, mlp=config.mlp, eps=eps
                )
                for _ in range(config.layers)
            )
        )
        self.ln_final = nn.LayerNorm(width, eps=eps)
        self.projection = nn.Linear(width, embed_dim, bias=self.reads_last)
        nn.init.normal_(self.projection.weight, std=width**-0.5)
        if self.reads_last:
            nn.init.normal_(self.token_embedding.weight, std=width**-0.5)
            nn.init.zeros_(self.projection.bias)
            initialise_as_siglip(self.blocks)
        else:
            nn.init.normal_(self.token_embedding.weight, std=0.02)
            initialise_as_clip(self.blocks, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, S) int -> (B, E), not normalised."""
        read = torch.full_like(tokens[:, 0], tokens.shape[1] - 1) if self.reads_last else tokens.argmax(1)
        if self.trim or (self.trim is None and tokens.device.type == "cpu"):
            tokens = tokens[:, : int(read.max()) + 1]
        embedded = self.token_embedding(tokens) + self.positions[: tokens.shape[1]]
        return self.projection(self.ln_final(read_one(self.blocks, embedded, read)))
