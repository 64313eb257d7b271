"""CLIP's image towers, and the transformer block of both towers (arXiv 2103.00020, section 2.4, tables 19 and 20).

Shapes: B images, S tokens, D width, E embedding, H x W pixels or grid.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.clip.batch_norm import BatchNorm
from corpusloom.trainers.clip.config import ImageTowerConfig

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of RGB in 0..1, over CLIP's own training images."""


def quick_gelu(x: Tensor) -> Tensor:
    """Return x * sigmoid(1.702 x), the approximation of GELU with which OpenAI's weights were trained."""
    return F.silu(x * 1.702) * (1 / 1.702)  # one fused operation, which keeps one tensor for the backward pass


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

    def __init__(self, width: int, heads: int, *, causal: bool, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal=causal)
        self.ln_2 = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 4 * width)
        self.proj = nn.Linear(4 * width, width)
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


class Normalise(nn.Module):
    """Normalisation of uint8 RGB with CLIP's mean and deviation; floats pass unchanged."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 or float -> (B, 3, H, W) float."""
        return (images.float() - self.mean) / self.std if images.dtype == torch.uint8 else images


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


class Bottleneck(nn.Module):
    """A ResNet-D bottleneck: a stride is an average pooling before a convolution of stride 1."""

    expansion = 4

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        out = planes * self.expansion
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = BatchNorm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = BatchNorm(planes)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = BatchNorm(out)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != out:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(channels, out, 1, bias=False), BatchNorm(out))
        nn.init.zeros_(self.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * planes, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        return F.relu(self.bn3(self.conv3(self.pool(out))) + self.shortcut(x), inplace=True)


class AttentionPool(nn.Module):
    """Attention pooling with one query, the mean over the grid (section 2.4)."""

    def __init__(self, positions: int, width: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positions = nn.Parameter(width**-0.5 * torch.randn(positions + 1, width))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, embed_dim)
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            nn.init.normal_(layer.weight, std=width**-0.5)

    def forward(self, grid: Tensor) -> Tensor:
        """(B, S, D) -> (B, E)."""
        tokens = torch.cat([grid.mean(1, keepdim=True), grid], 1) + self.positions.to(grid.dtype)
        q, k, v = self._heads(self.q_proj(tokens[:, :1])), self._heads(self.k_proj(tokens)), self.v_proj(tokens)
        pooled = F.scaled_dot_product_attention(q, k, self._heads(v))
        return self.out_proj(pooled.transpose(1, 2).flatten(1))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class ModifiedResNet(nn.Module):
    """A ResNet-D with a stem of three convolutions, antialiased strides and attention pooling."""

    def __init__(self, config: ImageTowerConfig, embed_dim: int) -> None:
        super().__init__()
        blocks = config.layers if isinstance(config.layers, tuple) else ()
        width, half = config.width, config.width // 2
        self.normalise = Normalise()
        self.stem = nn.Sequential(
            *_convolution(3, half, stride=2), *_convolution(half, half), *_convolution(half, width), nn.AvgPool2d(2)
        )
        self.stages = nn.Sequential()
        channels = width
        for index, count in enumerate(blocks):
            planes, stride = width * 2**index, 1 if index == 0 else 2
            stage = [Bottleneck(channels, planes, stride)]
            channels = planes * Bottleneck.expansion
            stage += [Bottleneck(channels, planes, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*stage))
        side = config.size // (4 * 2 ** (len(blocks) - 1))
        self.pool = AttentionPool(side**2, channels, config.heads, embed_dim)
        self.grid_width, self.size = channels, config.size

    def block_names(self) -> list[str]:
        """Return the names of the modules that are each one unit of sharding and recomputation."""
        return [f"stages.{number}" for number in range(len(self.stages))]

    def grid(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, S, D): the last stage's grid, row by row; S = (H / 32) (W / 32) for four stages."""
        x = self.normalise(images).contiguous(memory_format=torch.channels_last)
        return self.stages(self.stem(x)).flatten(2).transpose(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, E), not normalised."""
        return self.pool(self.grid(images))


def _convolution(channels: int, out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
    return convolution, BatchNorm(out), nn.ReLU(inplace=True)


def make_image_tower(
    config: ImageTowerConfig, embed_dim: int, activation: Callable[[Tensor], Tensor]
) -> VisionTransformer | ModifiedResNet:
    """Return the tower of a configuration; both kinds have `grid`, `grid_width` and `forward`."""
    if config.is_resnet:
        return ModifiedResNet(config, embed_dim)
    return VisionTransformer(config, embed_dim, activation)


def initialise_blocks(blocks: nn.Sequential, width: int) -> None:
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
