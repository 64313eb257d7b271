"""CLIP's ModifiedResNet (arXiv 2103.00020, section 2.4, table 19).

Shapes: B images, S tokens, D width, E embedding, H x W pixels or grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.clip.config import ImageTowerConfig
from corpusloom.trainers.clip.towers.batch_norm import BatchNorm
from corpusloom.trainers.clip.towers.pixels import Normalise
from corpusloom.trainers.clip.towers.positions import resized


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
        self.normalise = Normalise(config.mean, config.std)
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
        self.stride = 4 * 2 ** (len(blocks) - 1)
        self.pool = AttentionPool((config.size // self.stride) ** 2, channels, config.heads, embed_dim)
        self.grid_width, self.size = channels, config.size

    def set_size(self, size: int) -> None:
        """Interpolate the positions of the pooling to images of another size, in pixels a side."""
        self.pool.positions = resized(self.pool.positions, size // self.stride)
        self.size = size

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
