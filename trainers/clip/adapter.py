"""Renames the weights of transformers' CLIPModel, of open_clip and of OpenAI to this model's names."""

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
_OPEN_CLIP_RULES = (
    (r"^visual\.conv1\.weight$", "image.patch_embedding.weight"),
    (r"^visual\.proj$", "image.projection.weight"),
    (r"^visual\.positional_embedding$", "image.positions"),
    (r"^visual\.(class_embedding|ln_pre|ln_post)", r"image.\1"),
    (r"^visual\.transformer\.resblocks\.", "image.blocks."),
    (r"^visual\.layer1\.", "image.stages.0."),
    (r"^visual\.layer2\.", "image.stages.1."),
    (r"^visual\.layer3\.", "image.stages.2."),
    (r"^visual\.layer4\.", "image.stages.3."),
    (r"\.downsample\.0\.", ".shortcut.1."),
    (r"\.downsample\.1\.", ".shortcut.2."),
    (r"^visual\.attnpool\.positional_embedding$", "image.pool.positions"),
    (r"^visual\.attnpool\.c_proj\.", "image.pool.out_proj."),
    (r"^visual\.attnpool\.", "image.pool."),
    (r"^transformer\.resblocks\.", "text.blocks."),
    (r"^token_embedding\.", "text.token_embedding."),
    (r"^positional_embedding$", "text.positions"),
    (r"^ln_final\.", "text.ln_final."),
    (r"^text_projection$", "text.projection.weight"),
    (r"\.attn\.in_proj_(weight|bias)$", r".attn.in_proj.\1"),
    (r"\.mlp\.c_fc\.", ".fc."),
    (r"\.mlp\.c_proj\.", ".proj."),
)
_STEM = {
    f"visual.{kind}{number + 1}.": f"image.stem.{3 * number + offset}."
    for number in range(3)
    for offset, kind in enumerate(("conv", "bn"))
}
"""Names of a ResNet's stem, used for ResNets alone: a ViT's patch embedding is called visual.conv1 too."""
_PACKED = re.compile(r"\.self_attn\.q_proj\.(weight|bias)$")


def from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a CLIP from that of transformers' CLIPModel; query, key and value become one matrix."""
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


def from_open_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a CLIP from that of open_clip or OpenAI; their projections are transposed."""
    ours: dict[str, Tensor] = {}
    stem = _STEM if "visual.conv2.weight" in state else {}
    for name, tensor in state.items():
        if name in ("attn_mask", "input_resolution", "context_length", "vocab_size"):
            continue
        head = re.sub(r"[^.]*$", "", name)
        renamed = name.replace(head, stem[head]) if head in stem else _rename(name, _OPEN_CLIP_RULES)
        if name in ("visual.proj", "text_projection"):
            tensor = tensor.T
        elif name in ("logit_scale", "logit_bias"):
            tensor = tensor.reshape(1)
        ours[renamed] = tensor.contiguous()
    return ours


def from_any(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a CLIP from weights in either layout."""
    return from_open_clip(state) if any(name.startswith("visual.") for name in state) else from_transformers(state)


def _rename(name: str, rules: tuple[tuple[str, str], ...] = _RULES) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def resize_positions(state: dict[str, Tensor], tokens: int) -> dict[str, Tensor]:
    """Return the state with a vision transformer's positions interpolated to `tokens`, the class token included.

    The interpolation is bicubic with antialiasing; the class token's position stays.
    """
    positions = state.get("image.positions")
    if positions is None or len(positions) == tokens:
        return state
    old, new = math.isqrt(len(positions) - 1), math.isqrt(tokens - 1)
    grid = positions[1:].float().unflatten(0, (old, old)).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    resized = torch.cat([positions[:1].float(), grid[0].permute(1, 2, 0).flatten(0, 1)])
    return state | {"image.positions": resized.to(positions.dtype)}
