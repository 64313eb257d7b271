"""Parts of Flamingo's trained layers: feed-forward block and attention, without biases (arXiv 2204.14198, Table 13)."""

from torch import Tensor, nn
from torch.nn import functional as F

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of an attention, each (B, heads, K, head width)."""


class SquaredReLU(nn.Module):
    """max(x, 0)^2, the activation of the trained layers (Table 13)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


def feed_forward(width: int) -> nn.Sequential:
    """Return a feed-forward block without biases: layer norm, linear to 4 x width, squared ReLU, linear to width."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 4 * width, bias=False),
        SquaredReLU(),
        nn.Linear(4 * width, width, bias=False),
    )


class CrossAttention(nn.Module):
    """Multi-head attention from one width to another, without biases; the caller normalises the inputs."""

    def __init__(self, query_width: int, source_width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        inner = heads * head_width
        self.query = nn.Linear(query_width, inner, bias=False)
        self.key = nn.Linear(source_width, inner, bias=False)
        self.value = nn.Linear(source_width, inner, bias=False)
        self.output = nn.Linear(inner, query_width, bias=False)

    def forward(self, query: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, Wq), (B, K, Ws), bool (B, 1, Q, K) -> (B, Q, Wq)."""
        return self.attend(query, self.keys_and_values(source), mask)

    def keys_and_values(self, source: Tensor) -> KeysValues:
        """(B, K, Ws) -> keys and values, each (B, heads, K, head width)."""
        return self._heads(self.key(source)), self._heads(self.value(source))

    def attend(self, query: Tensor, source: KeysValues, mask: Tensor | None = None) -> Tensor:
        """(B, Q, Wq), keys and values, bool (B, 1, Q, K) -> (B, Q, Wq)."""
        mixed = F.scaled_dot_product_attention(self._heads(self.query(query)), *source, attn_mask=mask)
        return self.output(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)
