"""A CLIP's shape in the configurations of transformers' CLIPModel and of open_clip, in both directions.

A shape is a flat table of our keys: {"embed_dim": 512, "image.layers": 12 ...}.
"""

import json
from collections.abc import Mapping
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.towers.pixels import MEAN, STD
from corpusloom.trainers.training.hub.folders import LAYOUTS, OPEN_CLIP, Folder
from corpusloom.trainers.training.hub.tensors import COPY_AGAIN

_HF_KEYS = {
    "image": {
        "size": ("image_size", 224),
        "layers": ("num_hidden_layers", 12),
        "width": ("hidden_size", 768),
        "heads": ("num_attention_heads", 12),
        "patch": ("patch_size", 32),
    },
    "text": {
        "vocab_size": ("vocab_size", 49_408),
        "context": ("max_position_embeddings", 77),
        "layers": ("num_hidden_layers", 12),
        "width": ("hidden_size", 512),
        "heads": ("num_attention_heads", 8),
    },
}
"""Side -> our key -> (key of transformers' CLIPConfig, its default)."""
_HF_SIDES = {"image": "vision_config", "text": "text_config"}
_OPEN_CLIP_KEYS = {
    "image": {"size": ("image_size", 224), "layers": ("layers", 12), "width": ("width", 768)},
    "text": {
        "vocab_size": ("vocab_size", 49_408),
        "context": ("context_length", 77),
        "layers": ("layers", 12),
        "width": ("width", 512),
        "heads": ("heads", 8),
    },
}
_OPEN_CLIP_SIDES = {"image": "vision_cfg", "text": "text_cfg"}
_OPEN_CLIP_KNOWN = {
    *("embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "init_logit_scale", "init_logit_bias", "cast_dtype"),
    *("image_size", "layers", "width", "head_width", "patch_size", "patch_dropout", "attn_pooler_queries"),
    *("vocab_size", "context_length", "heads", "hf_tokenizer_name", "tokenizer_kwargs", "pad_id", "eos_id"),
    *("attn_pooler_heads", "timm_pool", "timm_proj", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"),
}
"""Keys of an open_clip configuration that are read, or that say nothing without another key."""
_OPEN_CLIP_VALUES = {
    "mlp_ratio": (4.0,),
    "pool_type": ("tok", "argmax"),
    "pos_embed_type": ("learnable",),
    "proj_type": ("linear",),
    "block_type": ("default",),
}
"""Keys of an open_clip configuration with the values that this model has.

Any other key stands for a part that this model lacks, unless its value is false.
"""


def shape_of(folder: Folder) -> dict[str, Any]:
    """Return the shape that a folder's configuration says; ConfigError that names the key of a part we lack."""
    folder.check_type("clip")
    shape = shape_in(folder.config, folder.layout, storage.join(folder.path, LAYOUTS[folder.layout].config))
    _check_colours(folder)
    return shape


def _check_colours(folder: Folder) -> None:
    """Raise ConfigError if the folder's images are normalised with another mean or deviation than CLIP's."""
    if folder.layout == OPEN_CLIP:
        where, keys, values = LAYOUTS[OPEN_CLIP].config, ("mean", "std"), folder.config.get("preprocess_cfg") or {}
    else:
        where, keys = "preprocessor_config.json", ("image_mean", "image_std")
        found = folder.read_file(where)
        values = {} if found is None else json_files.loads(found, storage.join(folder.path, where), COPY_AGAIN)
    for key, known in zip(keys, (MEAN, STD), strict=True):
        value = values.get(key, known)
        if not isinstance(value, list | tuple) or [round(float(v), 3) for v in value] != [round(v, 3) for v in known]:
            raise _refuse(storage.join(folder.path, where), key, value, list(known))


def shape_in(config: Mapping[str, Any], layout: str, where: str) -> dict[str, Any]:
    """Return the shape in a configuration of a layout."""
    return _from_open_clip(config, where) if layout == OPEN_CLIP else _from_hf(config, where)


def _refuse(where: str, key: str, value: object, known: object) -> ConfigError:
    return ConfigError(f"{key} is {value!r}", where=where, remedy=f"supported: {known}")


def _sides(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return side -> its table; a table `NAME_dict`, which old versions wrote beside `NAME`, goes first."""
    return {side: {**_table(config, key), **_table(config, f"{key}_dict")} for side, key in names.items()}


def _table(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{key} is no table", where="the model's configuration", remedy=COPY_AGAIN)
    return value


def _keys(sides: Mapping[str, Any], keys: Mapping[str, Mapping[str, tuple[str, int]]]) -> dict[str, Any]:
    return {
        f"{side}.{ours}": sides[side].get(theirs, default)
        for side, table in keys.items()
        for ours, (theirs, default) in table.items()
    }


def _from_hf(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    sides = _sides(config, _HF_SIDES)
    shape = _keys(sides, _HF_KEYS)
    for side, table in sides.items():
        key, width = _HF_SIDES[side], shape[f"{side}.width"]
        fixed = {"intermediate_size": (4 * width, 3072 if side == "image" else 2048), "layer_norm_eps": (1e-5, 1e-5)}
        for name, (known, default) in (fixed | {"num_channels": (3, 3)}).items():
            if table.get(name, default) != known:
                raise _refuse(where, f"{key}.{name}", table.get(name, default), known)
    activations = {side: table.get("hidden_act", "quick_gelu") for side, table in sides.items()}
    if activations["image"] != activations["text"] or activations["text"] not in ("quick_gelu", "gelu"):
        raise _refuse(where, "hidden_act", activations, "quick_gelu or gelu, the same in both towers")
    return {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": activations["text"] == "quick_gelu",
        "loss": "softmax",
        **shape,
    }


def _from_open_clip(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not isinstance(model.get("embed_dim"), int):
        raise ConfigError("no model_cfg with embed_dim", where=where, remedy="give a folder of open_clip")
    sides = _sides(model, _OPEN_CLIP_SIDES)
    tables = {"model_cfg": model} | {f"model_cfg.{_OPEN_CLIP_SIDES[side]}": table for side, table in sides.items()}
    for table, values in tables.items():
        for key, value in values.items():
            if value and key not in _OPEN_CLIP_KNOWN and value not in _OPEN_CLIP_VALUES.get(key, ()):
                raise _refuse(where, f"{table}.{key}", value, _OPEN_CLIP_VALUES.get(key, "a CLIP without this part"))
    image, shape = sides["image"], _keys(sides, _OPEN_CLIP_KEYS)
    is_resnet = isinstance(shape["image.layers"], list)
    tokens = shape["image.width"] * (32 if is_resnet else 1)
    return {
        "embed_dim": model["embed_dim"],
        "quick_gelu": bool(model.get("quick_gelu", False)),
        "loss": "softmax" if model.get("init_logit_bias") is None else "sigmoid",
        **shape,
        "image.heads": tokens // image.get("head_width", 64),
        **({} if is_resnet else {"image.patch": image.get("patch_size", 16)}),
    }


def config_of(config: CLIPConfig, layout: str, start: int, end: int) -> dict[str, Any]:
    """Return a new configuration in another layout, given the ids of the start and end of a text."""
    return _to_open_clip(config) if layout == OPEN_CLIP else _to_hf(config, start, end)


def _to_hf(config: CLIPConfig, start: int, end: int) -> dict[str, Any]:
    if config.image.is_resnet or config.loss == "sigmoid":
        part = "ResNet" if config.image.is_resnet else "logit bias"
        raise ConfigError(f"transformers' CLIPModel has no {part}", where="--to hf", remedy="--to open_clip")
    common = {"hidden_act": "quick_gelu" if config.quick_gelu else "gelu", "layer_norm_eps": 1e-5}
    common |= {"attention_dropout": 0.0, "projection_dim": config.embed_dim}
    tables: dict[str, dict[str, Any]] = {}
    for side, values in (("image", config.image), ("text", config.text)):
        keys = {theirs: getattr(values, ours) for ours, (theirs, _) in _HF_KEYS[side].items()}
        tables[_HF_SIDES[side]] = common | keys | {"intermediate_size": 4 * values.width}
    tables["text_config"] |= {"model_type": "clip_text_model"}
    tables["text_config"] |= {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    tables["vision_config"] |= {"model_type": "clip_vision_model", "num_channels": 3}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float32",
        "projection_dim": config.embed_dim,
        **tables,
    }


def _to_open_clip(config: CLIPConfig) -> dict[str, Any]:
    tables = {
        _OPEN_CLIP_SIDES[side]: {theirs: getattr(values, ours) for ours, (theirs, _) in _OPEN_CLIP_KEYS[side].items()}
        for side, values in (("image", config.image), ("text", config.text))
    }
    tokens = config.image.width * (32 if config.image.is_resnet else 1)
    tables["vision_cfg"]["head_width"] = tokens // config.image.heads
    if not config.image.is_resnet:
        tables["vision_cfg"]["patch_size"] = config.image.patch
    tables["text_cfg"]["hf_tokenizer_name"] = "."  # open_clip takes the tokenizer of the folder, whatever the name
    model = {"embed_dim": config.embed_dim, "quick_gelu": config.quick_gelu, **tables}
    if config.loss == "sigmoid":
        model["init_logit_bias"] = -10
    return {"model_cfg": model, "preprocess_cfg": {"mean": list(MEAN), "std": list(STD), "interpolation": "bicubic"}}


def preprocessing_of(config: CLIPConfig, layout: str) -> dict[str, bytes]:
    """Return the file from which transformers' CLIPImageProcessor reads how images are prepared."""
    if layout == OPEN_CLIP:
        return {}
    size = config.image.size
    values = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": size}, "resample": 3}
    values |= {"crop_size": {"height": size, "width": size}, "image_mean": list(MEAN), "image_std": list(STD)}
    flags = ("do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize")
    return {"preprocessor_config.json": as_json(values | dict.fromkeys(flags, True))}


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON file as transformers writes it."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def resized(config: dict[str, Any], layout: str, size: int) -> dict[str, Any]:
    """Return a configuration with another image size."""
    if layout == OPEN_CLIP:
        model = config["model_cfg"]
        return {**config, "model_cfg": {**model, "vision_cfg": {**model["vision_cfg"], "image_size": size}}}
    names = [name for name in ("vision_config", "vision_config_dict") if config.get(name)]
    return {**config, **{name: {**config[name], "image_size": size} for name in names or ["vision_config"]}}
