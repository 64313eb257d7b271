"""A ViLBERT's shape in the published configuration, and its text stream's in that of a BERT of transformers."""

import json
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.hub.folders import LAYOUTS, Folder
from corpusloom.trainers.vilbert.config import ViLBERTConfig

_BERT = {
    "vocab_size": ("vocab_size", 30_522),
    "max_tokens": ("max_position_embeddings", 512),
    "hidden": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "ffw": ("intermediate_size", 3072),
}
"""Our key -> (key of a BERT's configuration, its default)."""
_VISUAL: dict[str, tuple[str, Any]] = {
    "feature_width": ("v_feature_size", 2048),
    "class_count": ("v_target_size", 1601),
    "v_hidden": ("v_hidden_size", 1024),
    "v_layers": ("v_num_hidden_layers", 6),
    "v_heads": ("v_num_attention_heads", 8),
    "v_ffw": ("v_intermediate_size", 1024),
    "co_hidden": ("bi_hidden_size", 1024),
    "co_heads": ("bi_num_attention_heads", 8),
    "v_connections": ("v_biattention_id", None),
    "t_connections": ("t_biattention_id", None),
}
"""The same for what the published configuration adds."""
_FIXED = {
    "hidden_act": ("gelu",),
    "v_hidden_act": ("gelu",),
    "layer_norm_eps": (1e-12,),
    "type_vocab_size": (2,),
    "position_embedding_type": ("absolute",),
    "pooling_method": ("mul",),
    "fusion_method": ("mul",),
    "with_coattention": (True,),
    "dynamic_attention": (False,),
    "task_specific_tokens": (False,),
    "model": ("bert",),
}
"""Keys with the values that this model has; a configuration may leave them out."""


def shape_of(folder: Folder) -> dict[str, Any]:
    """Return the shape that a folder's configuration says: of all of a ViLBERT, or of a BERT's text stream."""
    folder.check_type("bert", "vilbert")
    config, where = folder.config, storage.join(folder.path, LAYOUTS[folder.layout].config)
    for key, known in _FIXED.items():
        if config.get(key, known[0]) not in known:
            raise ConfigError(f"{key} is {config[key]!r}", where=where, remedy=f"supported: {known[0]!r}")
    keys = _BERT if folder.model_type == "bert" else _BERT | _VISUAL
    missing = [theirs for theirs, default in keys.values() if default is None and theirs not in config]
    if missing:
        raise ConfigError(f"no {missing[0]}", where=where, remedy="give a folder of the published ViLBERT")
    shape = {ours: config.get(theirs, default) for ours, (theirs, default) in keys.items()}
    return shape if folder.model_type == "bert" else {"streams": 2, **shape}


def config_of(config: ViLBERTConfig) -> bytes:
    """Return the published configuration of a model, from which the public code builds it."""
    values = {theirs: getattr(config, ours) for ours, (theirs, _) in (_BERT | _VISUAL).items()}
    for side in ("", "v_"):
        values |= {f"{side}hidden_act": "gelu", f"{side}initializer_range": config.init_std}
        values |= {f"{side}{part}_dropout_prob": config.dropout for part in ("attention_probs", "hidden")}
    values |= {"type_vocab_size": 2, "pooling_method": "mul", "bi_intermediate_size": config.v_ffw}
    return (json.dumps(values | {"bi_attention_type": 1}, indent=2, sort_keys=True) + "\n").encode()
