"""CLIP: two towers that project into one space, and a learned logit scale (arXiv 2103.00020, Figure 3).

A SigLIP (arXiv 2303.15343) is a CLIP with a logit bias, other poolings and no causal mask.

Shapes: B pairs, S tokens, D width of the text, E embedding.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.towers.batch_norm import counted_images
from corpusloom.trainers.clip.towers.blocks import ACTIVATION_OF
from corpusloom.trainers.clip.towers.resnet import ModifiedResNet
from corpusloom.trainers.clip.towers.text import TextTower
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer
from corpusloom.trainers.training.numerics import at_least_float32
from corpusloom.trainers.training.parallel import ParallelPlan, local

MAX_LOG_SCALE = math.log(100)
"""Upper bound of the log of the logit scale, which is at most 100 (section 2.5)."""


class Embeddings(NamedTuple):
    """Embeddings of both towers, L2-normalised in float32 or better, and the scalars of the logits."""

    image: Tensor
    """(B, E)."""
    text: Tensor
    """(B, E)."""
    logit_scale: Tensor
    """Log of the factor of the cosines, (1,)."""
    logit_bias: Tensor | None
    """Added to the logits of the sigmoid loss, (1,)."""

    def first(self, rows: int) -> "Embeddings":
        """Return the embeddings of the first rows; a batch may have more rows than count."""
        return self._replace(image=self.image[:rows], text=self.text[:rows])


class CLIP(nn.Module):
    """Both towers, the log of the logit scale (shape [1]) and, for the sigmoid loss, the logit bias."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        activation, sigmoid = ACTIVATION_OF[config.activation], config.loss == "sigmoid"
        self.image = make_image_tower(config)
        self.text = TextTower(config.text, config.embed_dim, activation=activation, eps=config.norm_eps)
        self.logit_scale = nn.Parameter(torch.full([1], math.log(10 if sigmoid else 1 / 0.07)))
        if sigmoid:
            self.logit_bias = nn.Parameter(torch.full([1], -10.0))

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8, or normalised float -> (B, E) of norm 1, float32 or better."""
        return F.normalize(at_least_float32(self.image(images)), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, S) int -> (B, E) of norm 1, float32 or better."""
        return F.normalize(at_least_float32(self.text(tokens)), dim=-1)

    def forward(self, images: Tensor | None, tokens: Tensor, counted: int | None = None) -> Embeddings:
        """(B, 3, H, W), (B, S) -> the embeddings of both; batch normalisation sees the first `counted` images alone.

        Without images the image embeddings are empty, (0, E): a locked tower need not compute them twice.
        """
        if images is None:
            image = self.logit_scale.new_zeros(0, self.config.embed_dim)
        else:
            with counted_images(self.image, counted):
                image = self.encode_image(images)
        bias = getattr(self, "logit_bias", None)
        return Embeddings(
            image, self.encode_text(tokens), self.logit_scale.clone(), None if bias is None else bias.clone()
        )

    def plan(self) -> ParallelPlan:
        """Return how the model is divided: each block of both towers is a unit."""
        image = (f"image.{name}" for name in self.image.block_names())
        text = (f"text.blocks.{number}" for number in range(len(self.text.blocks)))
        return ParallelPlan(
            blocks=(*image, *text),
            methods={"": ("encode_image", "encode_text")},
            no_tensor="CLIP has no tensor-parallel plan",
        )

    def no_decay(self) -> Collection[str]:
        """Return names of matrices without weight decay.

        CLIP decays all but gains and biases (section 2.5); SigLIP's code decays no embedding and no learnt query.
        """
        image = ("image.positions", "image.pool.probe") if self.config.image.pool == "map" else ()
        text = ("text.positions", "text.token_embedding.weight") if self.config.text.pool == "last" else ()
        return (*image, *text)

    @torch.no_grad()
    def after_step(self) -> None:
        """Clamp the logit scale after the update, so that its gradient does not vanish at the bound."""
        local(self.logit_scale).clamp_(0, MAX_LOG_SCALE)


def make_image_tower(config: CLIPConfig) -> VisionTransformer | ModifiedResNet:
    """Return the image tower of a CLIP; both kinds have `grid`, `grid_width` and `forward`."""
    if config.image.is_resnet:
        return ModifiedResNet(config.image, config.embed_dim)
    return VisionTransformer(config.image, config.embed_dim, ACTIVATION_OF[config.activation], config.norm_eps)
