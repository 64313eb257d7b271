"""Shapes in the configurations of transformers' CLIPModel and SiglipModel, in both directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.layouts.tables import Keys, ours_of, refuse, sides_of, theirs_of

CLIP_TYPE, SIGLIP_TYPE = "clip", "siglip"
SIDES = {"image": "vision_config", "text": "text_config"}
_ACTIVATIONS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh"}
"""Their name -> ours."""


def _keys(patch: int, vocab_size: int, context: int, width: int, heads: int) -> Keys:
    layers = ("num_hidden_layers", 12)
    return {
        "image": {
            "size": ("image_size", 224),
            "layers": layers,
            "width": ("hidden_size", 768),
            "heads": ("num_attention_heads", 12),
            "patch": ("patch_size", patch),
        },
        "text": {
            "vocab_size": ("vocab_size", vocab_size),
            "context": ("max_position_embeddings", context),
            "layers": layers,
            "width": ("hidden_size", width),
            "heads": ("num_attention_heads", heads),
        },
    }


@dataclass(frozen=True, slots=True)
class HfModel:
    """One of transformers' models: its defaults, and the values of our keys that it implies."""

    name: str
    keys: Keys
    mlp: Mapping[str, int]
    """Side -> default of intermediate_size."""
    activation: str
    """Default, by their name."""
    norm_eps: float
    parts: Mapping[str, object]
    """Our key -> the value that the model has."""


MODELS = {
    CLIP_TYPE: HfModel(
        "CLIPModel",
        _keys(32, 49_408, 77, 512, 8),
        {"image": 3072, "text": 2048},
        "quick_gelu",
        1e-5,
        {"loss": "softmax", "image.pool": "class", "image.resize": "crop", "text.pool": "end", "text.causal": True},
    ),
    SIGLIP_TYPE: HfModel(
        "SiglipModel",
        _keys(16, 32_000, 64, 768, 12),
        {"image": 3072, "text": 3072},
        "gelu_pytorch_tanh",
        1e-6,
        {"loss": "sigmoid", "image.pool": "map", "image.resize": "squash", "text.pool": "last", "text.causal": False},
    ),
}
"""Model type -> model."""


def shape_in(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the shape in a config.json; ConfigError that names the key of a part that this model lacks."""
    kind = str(config.get("model_type", CLIP_TYPE))
    model, sides = MODELS[kind], sides_of(config, SIDES)
    shape = ours_of(sides, model.keys)
    for side, default in model.mlp.items():
        found = sides[side].get("intermediate_size", default)
        shape[f"{side}.mlp"] = None if found == 4 * shape[f"{side}.width"] else found
    if (channels := sides["image"].get("num_channels", 3)) != 3:
        raise refuse(where, "vision_config.num_channels", channels, 3)
    activation = _same(sides, "hidden_act", model.activation, where)
    if activation not in _ACTIVATIONS:
        raise refuse(where, "hidden_act", activation, ", ".join(_ACTIVATIONS))
    eps = _same(sides, "layer_norm_eps", model.norm_eps, where)
    common = {"activation": _ACTIVATIONS[activation], "norm_eps": eps, **model.parts}
    if kind == CLIP_TYPE:
        return {"embed_dim": config.get("projection_dim", 512), **common, **shape}
    if not sides["image"].get("vision_use_head", True):
        raise refuse(where, "vision_config.vision_use_head", False, True)
    width, projected = shape["image.width"], sides["text"].get("projection_size") or shape["text.width"]
    if projected != width:
        raise refuse(where, "text_config.projection_size", projected, f"{width}, the image tower's width")
    return {"embed_dim": width, **common, **shape, "text.trim": None}


def _same(sides: Mapping[str, Mapping[str, Any]], key: str, default: Any, where: str) -> Any:
    """Return the value of a key that must be the same in both towers."""
    found = {side: table.get(key, default) for side, table in sides.items()}
    if found["image"] != found["text"]:
        raise refuse(where, key, found, "the same in both towers")
    return found["text"]


def type_of(config: CLIPConfig) -> str | None:
    """Return the model type that can express a configuration, or None."""
    return next((kind for kind, model in MODELS.items() if not _different(config, model)), None)


def _different(config: CLIPConfig, model: HfModel) -> dict[str, object]:
    """Return our key -> value of the parts that a model of transformers has otherwise."""
    found = {}
    for key, value in model.parts.items():
        *side, name = key.split(".")
        own = getattr(getattr(config, side[0]) if side else config, name)
        if own != value:
            found[key] = own
    return found


def config_of(config: CLIPConfig, special: Mapping[str, int | None]) -> dict[str, Any]:
    """Return a new config.json, given the ids of the tokenizer's special tokens as transformers names them.

    ConfigError that names the part that no model of transformers has.
    """
    kind = type_of(config)
    if config.image.is_resnet:
        raise ConfigError("transformers' CLIPModel has no ResNet", where="--to hf", remedy="--to open_clip")
    if kind is None:
        by_model = {model.name: _different(config, model) for model in MODELS.values()}
        name, lacking = min(by_model.items(), key=lambda item: len(item[1]))
        key, value = next(iter(lacking.items()))
        what = f"transformers' {name} has no model.{key} = {value}"
        raise ConfigError(what, where="--to hf", remedy="--to open_clip, if it has it")
    model = MODELS[kind]
    activation = next(theirs for theirs, ours in _ACTIVATIONS.items() if ours == config.activation)
    common: dict[str, Any] = {"hidden_act": activation, "layer_norm_eps": config.norm_eps, "attention_dropout": 0.0}
    if kind == CLIP_TYPE:
        common["projection_dim"] = config.embed_dim
    tables: dict[str, dict[str, Any]] = {}
    for side, values in (("image", config.image), ("text", config.text)):
        mlp = {"intermediate_size": values.mlp or 4 * values.width}
        tables[SIDES[side]] = common | theirs_of(values, model.keys[side]) | mlp
    tables["text_config"] |= {"model_type": f"{kind}_text_model", **special}
    tables["vision_config"] |= {"model_type": f"{kind}_vision_model", "num_channels": 3}
    projected = {"projection_dim": config.embed_dim}
    if kind == SIGLIP_TYPE:
        tables["text_config"]["projection_size"] = config.embed_dim
        projected = {}
    return {"architectures": [model.name], "model_type": kind, "dtype": "float32", **projected, **tables}
