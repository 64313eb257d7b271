"""Features of an image or video -> visual tokens: the Perceiver Resampler (arXiv 2204.14198, 3.1.1), or their mean.

Shapes: M images, T frames, S grid positions per frame, V feature width of the encoder, R latents, W visual width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.trainers.flamingo.config import FlamingoConfig
from corpusloom.trainers.flamingo.layers.attention import CrossAttention, feed_forward


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


class MeanPool(nn.Module):
    """The mean of all places of all frames, projected: one visual token, in place of the Resampler's."""

    def __init__(self, feature_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(feature_width, width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(M, T, S, V) -> (M, 1, W)."""
        return self.project(features.mean((1, 2)))[:, None]
