"""CLIP's vision transformer (arXiv 2103.00020, section 2.4, table 20).

Shapes: B images, S tokens, D width, E embedding, H x W pixels or grid.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.blocks import TransformerBlock, read_one
from corpusloom.trainers.clip.towers.pixels import Normalise


class VisionTransformer(nn.Module):
    """A ViT with a class token, and a layer norm before the first block."""

    def __init__(self, config: ImageTowerConfig, embed_dim: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        layers = config.layers if isinstance(config.layers, int) else 0
        width, self.patch_dropout = config.width, config.patch_dropout
        self.normalise = Normalise()
        self.patch_embedding = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        tokens = (config.size // config.patch) ** 2 + 1
        self.positions = nn.Parameter(width**-0.5 * torch.randn(tokens, width))
        self.ln_pre = nn.LayerNorm(width)
        blocks = [TransformerBlock(width, config.heads, causal=False, activation=activation) for _ in range(layers)]
        self.blocks = nn.Sequential(*blocks)
        self.ln_post = nn.LayerNorm(width)
        self.projection = nn.Linear(width, embed_dim, bias=False)
        nn.init.normal_(self.projection.weight, std=width**-0.5)
        self.grid_width, self.size = width, config.size

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + patches, D): the input of the blocks, the class token first, patches row by row."""
        patches = self.patch_embedding(self.normalise(images)).flatten(2).transpose(1, 2)
        patches = patches + self.positions[1:]
        if self.training and self.patch_dropout > 0:
            patches = drop_patches(patches, self.patch_dropout)
        first = (self.class_embedding + self.positions[0]).expand(len(patches), 1, -1).to(patches.dtype)
        return self.ln_pre(torch.cat([first, patches], 1))

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + patches, D): the states of the class token and of the patches."""
        return self.ln_post(self.blocks(self.embed(images)))

    def block_names(self) -> list[str]:
        """Return the names of the modules that are each one unit of sharding and recomputation."""
        return [f"blocks.{number}" for number in range(len(self.blocks))]

    def grid(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, patches, D), for models that cross-attend to an image."""
        return self.tokens(images)[:, 1:]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E), not normalised."""
        first = torch.zeros(len(images), dtype=torch.long, device=images.device)
        return self.projection(self.ln_post(read_one(self.blocks, self.embed(images), first)))


def drop_patches(patches: Tensor, share: float) -> Tensor:
    """Keep a random max(1, (1 - share) S) of each image's patches, (B, S, D) -> (B, K, D) (FLIP, section 3)."""
    batch, count, width = patches.shape
    keep = max(1, int(count * (1 - share)))
    order = torch.rand(batch, count, device=patches.device).argsort(1)[:, :keep]
    return patches.gather(1, order.unsqueeze(-1).expand(-1, -1, width))
