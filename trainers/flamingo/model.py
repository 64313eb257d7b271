"""Flamingo: a frozen vision encoder and a frozen language model, bridged by what is trained (arXiv 2204.14198).

Shapes: B sequences, L tokens, N images a sequence, T frames, S positions a frame, V visual width, R latents, D text
width. phi (B, L) names the image that each token sees, 1..N; 0 sees none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError


class VisionEncoder(Protocol):
    """What turns images (B, 3, H, W) uint8 into a grid (B, S, V)."""

    grid_width: int

    def grid(self, images: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamingoConfig:
    """What is trained. The defaults are Table 13's for the 3B model."""

    resampler_layers: int = 6
    latents: int = 64
    """Visual tokens an image or video (section 3.1.1)."""
    resampler_heads: int = 16
    resampler_head_width: int = 128
    """v1, section C.1, says 128 everywhere; v2 says 96 in the Resampler."""
    frames: int = 8
    """Time embeddings: frames of a training video."""
    every: int = 1
    """A gated block stands before language block 0, every, 2 every ..."""
    heads: int = 16
    head_width: int = 128
    visual_width: int | None = None
    """Width of the Resampler; none: the vision encoder's."""
    gate_lr_factor: float = 1.0
    """Of the gates' learning rate: short runs of small models need to open them sooner."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.latents < 1 or self.frames < 1:
            raise ConfigError("every, latents and frames are 1 or more", where="model")


class SquaredReLU(nn.Module):
    """max(x, 0)^2 (Table 13: the new layers' activation)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


def feed_forward(width: int) -> nn.Sequential:
    """Return norm, 4 x widening, squared ReLU, narrowing; without biases."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 4 * width, bias=False),
        SquaredReLU(),
        nn.Linear(4 * width, width, bias=False),
    )


class CrossAttention(nn.Module):
    """Multi-head attention between two widths, without biases, inputs normalised by the caller."""

    def __init__(self, query_width: int, source_width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.query = nn.Linear(query_width, inner, bias=False)
        self.key = nn.Linear(source_width, inner, bias=False)
        self.value = nn.Linear(source_width, inner, bias=False)
        self.output = nn.Linear(inner, query_width, bias=False)

    def forward(self, query: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, Wq), (B, K, Ws), bool (B, 1, Q, K) -> (B, Q, Wq)."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(query), self.key(source), self.value(source))
        )
        return self.output(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))


class ResamplerLayer(nn.Module):
    """x += attention(latents, [features, latents]); x += ffw(x) (Figure 4)."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.norm_features, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, width, heads, head_width)
        self.ffw = feed_forward(width)

    def forward(self, latents: Tensor, features: Tensor) -> Tensor:
        normal = self.norm_latents(latents)
        latents = latents + self.attention(normal, torch.cat([self.norm_features(features), normal], 1))
        return latents + self.ffw(latents)


class PerceiverResampler(nn.Module):
    """Grids of any size and number of frames -> R visual tokens (section 3.1.1)."""

    def __init__(self, config: FlamingoConfig, feature_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(feature_width, width, bias=False) if feature_width != width else nn.Identity()
        self.latents = nn.Parameter(torch.randn(config.latents, width) * 0.02)
        self.time = nn.Parameter(torch.randn(config.frames, 1, width) * 0.02)
        heads, head_width = config.resampler_heads, config.resampler_head_width
        layers = [ResamplerLayer(width, heads, head_width) for _ in range(config.resampler_layers)]
        self.layers = nn.ModuleList(layers)

    def forward(self, features: Tensor) -> Tensor:
        """(M, T, S, V) -> (M, R, W): time embeddings are added, space has none."""
        features = self.project(features) + self.time_embeddings(features.shape[1])
        features = features.flatten(1, 2)
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return latents

    def time_embeddings(self, frames: int) -> Tensor:
        """Return (T, 1, W): the first for an image, all for a training video, interpolated for longer ones."""
        if frames == 1:
            return self.time[:1]
        if frames == len(self.time):
            return self.time
        line = self.time.permute(1, 2, 0)
        return F.interpolate(line, size=frames, mode="linear", align_corners=True).permute(2, 0, 1)


class GatedCrossAttentionBlock(nn.Module):
    """y += tanh(a1) attention(y, x); y += tanh(a2) ffw(y), gates at 0 (Figure 5). A token sees one image alone."""

    def __init__(self, width: int, visual_width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.norm_text, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(visual_width)
        self.attention = CrossAttention(width, visual_width, heads, head_width)
        self.ffw = feed_forward(width)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.ffw_gate = nn.Parameter(torch.zeros(1))

    def forward(self, text: Tensor, images: Tensor, phi: Tensor) -> Tensor:
        """(B, L, D), (B, N, R, W), (B, L) -> (B, L, D)."""
        numbers = torch.arange(1, images.shape[1] + 1, device=phi.device).repeat_interleave(images.shape[2])
        sees = phi[:, :, None] == numbers
        blind = ~sees.any(-1, keepdim=True)
        # A row that sees nothing would be 0/0: it attends to everything, and its output is dropped afterwards.
        mask = (sees | blind)[:, None]
        mixed = self.attention(self.norm_text(text), self.norm_image(images.flatten(1, 2)), mask)
        text = text + self.attention_gate.tanh() * mixed.masked_fill(blind, 0)
        return text + self.ffw_gate.tanh() * self.ffw(text)


class Flamingo(nn.Module):
    """A frozen language model whose blocks are preceded, every so often, by a gated cross-attention block.

    The vocabulary has one token more than the language model's, <EOC>, whose embedding is trained.
    """

    def __init__(self, config: FlamingoConfig, vision: nn.Module, language: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.vision, self.language = vision.requires_grad_(False), language.requires_grad_(False)
        feature_width, width = int(vision.grid_width), int(language.width)  # type: ignore[arg-type]
        visual_width = config.visual_width or feature_width
        self.resampler = PerceiverResampler(config, feature_width, visual_width)
        count = -(-len(language.blocks) // config.every)  # type: ignore[arg-type]
        self.gated = nn.ModuleList(
            GatedCrossAttentionBlock(width, visual_width, config.heads, config.head_width) for _ in range(count)
        )
        self.end_of_chunk = nn.Parameter(torch.randn(1, width) * 0.02)

    @property
    def eoc(self) -> int:
        """Return the id of <EOC>: the one after the language model's own."""
        return int(self.language.vocab_size)  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> "Flamingo":
        """Frozen parts stay in evaluation mode: no dropout, no statistics."""
        super().train(mode)
        self.vision.eval()
        self.language.eval()
        return self

    def no_decay(self) -> Collection[str]:
        """Return what has no weight decay: the Resampler (section B.1.2) and the <EOC> embedding."""
        return ["end_of_chunk", *(f"resampler.{name}" for name, _ in self.resampler.named_parameters())]

    def lr_factor(self, name: str) -> float:
        """Return the factor of a parameter's learning rate."""
        return self.config.gate_lr_factor if name.endswith("_gate") else 1.0

    def part_of(self, name: str) -> str:
        """Return the part that a parameter is counted under."""
        return name.split(".", 1)[0]

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, N, T, 3, H, W) uint8 -> visual tokens (B, N, R, W). Frames are encoded one by one, frozen."""
        batch, count, frames = images.shape[:3]
        encoder: Any = self.vision
        with torch.no_grad():
            grid = encoder.grid(images.flatten(0, 2))
        features = grid.unflatten(0, (batch * count, frames))
        return self.resampler(features).unflatten(0, (batch, count))

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, D): the frozen table, and the trained row of <EOC>."""
        language: Any = self.language
        is_end = tokens == self.eoc
        known = language.embed(tokens.masked_fill(is_end, 0))
        return torch.where(is_end[..., None], self.end_of_chunk, known)

    def forward(self, tokens: Tensor, visual: Tensor, phi: Tensor) -> Tensor:
        """(B, L), (B, N, R, W), (B, L) -> logits (B, L, vocabulary + 1)."""
        language: Any = self.language
        stream = language.add_positions(self.embed(tokens))
        for number, block in enumerate(language.blocks):
            if number % self.config.every == 0:
                stream = self.gated[number // self.config.every](stream, visual, phi)
            stream = block(stream)
        stream = language.norm(stream)
        return torch.cat([language.head(stream), F.linear(stream, self.end_of_chunk)], -1)

    @torch.no_grad()
    def generate(self, tokens: Tensor, visual: Tensor, phi: Tensor, *, stop: Sequence[int], limit: int = 20) -> Tensor:
        """Return the greedy continuation of one prompt, (1, L) -> (1, new), up to a stop token or `limit`.

        New tokens see the image that the prompt's last token sees.
        """
        made: list[int] = []
        while len(made) < limit:
            token = int(self(tokens, visual, phi)[0, -1].argmax())
            if token in stop:
                break
            made.append(token)
            tokens = torch.cat([tokens, tokens.new_tensor([[token]])], 1)
            phi = torch.cat([phi, phi[:, -1:]], 1)
        return tokens.new_tensor([made])


def count_formula(config: FlamingoConfig, blocks: int, width: int, visual_width: int) -> int:
    """Return the weights of the gated blocks: n (2 D A + 2 W A + 8 D^2), norms and gates, A = heads x head width."""
    count = -(-blocks // config.every)
    inner = config.heads * config.head_width
    attention = 2 * width * inner + 2 * visual_width * inner
    norms = 2 * width + 2 * visual_width + 2 * width + 2
    return count * (attention + 8 * width * width + norms)
