"""Weights that others trained: from transformers' CLIPModel names to ours."""

import math
import re

import torch
from torch import Tensor
from torch.nn import functional as F

_RULES = (
    (r"^vision_model\.embeddings\.patch_embedding\.weight$", "image.patch_embedding.weight"),
    (r"^vision_model\.embeddings\.class_embedding$", "image.class_embedding"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "image.positions"),
    (r"^vision_model\.pre_layrnorm\.", "image.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "image.ln_post."),
    (r"^visual_projection\.", "image.projection."),
    (r"^text_model\.embeddings\.token_embedding\.", "text.token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "text.positions"),
    (r"^text_model\.final_layer_norm\.", "text.ln_final."),
    (r"^text_projection\.", "text.projection."),
    (r"^vision_model\.encoder\.layers\.", "image.blocks."),
    (r"^text_model\.encoder\.layers\.", "text.blocks."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".fc."),
    (r"\.mlp\.fc2\.", ".proj."),
)
_PACKED = re.compile(r"\.self_attn\.q_proj\.(weight|bias)$")


def from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of our CLIP from that of transformers' CLIPModel; query, key and value become one matrix."""
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("position_ids") or re.search(r"\.self_attn\.[kv]_proj\.", name):
            continue
        if _PACKED.search(name):
            parts = [state[name.replace(".q_proj.", f".{letter}_proj.")] for letter in "qkv"]
            ours[_rename(_PACKED.sub(r".attn.in_proj.\1", name))] = torch.cat(parts)
        elif name == "logit_scale":
            ours[name] = tensor.reshape(1)
        else:
            ours[_rename(name)] = tensor
    return ours


def _rename(name: str) -> str:
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def resize_positions(state: dict[str, Tensor], tokens: int) -> dict[str, Tensor]:
    """Return the state with a vision transformer's positions interpolated to `tokens` (the class token among them).

    Bicubic with antialiasing; the class token's position stays.
    """
    positions = state["image.positions"]
    if len(positions) == tokens:
        return state
    old, new = math.isqrt(len(positions) - 1), math.isqrt(tokens - 1)
    grid = positions[1:].float().unflatten(0, (old, old)).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    resized = torch.cat([positions[:1].float(), grid[0].permute(1, 2, 0).flatten(0, 1)])
    return state | {"image.positions": resized.to(positions.dtype)}
