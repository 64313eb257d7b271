"""The vision transformers of CLIP (arXiv 2103.00020, section 2.4, table 20) and of SigLIP (arXiv 2303.15343).

Shapes: B images, S tokens, D width, E embedding, H x W pixels or grid.
"""

import math

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.blocks import Activation, TransformerBlock, initialise_as_siglip, read_one
from corpusloom.trainers.clip.towers.map_pooling import MapPooling
from corpusloom.trainers.clip.towers.pixels import Normalise
from corpusloom.trainers.clip.towers.positions import resized


class VisionTransformer(nn.Module):
    """A ViT. CLIP's has a class token, a layer norm before the first block, and a projection.

    SigLIP's (`pool = "map"`) has none of these, but attention pooling and a bias in the patch embedding.
    """

    def __init__(self, config: ImageTowerConfig, embed_dim: int, activation: Activation, eps: float = 1e-5) -> None:
        super().__init__()
        layers = config.layers if isinstance(config.layers, int) else 0
        width, self.patch_dropout, self.is_pooled = config.width, config.patch_dropout, config.pool == "map"
        self.normalise = Normalise(config.mean, config.std)
        self.patch_embedding = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=self.is_pooled)
        patches = (config.size // config.patch) ** 2
        if not self.is_pooled:
            self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
            self.ln_pre = nn.LayerNorm(width, eps=eps)
        self.positions = nn.Parameter(width**-0.5 * torch.randn(patches + (not self.is_pooled), width))
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(width, config.heads, causal=False, activation=activation, mlp=config.mlp, eps=eps)
                for _ in range(layers)
            )
        )
        self.ln_post = nn.LayerNorm(width, eps=eps)
        if self.is_pooled:
            self.pool = MapPooling(width, config.heads, config.mlp or 4 * width, activation=activation, eps=eps)
            initialise_as_siglip(self.blocks)
            nn.init.normal_(self.patch_embedding.weight, std=math.prod(self.patch_embedding.weight.shape[1:]) ** -0.5)
            assert self.patch_embedding.bias is not None
            nn.init.zeros_(self.patch_embedding.bias)
        else:
            self.projection = nn.Linear(width, embed_dim, bias=False)
            nn.init.normal_(self.projection.weight, std=width**-0.5)
        self.grid_width, self.size, self.patch = width, config.size, config.patch

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, S, D): the input of the blocks, patches row by row, after the class token if any."""
        patches = self.patch_embedding(self.normalise(images)).flatten(2).transpose(1, 2)
        patches = patches + (self.positions if self.is_pooled else self.positions[1:])
        if self.training and self.patch_dropout > 0:
            patches = drop_patches(patches, self.patch_dropout)
        if self.is_pooled:
            return patches
        first = (self.class_embedding + self.positions[0]).expand(len(patches), 1, -1).to(patches.dtype)
        return self.ln_pre(torch.cat([first, patches], 1))

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, S, D): the states of the class token, if any, and of the patches."""
        return self.ln_post(self.blocks(self.embed(images)))

    def set_size(self, size: int) -> None:
        """Interpolate the positions to images of another size, in pixels a side."""
        self.positions = resized(self.positions, size // self.patch, fixed=0 if self.is_pooled else 1)
        self.size = size

    def block_names(self) -> list[str]:
        """Return the names of the modules that are each one unit of sharding and recomputation."""
        return [*(f"blocks.{number}" for number in range(len(self.blocks))), *(["pool"] if self.is_pooled else [])]

    def grid(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, patches, D), for models that cross-attend to an image."""
        return self.tokens(images)[:, 0 if self.is_pooled else 1 :]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E), not normalised."""
        if self.is_pooled:
            return self.pool(self.tokens(images))
        first = torch.zeros(len(images), dtype=torch.long, device=images.device)
        return self.projection(self.ln_post(read_one(self.blocks, self.embed(images), first)))


def drop_patches(patches: Tensor, share: float) -> Tensor:
    """Keep a random max(1, (1 - share) S) of each image's patches, (B, S, D) -> (B, K, D) (FLIP, section 3)."""
    batch, count, width = patches.shape
    keep = max(1, int(count * (1 - share)))
    order = torch.rand(batch, count, device=patches.device).argsort(1)[:, :keep]
    return patches.gather(1, order.unsqueeze(-1).expand(-1, -1, width))
