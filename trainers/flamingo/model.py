"""Flamingo: trained layers between a vision encoder and a frozen language model (arXiv 2204.14198).

Shapes: B sequences, L tokens, N images per sequence, T frames, S grid positions per frame, V feature width of the
encoder, R visual tokens per image, W visual width, D text width. phi (B, L) is the number of the image that each token
sees, from 1 to N; 0: none.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DynamicCache

from corpusloom.trainers.flamingo.config import MEAN, TANH, FlamingoConfig
from corpusloom.trainers.flamingo.layers.attention import KeysValues
from corpusloom.trainers.flamingo.layers.gated_block import GATED_PLAN, GatedCrossAttentionBlock
from corpusloom.trainers.flamingo.layers.resampler import MeanPool, PerceiverResampler
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.training.parallel import ParallelPlan


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
        self.resampler = (
            MeanPool(feature_width, visual_width)
            if config.pool == MEAN
            else PerceiverResampler(config, feature_width, visual_width)
        )
        count = -(-len(language.layers) // config.every)
        self.gated = nn.ModuleList(
            GatedCrossAttentionBlock(
                language.width, visual_width, config.heads, config.head_width, number, gates=config.gate == TANH
            )
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
        """Set the mode; vision and language stay in evaluation mode, without dropout or statistics of batches.

        So does a vision encoder that is trained: statistics of a few images would change features that are good.
        """
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
        own: dict[str, Any] = {"gated": self.gated}
        if isinstance(self.resampler, PerceiverResampler):
            own = {"resampler.layers": self.resampler.layers, **own}
        blocks = [f"{name}.{number}" for name, part in own.items() for number in range(len(part))]
        vision: Any = self.vision
        blocks += [f"vision.{name}" for name in vision.block_names()]
        split = {f"language.{name}": style for name, style in self.language.tensor_plan().items()}
        if split:
            split |= {f"gated.{n}.{name}": style for n in range(len(self.gated)) for name, style in GATED_PLAN.items()}
        return ParallelPlan(
            blocks=(*blocks, *(f"language.{name}" for name in self.language.layer_names())),
            methods={"": ("encode_images", "finite_images")},
            tensor=split,
            no_tensor=self.language.no_tensor(),
        )

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, N, T, 3, H, W) uint8 -> visual tokens (B, N, R, W); the encoder sees each frame on its own."""
        visual = self.resampler(self._features(images))
        return visual.unflatten(0, images.shape[:2]).clone()  # FSDP2's hooks want no view

    def finite_images(self, images: Tensor) -> Tensor:
        """(B, N, T, 3, H, W) uint8 -> whether all features of an image are finite, bool (B, N)."""
        return self._features(images).isfinite().flatten(1).all(1).unflatten(0, images.shape[:2])

    def _features(self, images: Tensor) -> Tensor:
        """(B, N, T, 3, H, W) uint8 -> the encoder's grids (B * N, T, S, V)."""
        encoder: Any = self.vision
        trained = any(parameter.requires_grad for parameter in encoder.parameters())
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            return encoder.grid(images.flatten(0, 2)).unflatten(0, (-1, images.shape[2]))

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
