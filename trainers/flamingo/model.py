"""Flamingo: trained layers between a frozen vision encoder and a frozen language model (arXiv 2204.14198).

Shapes: B sequences, L tokens, N images per sequence, T frames, S grid positions per frame, V feature width of the
encoder, R latents, W visual width, D text width. phi (B, L) is the number of the image that each token sees, from 1 to
N; 0: none.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DynamicCache

from corpusloom.trainers.flamingo.config import FlamingoConfig
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.training.parallel import ParallelPlan

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of an attention, each (B, heads, K, head width)."""


@dataclass(frozen=True, slots=True)
class DecodingCache:
    """Keys and values of the text and of the images so far: each pass then computes its new tokens only."""

    text: DynamicCache = field(default_factory=DynamicCache)
    images: dict[int, KeysValues] = field(default_factory=dict)
    """Number of a gated block -> those of all images."""

    def take(self, rows: Tensor) -> None:
        """Keep these rows in this order, (B',) int; a row may be taken several times."""
        self.text.batch_select_indices(rows)
        for number, (keys, values) in self.images.items():
            self.images[number] = keys[rows], values[rows]


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
    """Grids of any size and any number of frames -> R visual tokens (section 3.1.1)."""

    def __init__(self, config: FlamingoConfig, feature_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(feature_width, width, bias=False) if feature_width != width else nn.Identity()
        self.latents = nn.Parameter(torch.randn(config.latents, width) * 0.02)
        self.time = nn.Parameter(torch.randn(config.frames, 1, width) * 0.02)
        heads, head_width = config.resampler_heads, config.resampler_head_width
        layers = [ResamplerLayer(width, heads, head_width) for _ in range(config.resampler_layers)]
        self.layers = nn.ModuleList(layers)

    def forward(self, features: Tensor) -> Tensor:
        """(M, T, S, V) -> (M, R, W); time embeddings are added, there are none for space."""
        features = self.project(features) + self.time_embeddings(features.shape[1])
        features = features.flatten(1, 2)
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return latents

    def time_embeddings(self, frames: int) -> Tensor:
        """Return (T, 1, W): the first embedding for an image, all for a training video, else interpolated ones."""
        if frames == 1:
            return self.time[:1]
        if frames == len(self.time):
            return self.time
        line = self.time.permute(1, 2, 0)
        return F.interpolate(line, size=frames, mode="linear", align_corners=True).permute(2, 0, 1)


class GatedCrossAttentionBlock(nn.Module):
    """y += tanh(a1) attention(y, x); y += tanh(a2) ffw(y); gates start at 0 (Figure 5). A token sees one image."""

    def __init__(self, width: int, visual_width: int, heads: int, head_width: int, number: int = 0) -> None:
        super().__init__()
        self.number = number
        self.norm_text, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(visual_width)
        self.attention = CrossAttention(width, visual_width, heads, head_width)
        self.ffw = feed_forward(width)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.ffw_gate = nn.Parameter(torch.zeros(1))

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
        text = text + self.attention_gate.tanh() * mixed.masked_fill(blind, 0)
        return text + self.ffw_gate.tanh() * self.ffw(text)


GATED_PLAN = {
    "attention.query": "colwise",
    "attention.key": "colwise",
    "attention.value": "colwise",
    "attention.output": "rowwise",
    "ffw.1": "colwise",
    "ffw.3": "rowwise",
}
"""Linear layers of a gated block -> the slice of it that a tensor-parallel rank holds."""


class Flamingo(nn.Module):
    """A frozen language model with a gated cross-attention block before every `config.every`-th of its layers.

    The language model's code is the library's own: a hook before each layer runs the gated block, and one after the
    head adds the logit of <EOC>. The vocabulary is the language model's and one token more, <EOC>, whose rows of the
    embedding and of the head are trained; a model whose head is tied to its embedding has one row for both.
    """

    def __init__(self, config: FlamingoConfig, vision: nn.Module, language: CausalLM) -> None:
        super().__init__()
        self.config = config
        self.vision, self.language = vision.requires_grad_(False), language.requires_grad_(False)
        feature_width = int(vision.grid_width)  # type: ignore[arg-type]
        visual_width = config.visual_width or feature_width
        self.resampler = PerceiverResampler(config, feature_width, visual_width)
        count = -(-len(language.layers) // config.every)
        self.gated = nn.ModuleList(
            GatedCrossAttentionBlock(language.width, visual_width, config.heads, config.head_width, number)
            for number in range(count)
        )
        self.end_of_chunk = nn.Parameter(torch.randn(1, language.embedding_width) * 0.02)
        if not language.tied:
            self.end_of_chunk_head = nn.Parameter(torch.randn(1, language.embedding_width) * 0.02)
        for number, layer in enumerate(language.layers):
            layer.register_forward_pre_hook(partial(self._before_layer, number), with_kwargs=True)
        language.head.register_forward_hook(self._after_head)

    @property
    def eoc(self) -> int:
        """Id of <EOC>: the one after the rows of the language model's embedding."""
        return self.language.vocab_size

    @property
    def image_size(self) -> int:
        """Side of the vision encoder's images, in pixels."""
        return int(self.vision.size)  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> "Flamingo":
        """Set the mode; frozen parts stay in evaluation mode, without dropout or statistics."""
        super().train(mode)
        self.vision.eval()
        self.language.eval()
        return self

    def no_decay(self) -> Collection[str]:
        """Return the names without weight decay: the Resampler (section B.1.2) and the rows of <EOC>."""
        return [
            "end_of_chunk",
            "end_of_chunk_head",
            *(f"resampler.{name}" for name, _ in self.resampler.named_parameters()),
        ]

    def lr_factor(self, name: str) -> float:
        """Return the factor of a parameter's learning rate."""
        return self.config.gate_lr_factor if name.endswith("_gate") else 1.0

    def plan(self) -> ParallelPlan:
        """Return how the model is divided: each layer of the Resampler, gated block and language layer is a unit.

        Tensor-parallel ranks split the language model by its own plan, and the gated blocks by heads.
        """
        own = {"resampler.layers": self.resampler.layers, "gated": self.gated}
        blocks = [f"{name}.{number}" for name, part in own.items() for number in range(len(part))]
        vision: Any = self.vision
        blocks += [f"vision.{name}" for name in vision.block_names()]
        split = {f"language.{name}": style for name, style in self.language.tensor_plan().items()}
        if split:
            split |= {f"gated.{n}.{name}": style for n in range(len(self.gated)) for name, style in GATED_PLAN.items()}
        return ParallelPlan(
            blocks=(*blocks, *(f"language.{name}" for name in self.language.layer_names())),
            methods={"": ("encode_images",)},
            tensor=split,
            no_tensor=self.language.no_tensor(),
        )

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, N, T, 3, H, W) uint8 -> visual tokens (B, N, R, W); the encoder sees each frame on its own."""
        batch, count, frames = images.shape[:3]
        encoder: Any = self.vision
        with torch.no_grad():
            grid = encoder.grid(images.flatten(0, 2))
        features = grid.unflatten(0, (batch * count, frames))
        return self.resampler(features).unflatten(0, (batch, count)).clone()  # FSDP2's hooks want no view

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, D): frozen embeddings, and the trained one of <EOC>."""
        is_end = tokens == self.eoc
        known = self.language.embed(tokens.masked_fill(is_end, 0))
        return torch.where(is_end[..., None], self.end_of_chunk.to(known.dtype), known)

    def forward(
        self,
        tokens: Tensor,
        visual: Tensor,
        phi: Tensor,
        real: Tensor | None = None,
        cache: DecodingCache | None = None,
    ) -> Tensor:
        """(B, L), (B, N, R, W), (B, L) -> logits (B, L, vocabulary + 1).

        With a `cache` the L tokens follow those of earlier passes, P in number; otherwise P is 0. `real` (B, P + L) is
        False for padding before or after a text; padding after it may be left out.
        """
        text, images = (None, None) if cache is None else (cache.text, cache.images)
        return self.language(
            embedded=self.embed(tokens), real=real, cache=text, visual=visual, phi=phi, image_keys=images
        )

    @torch.compiler.disable(recursive=False)  # the gated block is compiled as a unit of its own, not into the layer
    def _before_layer(
        self, number: int, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Take the images out of a layer's arguments and, if a gated block stands before it, put them into the text.

        The images come as arguments, not as state of this module, so that recomputed and interleaved passes are right.
        """
        visual, phi, kept = (kwargs.pop(name, None) for name in ("visual", "phi", "image_keys"))
        if visual is None or number % self.config.every:
            return args, kwargs
        text = args[0] if args else kwargs["hidden_states"]
        block = self.gated[number // self.config.every]
        seen = block(text.to(visual.dtype), visual, phi, kept).to(text.dtype)
        return ((seen, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": seen})

    def _after_head(self, head: nn.Module, args: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        """Add the logit of <EOC> to the head's output."""
        row = self.end_of_chunk if self.language.tied else self.end_of_chunk_head
        return torch.cat([logits, F.linear(args[0], row.to(args[0].dtype)).to(logits.dtype)], -1)
