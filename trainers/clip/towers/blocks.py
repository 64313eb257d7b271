"""The transformer block of both towers (arXiv 2103.00020, section 2.4), and its initial weights.

Shapes: B rows, S tokens, D width.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def quick_gelu(x: Tensor) -> Tensor:
    """Return x * sigmoid(1.702 x), the approximation of GELU with which OpenAI's weights were trained."""
    return F.silu(x * 1.702) * (1 / 1.702)  # one fused operation, which keeps one tensor for the backward pass


Activation = Callable[[Tensor], Tensor]
ACTIVATION_OF: dict[str, Activation] = {
    "quick_gelu": quick_gelu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}
"""Name in a configuration -> activation."""


class Attention(nn.Module):
    """Multi-head self-attention with packed query, key and value weights."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, read: Tensor | None = None) -> Tensor:
        """(B, S, D) -> (B, S, D); with `read`, (B,) int, the output of one token per row, (B, 1, D)."""
        q, k, v = self.in_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None
        if read is not None:
            q = take(q.transpose(1, 2), read).transpose(1, 2)
            if self.causal:
                mask = (torch.arange(x.shape[1], device=x.device) <= read[:, None])[:, None, None]
        causal = self.causal and read is None
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool,
        activation: Activation,
        mlp: int | None = None,
        eps: float = 1e-5,
    ) -> None:
        """Make a block; `mlp` is the hidden width of its MLP, 4 * width if None."""
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, causal=causal)
        self.ln_2 = nn.LayerNorm(width, eps=eps)
        self.fc = nn.Linear(width, mlp or 4 * width)
        self.proj = nn.Linear(mlp or 4 * width, width)
        self.activation = activation

    def forward(self, x: Tensor, read: Tensor | None = None) -> Tensor:
        """(B, S, D) -> (B, S, D); with `read`, (B,) int, the state of one token per row, (B, 1, D)."""
        mixed = self.attn(self.ln_1(x), read)
        x = (x if read is None else take(x, read)) + mixed
        return x + self.proj(self.activation(self.fc(self.ln_2(x))))


def take(x: Tensor, read: Tensor) -> Tensor:
    """Return one token per row: (B, S, ...), (B,) int -> (B, 1, ...)."""
    return x[torch.arange(len(x), device=x.device), read][:, None]


def read_one(blocks: nn.Sequential, x: Tensor, read: Tensor) -> Tensor:
    """Run the blocks and return the last state of one token per row: (B, S, D), (B,) int -> (B, D).

    The last block computes that token only: no other token's state is read after it.
    """
    *body, last = blocks
    for block in body:
        x = block(x)
    return last(x, read)[:, 0]


def initialise_as_clip(blocks: nn.Sequential, width: int) -> None:
    """Draw a text transformer's initial weights as CLIP does: scaled by width and, on the residual path, by depth."""
    residual = width**-0.5 * (2 * max(1, len(blocks))) ** -0.5
    for block in blocks:
        assert isinstance(block, TransformerBlock)
        nn.init.normal_(block.attn.in_proj.weight, std=width**-0.5)
        nn.init.normal_(block.attn.out_proj.weight, std=residual)
        nn.init.normal_(block.fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.proj.weight, std=residual)
        nn.init.zeros_(block.attn.in_proj.bias)
        nn.init.zeros_(block.attn.out_proj.bias)


def initialise_as_siglip(blocks: nn.Sequential) -> None:
    """Draw the initial weights of SigLIP's transformers: Xavier's for each matrix, biases zero."""
    for block in blocks:
        assert isinstance(block, TransformerBlock)
        for part in block.attn.in_proj.weight.chunk(3):
            nn.init.xavier_uniform_(part)
        for layer in (block.attn.in_proj, block.attn.out_proj, block.fc, block.proj):
            nn.init.zeros_(layer.bias)
            if layer is not block.attn.in_proj:
                nn.init.xavier_uniform_(layer.weight)
