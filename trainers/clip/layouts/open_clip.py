"""A CLIP's shape in the configurations of open_clip, in both directions."""

from collections.abc import Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.layouts.tables import Keys, ours_of, refuse, sides_of, theirs_of

_KEYS: Keys = {
    "image": {"size": ("image_size", 224), "layers": ("layers", 12), "width": ("width", 768)},
    "text": {
        "vocab_size": ("vocab_size", 49_408),
        "context": ("context_length", 77),
        "layers": ("layers", 12),
        "width": ("width", 512),
        "heads": ("heads", 8),
    },
}
_SIDES = {"image": "vision_cfg", "text": "text_cfg"}
_KNOWN = {
    *("embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "init_logit_scale", "init_logit_bias", "cast_dtype"),
    *("image_size", "layers", "width", "head_width", "patch_size", "patch_dropout", "attn_pooler_queries"),
    *("vocab_size", "context_length", "heads", "hf_tokenizer_name", "tokenizer_kwargs", "pad_id", "eos_id"),
    *("attn_pooler_heads", "timm_pool", "timm_proj", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"),
}
"""Keys that are read, or that say nothing without another key."""
_VALUES = {
    "mlp_ratio": (4.0,),
    "pool_type": ("tok", "argmax"),
    "pos_embed_type": ("learnable",),
    "proj_type": ("linear",),
    "block_type": ("default",),
}
"""Keys with the values that this model has.

Any other key stands for a part that this model lacks, unless its value is false.
"""
_PLAIN = {
    "activation": ("quick_gelu", "gelu"),
    "norm_eps": (1e-5,),
    "image.pool": ("class",),
    "image.resize": ("crop",),
    "image.mlp": (None,),
    "text.pool": ("end",),
    "text.mlp": (None,),
    "text.causal": (True,),
}
"""Our key -> the values that can be written."""


def shape_in(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the shape in an open_clip_config.json; ConfigError that names the key of a part that this model lacks."""
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not isinstance(model.get("embed_dim"), int):
        raise ConfigError("no model_cfg with embed_dim", where=where, remedy="give a folder of open_clip")
    sides = sides_of(model, _SIDES)
    if str(sides["image"].get("timm_model_name", "")).startswith("vit_") and sides["image"].get("timm_pool") == "map":
        what = "a SigLIP in open_clip's layout is not read"
        raise ConfigError(what, where=where, remedy="use the folder of the same model for transformers")
    tables = {"model_cfg": model} | {f"model_cfg.{_SIDES[side]}": table for side, table in sides.items()}
    for table, values in tables.items():
        for key, value in values.items():
            if value and key not in _KNOWN and value not in _VALUES.get(key, ()):
                raise refuse(where, f"{table}.{key}", value, _VALUES.get(key, "a CLIP without this part"))
    image, shape = sides["image"], ours_of(sides, _KEYS)
    is_resnet = isinstance(shape["image.layers"], list)
    tokens = shape["image.width"] * (32 if is_resnet else 1)
    return {
        "embed_dim": model["embed_dim"],
        "activation": "quick_gelu" if model.get("quick_gelu", False) else "gelu",
        "loss": "softmax" if model.get("init_logit_bias") is None else "sigmoid",
        **{key: known[0] for key, known in _PLAIN.items() if key != "activation"},
        **shape,
        "image.heads": tokens // image.get("head_width", 64),
        **({} if is_resnet else {"image.patch": image.get("patch_size", 16)}),
    }


def config_of(config: CLIPConfig) -> dict[str, Any]:
    """Return a new model_cfg and preprocess_cfg; ConfigError that names our key of a part that open_clip lacks."""
    for key, known in _PLAIN.items():
        *side, name = key.split(".")
        value = getattr(getattr(config, side[0]) if side else config, name)
        if value not in known:
            raise ConfigError(
                f"no layout of open_clip has model.{key} = {value}", where="--to open_clip", remedy="--to hf"
            )
    tables = {side: theirs_of(values, _KEYS[side]) for side, values in (("image", config.image), ("text", config.text))}
    tokens = config.image.width * (32 if config.image.is_resnet else 1)
    tables["image"]["head_width"] = tokens // config.image.heads
    if not config.image.is_resnet:
        tables["image"]["patch_size"] = config.image.patch
    tables["text"]["hf_tokenizer_name"] = "."  # open_clip takes the tokenizer of the folder, whatever the name
    model: dict[str, Any] = {"embed_dim": config.embed_dim, "quick_gelu": config.activation == "quick_gelu"}
    model |= {_SIDES[side]: table for side, table in tables.items()}
    if config.loss == "sigmoid":
        model["init_logit_bias"] = -10
    colours = {"mean": list(config.image.mean), "std": list(config.image.std)}
    return {"model_cfg": model, "preprocess_cfg": {**colours, "interpolation": "bicubic"}}
