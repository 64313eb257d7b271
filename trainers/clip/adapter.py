"""Reads and writes a CLIP in the layouts of transformers and open_clip: names, positions, configuration."""

import json
import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.shapes import as_json, config_of, preprocessing_of, resized, shape_in
from corpusloom.trainers.clip.tokenizer import ClipTokenizer
from corpusloom.trainers.clip.tokenizer_files import hf_files
from corpusloom.trainers.training.hub.folders import HF, LAYOUTS, OPEN_CLIP, Folder, origin_of, write_folder
from corpusloom.trainers.training.hub.renames import Rename, load_state, plain, to_ours, to_theirs

_HF_BLOCKS = tuple(
    rename
    for ours, theirs in (("image", "vision_model"), ("text", "text_model"))
    for rename in (
        Rename(
            f"{ours}.blocks.{{}}.attn.in_proj.{{}}",
            tuple(f"{theirs}.encoder.layers.{{}}.self_attn.{part}_proj.{{}}" for part in "qkv"),
        ),
        *plain(
            {
                f"{ours}.blocks.{{}}.attn.out_proj.{{}}": f"{theirs}.encoder.layers.{{}}.self_attn.out_proj.{{}}",
                f"{ours}.blocks.{{}}.ln_1.{{}}": f"{theirs}.encoder.layers.{{}}.layer_norm1.{{}}",
                f"{ours}.blocks.{{}}.ln_2.{{}}": f"{theirs}.encoder.layers.{{}}.layer_norm2.{{}}",
                f"{ours}.blocks.{{}}.fc.{{}}": f"{theirs}.encoder.layers.{{}}.mlp.fc1.{{}}",
                f"{ours}.blocks.{{}}.proj.{{}}": f"{theirs}.encoder.layers.{{}}.mlp.fc2.{{}}",
            }
        ),
    )
)
_HF = (
    *_HF_BLOCKS,
    Rename("logit_scale", ("logit_scale",), scalar=True),
    *plain(
        {
            "image.patch_embedding.weight": "vision_model.embeddings.patch_embedding.weight",
            "image.class_embedding": "vision_model.embeddings.class_embedding",
            "image.positions": "vision_model.embeddings.position_embedding.weight",
            "image.ln_pre.{}": "vision_model.pre_layrnorm.{}",
            "image.ln_post.{}": "vision_model.post_layernorm.{}",
            "image.projection.weight": "visual_projection.weight",
            "text.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
            "text.positions": "text_model.embeddings.position_embedding.weight",
            "text.ln_final.{}": "text_model.final_layer_norm.{}",
            "text.projection.weight": "text_projection.weight",
        }
    ),
)
_OPEN_CLIP_BLOCKS = plain(
    {
        f"{ours}.blocks.{{}}.{inner}.{{}}": f"{theirs}transformer.resblocks.{{}}.{other}{{}}"
        for ours, theirs in (("image", "visual."), ("text", ""))
        for inner, other in {
            "attn.in_proj": "attn.in_proj_",
            "attn.out_proj": "attn.out_proj.",
            "ln_1": "ln_1.",
            "ln_2": "ln_2.",
            "fc": "mlp.c_fc.",
            "proj": "mlp.c_proj.",
        }.items()
    }
)
_OPEN_CLIP_STEM = plain(
    {
        f"image.stem.{3 * number + offset}.{{}}": f"visual.{kind}{number + 1}.{{}}"
        for number in range(3)
        for offset, kind in enumerate(("conv", "bn"))
    }
)
_OPEN_CLIP_STAGES = plain(
    {
        f"image.stages.{stage}.{{}}.{inner}.{{}}": f"visual.layer{stage + 1}.{{}}.{other}.{{}}"
        for stage in range(4)
        for inner, other in {"shortcut.1": "downsample.0", "shortcut.2": "downsample.1", "{}": "{}"}.items()
    }
)
_OPEN_CLIP = (
    *_OPEN_CLIP_BLOCKS,
    *_OPEN_CLIP_STEM,
    *_OPEN_CLIP_STAGES,
    Rename("logit_scale", ("logit_scale",), scalar=True),
    Rename("logit_bias", ("logit_bias",), scalar=True),
    Rename("image.projection.weight", ("visual.proj",), transposed=True),
    Rename("text.projection.weight", ("text_projection",), transposed=True),
    *plain(
        {
            "image.patch_embedding.weight": "visual.conv1.weight",
            "image.class_embedding": "visual.class_embedding",
            "image.positions": "visual.positional_embedding",
            "image.ln_pre.{}": "visual.ln_pre.{}",
            "image.ln_post.{}": "visual.ln_post.{}",
            "image.pool.positions": "visual.attnpool.positional_embedding",
            "image.pool.out_proj.{}": "visual.attnpool.c_proj.{}",
            "image.pool.{}.{}": "visual.attnpool.{}.{}",
            "text.token_embedding.weight": "token_embedding.weight",
            "text.positions": "positional_embedding",
            "text.ln_final.{}": "ln_final.{}",
        }
    ),
)
RENAMES = {HF: _HF, OPEN_CLIP: _OPEN_CLIP}
_COUNTERS = r"position_ids$|^(attn_mask|input_resolution|context_length|vocab_size)$"
"""Names of tensors in the other layouts that are not weights."""
POSITIONS = ("image.positions", "image.pool.positions")


def load_weights(model: CLIP, folder: Folder) -> None:
    """Copy a folder's weights into a model of its shape; positions are interpolated to the model's image size."""
    own = model.state_dict()
    state = to_ours(own, folder.tensors, RENAMES[folder.layout], folder.path, ignored=_COUNTERS)
    for name in state.keys() & set(POSITIONS):
        state[name] = resize_positions(state[name], len(own[name]))
    load_state(model, state, folder.path)


def resize_positions(positions: Tensor, tokens: int) -> Tensor:
    """Return the positions of an image, (1 + S, D), interpolated to (`tokens`, D); the first token's stays.

    The interpolation is bicubic with antialiasing.
    """
    if len(positions) == tokens:
        return positions
    old, new = math.isqrt(len(positions) - 1), math.isqrt(tokens - 1)
    grid = positions[1:].float().unflatten(0, (old, old)).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([positions[:1].float(), grid[0].permute(1, 2, 0).flatten(0, 1)]).to(positions.dtype)


def export(model: CLIP, tokenizer: ClipTokenizer, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a CLIP into a folder in another layout.

    If the run began from a folder in this layout, its configuration, tokenizer, files, number formats and order of
    tensors are kept: weights that were not trained give the same bytes.
    """
    origin = origin_of(attachments, layout)
    config = LAYOUTS[layout].config
    if origin is None:
        made = config_of(model.config, layout, tokenizer.start, tokenizer.end)
        files = {**hf_files(tokenizer), **preprocessing_of(model.config, layout), config: as_json(made)}
        write_folder(out, layout, to_theirs(model.state_dict(), RENAMES[layout]), files, {})
        return
    files = dict(origin.files)
    kept = json.loads(files[config])
    if shape_in(kept, layout, config)["image.size"] != model.config.image.size:
        files[config] = as_json(resized(kept, layout, model.config.image.size))
        files |= preprocessing_of(model.config, layout)
    write_folder(out, layout, to_theirs(model.state_dict(), RENAMES[layout]), files, origin.headers)
