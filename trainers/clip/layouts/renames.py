"""Names of a CLIP's and of a SigLIP's tensors in the layouts of transformers and open_clip."""

from collections.abc import Sequence

from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.training.hub.folders import OPEN_CLIP
from corpusloom.trainers.training.hub.renames import Rename, plain

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
_HF_BOTH = (
    *_HF_BLOCKS,
    *plain(
        {
            "image.patch_embedding.{}": "vision_model.embeddings.patch_embedding.{}",
            "image.positions": "vision_model.embeddings.position_embedding.weight",
            "image.ln_post.{}": "vision_model.post_layernorm.{}",
            "text.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
            "text.positions": "text_model.embeddings.position_embedding.weight",
            "text.ln_final.{}": "text_model.final_layer_norm.{}",
        }
    ),
)
_HF_CLIP = (
    *_HF_BOTH,
    Rename("logit_scale", ("logit_scale",), scalar=True),
    *plain(
        {
            "image.class_embedding": "vision_model.embeddings.class_embedding",
            "image.ln_pre.{}": "vision_model.pre_layrnorm.{}",
            "image.projection.weight": "visual_projection.weight",
            "text.projection.weight": "text_projection.weight",
        }
    ),
)
_HF_SIGLIP = (
    *_HF_BOTH,
    *plain(
        {
            "logit_scale": "logit_scale",
            "logit_bias": "logit_bias",
            "image.pool.probe": "vision_model.head.probe",
            "image.pool.attention.in_proj_{}": "vision_model.head.attention.in_proj_{}",
            "image.pool.attention.out_proj.{}": "vision_model.head.attention.out_proj.{}",
            "image.pool.ln.{}": "vision_model.head.layernorm.{}",
            "image.pool.fc.{}": "vision_model.head.mlp.fc1.{}",
            "image.pool.proj.{}": "vision_model.head.mlp.fc2.{}",
            "text.projection.{}": "text_model.head.{}",
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
COUNTERS = r"position_ids$|^(attn_mask|input_resolution|context_length|vocab_size)$"
"""Names of tensors in the other layouts that are not weights."""


def renames_of(config: CLIPConfig, layout: str) -> Sequence[Rename]:
    """Return the renames of a model's tensors in a layout; SigLIP's are those of a model with attention pooling."""
    if layout == OPEN_CLIP:
        return _OPEN_CLIP
    return _HF_SIGLIP if config.image.pool == "map" else _HF_CLIP
