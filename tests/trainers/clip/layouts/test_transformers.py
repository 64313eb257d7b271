"""Shapes in configurations of transformers: defaults, parts that this model lacks, what is written."""

import json
from typing import Any

import pytest
from transformers import CLIPConfig as TheirConfig
from transformers import SiglipConfig

from corpusloom.schemas.config import build
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.layouts.transformers import config_of, shape_in, type_of
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.shapes import nested
from tests.trainers.clip.folders import our_config, siglip_config

SPECIAL = {"bos_token_id": 7, "eos_token_id": 8, "pad_token_id": 8}


def shape_of_ours(config: CLIPConfig) -> CLIPConfig:
    """Return the configuration without how images are prepared, which a config.json does not say."""
    return build(CLIPConfig, nested(shape_in(json.loads(json.dumps(config_of(config, SPECIAL))), "x")))


def test_a_configuration_that_leaves_its_defaults_out_is_that_of_vit_b_32() -> None:
    assert build(CLIPConfig, nested(shape_in({"model_type": "clip"}, "x"))) == CLIPConfig()
    assert shape_in(TheirConfig().to_dict(), "x") == shape_in({"model_type": "clip"}, "x")


def test_a_siglip_that_leaves_its_defaults_out_is_the_shipped_base_model() -> None:
    shipped = load_config("siglip-b-16").model
    found = nested(shape_in({"model_type": "siglip"}, "x"))
    shipped = {**shipped, "image": {key: v for key, v in shipped["image"].items() if key not in ("mean", "std")}}
    assert build(CLIPConfig, found) == build(CLIPConfig, shipped)
    assert shape_in(SiglipConfig().to_dict(), "x") == shape_in({"model_type": "siglip"}, "x")


def test_an_old_configuration_has_its_shape_in_a_second_table() -> None:
    old = {"projection_dim": 768, "vision_config": {"patch_size": 32}, "vision_config_dict": {"patch_size": 14}}
    assert shape_in(old, "x")["image.patch"] == 14


def test_widths_and_activations_of_others_are_taken() -> None:
    common = {"hidden_act": "gelu", "layer_norm_eps": 1e-6}
    shape = shape_in({"vision_config": {"intermediate_size": 5120, **common}, "text_config": common}, "x")
    assert (shape["image.mlp"], shape["text.mlp"], shape["norm_eps"], shape["activation"]) == (5120, None, 1e-6, "gelu")


BAD: list[tuple[str, str, str, Any, str]] = [
    ("clip", "text_config", "layer_norm_eps", 1e-6, "the same in both towers"),
    ("clip", "vision_config", "num_channels", 1, "supported: 3"),
    ("clip", "text_config", "hidden_act", "gelu", "the same in both towers"),
    ("siglip", "vision_config", "vision_use_head", False, "supported: True"),
    ("siglip", "text_config", "projection_size", 512, "supported: 768, the image tower's width"),
]


@pytest.mark.parametrize(("kind", "table", "key", "value", "known"), BAD)
def test_a_part_that_this_model_lacks_is_named(kind: str, table: str, key: str, value: Any, known: str) -> None:
    with pytest.raises(ConfigError, match=rf"c\.json: ({table}\.)?{key} is .*{known}"):
        shape_in({"model_type": kind, table: {key: value}}, "c.json")


def test_transformers_reads_what_is_written() -> None:
    theirs = TheirConfig(**config_of(our_config(), SPECIAL))
    assert (theirs.text_config.bos_token_id, theirs.text_config.eos_token_id) == (7, 8)
    assert theirs.vision_config.intermediate_size == 64
    siglip = SiglipConfig(**config_of(siglip_config(), SPECIAL))
    assert (siglip.vision_config.intermediate_size, siglip.text_config.projection_size) == (40, 16)


@pytest.mark.parametrize("config", [our_config(norm_eps=1e-6, activation="gelu_tanh"), siglip_config()])
def test_a_configuration_has_the_type_of_model_that_has_its_parts(config: CLIPConfig) -> None:
    kind = type_of(config)
    assert kind == ("siglip" if config.image.pool == "map" else "clip")
    assert shape_of_ours(config).text == config.text


def test_a_mixture_of_both_models_is_refused_by_the_key_that_differs() -> None:
    mixed = build(CLIPConfig, {"embed_dim": 768, "loss": "sigmoid", "image": {"pool": "map"}, "text": {"pool": "last"}})
    assert type_of(mixed) is None
    with pytest.raises(ConfigError, match=r"SiglipModel has no model\.image\.resize = crop"):
        config_of(mixed, SPECIAL)
