"""The gated cross-attention block, which puts images into the text (arXiv 2204.14198, Figure 5).

Shapes: B sequences, L tokens, N images per sequence, R visual tokens per image, W visual width, D text width. phi
(B, L) is the number of the image that each token sees, from 1 to N; 0: none.
"""

import torch
from torch import Tensor, nn

from corpusloom.trainers.flamingo.layers.attention import CrossAttention, KeysValues, feed_forward


class GatedCrossAttentionBlock(nn.Module):
    """y += tanh(a1) attention(y, x); y += tanh(a2) ffw(y); gates start at 0 (Figure 5). A token sees one image.

    Without gates both factors are 1.
    """

    def __init__(
        self, width: int, visual_width: int, heads: int, head_width: int, number: int = 0, *, gates: bool = True
    ) -> None:
        super().__init__()
        self.number = number
        self.norm_text, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(visual_width)
        self.attention = CrossAttention(width, visual_width, heads, head_width)
        self.ffw = feed_forward(width)
        self.attention_gate = nn.Parameter(torch.zeros(1)) if gates else None
        self.ffw_gate = nn.Parameter(torch.zeros(1)) if gates else None

    def forward(self, text: Tensor, images: Tensor, phi: Tensor, kept: dict[int, KeysValues] | None = None) -> Tensor:
        """(B, L, D), (B, N, R, W), (B, L) -> (B, L, D).

        `kept` holds the keys and values of the images under this block's `number`; the first pass puts them there.
        """
        numbers = torch.arange(1, images.shape[1] + 1, device=phi.device).repeat_interleave(images.shape[2])
        sees = phi[:, :, None] == numbers
        blind = ~sees.any(-1, keepdim=True)
        # Softmax over no key is 0/0, so a token without an image attends to all keys and its output is dropped below.
        mask = (sees | blind)[:, None]
        source = None if kept is None else kept.get(self.number)
        if source is None:
            source = self.attention.keys_and_values(self.norm_image(images.flatten(1, 2)))
        if kept is not None:
            kept[self.number] = source
        mixed = self.attention.attend(self.norm_text(text), source, mask)
        text = text + gated(mixed.masked_fill(blind, 0), self.attention_gate)
        return text + gated(self.ffw(text), self.ffw_gate)


def gated(change: Tensor, gate: Tensor | None) -> Tensor:
    """Return a layer's output times the tangent of its gate, if it has one."""
    return change if gate is None else gate.tanh() * change


GATED_PLAN = {
    "attention.query": "colwise",
    "attention.key": "colwise",
    "attention.value": "colwise",
    "attention.output": "rowwise",
    "ffw.1": "colwise",
    "ffw.3": "rowwise",
}
"""Linear layers of a gated block -> the slice of it that a tensor-parallel rank holds."""
