"""Shapes in configurations of open_clip; a part that either side lacks is named."""

import copy
from typing import Any

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.layouts.open_clip import config_of, shape_in
from tests.trainers.clip.folders import siglip_config

OPEN = {"model_cfg": {"embed_dim": 8, "vision_cfg": {"layers": 2, "width": 64}, "text_cfg": {"width": 64}}}


def test_a_resnet_has_heads_of_its_last_width() -> None:
    vision = {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": None}
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    shape = shape_in({"model_cfg": {"embed_dim": 1024, "vision_cfg": vision, "text_cfg": text}}, "x")
    assert (shape["image.heads"], shape["image.layers"], shape["activation"]) == (32, [3, 4, 6, 3], "gelu")
    assert "image.patch" not in shape


@pytest.mark.parametrize(
    ("key", "value", "known"),
    [
        ("vision_cfg.timm_model_name", "vit_base", "a CLIP without this part"),
        ("text_cfg.hf_model_name", "roberta-base", "a CLIP without this part"),
        ("vision_cfg.mlp_ratio", 4.9231, "4.0"),
        ("custom_text", True, "a CLIP without this part"),
    ],
)
def test_a_part_that_this_model_lacks_is_named(key: str, value: Any, known: str) -> None:
    changed: dict[str, Any] = copy.deepcopy(OPEN)
    *folders, leaf = f"model_cfg.{key}".split(".")
    table = changed
    for name in folders:
        table = table[name]
    table[leaf] = value
    with pytest.raises(ConfigError, match=rf"c\.json: model_cfg\.{key} is .*{known}"):
        shape_in(changed, "c.json")


def test_a_siglip_is_neither_read_nor_written() -> None:
    vision = {"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none"}
    siglip = {"model_cfg": {"embed_dim": 768, "init_logit_bias": -10, "vision_cfg": vision, "text_cfg": {}}}
    with pytest.raises(ConfigError, match=r"a SigLIP in open_clip's layout is not read .*for transformers"):
        shape_in(siglip, "c.json")
    with pytest.raises(ConfigError, match=r"no layout of open_clip has model\.\S+ = .*--to hf"):
        config_of(siglip_config())
