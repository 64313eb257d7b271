"""Attention between words and regions, per layer, from the recorded weights of a forward pass.

Shapes: L layers in which words and regions meet, A heads, T tokens, R regions with IMG first.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from corpusloom.trainers.vilbert.model.streams import Streams


class WordRegionAttention(NamedTuple):
    """Attention of one caption and one image, the mean over the heads of each layer."""

    to_regions: Tensor
    """Weight of each region for each token, (L, T, R)."""
    to_words: Tensor
    """Weight of each token for each region, (L, R, T)."""


def word_region_attention(
    model: Streams, weights: Mapping[str, Tensor], tokens: int, regions: int, row: int
) -> WordRegionAttention:
    """Return the attention of one row from the weights of `model.attention.recorded_attention`.

    In two streams all of a connection's attention goes to the other stream, so the weights of a token sum to 1. In a
    single stream words and regions share it, and the sum is the part that crosses.
    """
    if model.config.streams == 2:
        numbers = range(len(model.connections))
        return WordRegionAttention(
            _stacked([weights[f"connections.{number}.t_attention"][row] for number in numbers], tokens, regions),
            _stacked([weights[f"connections.{number}.v_attention"][row] for number in numbers], regions, tokens),
        )
    layers = [weights[f"text_layers.{number}.attention"][row] for number in range(len(model.text_layers))]
    joined = _stacked(layers, tokens + regions, tokens + regions)
    return WordRegionAttention(joined[:, :tokens, tokens:], joined[:, tokens:, :tokens])


def _stacked(layers: list[Tensor], queries: int, keys: int) -> Tensor:
    """Return the means over heads, L x (A, Q, K) -> (L, Q, K); L may be 0."""
    return torch.stack([layer.mean(0) for layer in layers]) if layers else torch.zeros(0, queries, keys)
