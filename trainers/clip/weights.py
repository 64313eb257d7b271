"""Weights that others trained: from transformers' CLIPModel names to ours."""

import re

import torch
from torch import Tensor

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
