"""Attention pooling of an image by one learnt query (arXiv 2106.04560, section 3.2), as in SigLIP.

Shapes: B images, S patches, D width.
"""

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.towers.blocks import Activation


class MapPooling(nn.Module):
    """Cross-attention of a learnt probe to the patches, then an MLP with a residual."""

    def __init__(self, width: int, heads: int, mlp: int, *, activation: Activation, eps: float) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, width))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln = nn.LayerNorm(width, eps=eps)
        self.fc = nn.Linear(width, mlp)
        self.proj = nn.Linear(mlp, width)
        self.activation = activation
        parts = self.attention.in_proj_weight.chunk(3)
        for weight in (self.probe, *parts, self.attention.out_proj.weight, self.fc.weight, self.proj.weight):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.fc.bias)
        nn.init.zeros_(self.proj.bias)

    def forward(self, patches: Tensor) -> Tensor:
        """(B, S, D) -> (B, D)."""
        probe = self.probe.expand(len(patches), -1, -1)
        pooled = self.attention(probe, patches, patches, need_weights=False)[0][:, 0]
        return pooled + self.proj(self.activation(self.fc(self.ln(pooled))))
