"""Multi-head attention, and the record of its weights for people to look at.

Shapes: B batch, Q queries, K keys, W width of all heads together, A heads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -10_000.0
"""Value added to the attention scores of padding."""


def additive(mask: Tensor) -> Tensor:
    """Return the mask to add to attention scores, (B, N) bool -> (B, 1, 1, N): 0 where true, else -10,000."""
    return torch.where(mask, 0.0, MASKED)[:, None, None, :]


def split_heads(tensor: Tensor, heads: int) -> Tensor:
    """Return (B, N, W) as (B, A, N, W / A)."""
    return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Multi-head attention over queries, keys and values; it has no weights of its own."""

    def __init__(self, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Return the mixed values: (B, Q, W), (B, K, W), (B, K, W), additive mask (B, 1, 1, K) -> (B, Q, W)."""
        q, k, v = (split_heads(tensor, self.heads) for tensor in (query, key, value))
        dropout = self.dropout if self.training else 0.0
        mask = mask.to(query.dtype)  # torch 2.13 on CPUs reads a float32 mask wrongly beside double precision
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return mixed.transpose(1, 2).flatten(2)


def attention_weights(query: Tensor, key: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Return the share of each key in the result of each query, without dropout, (B, A, Q, K) float32."""
    queries, keys = split_heads(query.float(), heads), split_heads(key.float(), heads)
    scores = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
    return (scores + mask.float()).softmax(-1)


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that receives the attention weights of the model's next forward passes.

    Its keys are the names of the model's `MultiHeadAttention` modules, such as text_layers.0.attention. Its values are
    (B, A, Q, K); a later pass replaces those of an earlier one. The forward pass stays as it is: the weights are
    computed beside it from the queries and keys that it uses, without dropout.
    """
    found: dict[str, Tensor] = {}

    def record(name: str, module: MultiHeadAttention, inputs: tuple[Any, ...]) -> None:
        query, key, _, mask = inputs
        found[name] = attention_weights(query.detach(), key.detach(), module.heads, mask)

    handles = [
        module.register_forward_pre_hook(lambda module, inputs, name=name: record(name, module, inputs))
        for name, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
