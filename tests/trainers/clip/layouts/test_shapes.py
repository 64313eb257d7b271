"""Shapes are read from configurations of others; a part that this model lacks is named by its key."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPConfig as TheirConfig

from corpusloom.schemas.config import build
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig
from corpusloom.trainers.clip.layouts.shapes import config_of, preprocessing_of, resized, shape_in, shape_of
from corpusloom.trainers.training.hub.folders import HF, OPEN_CLIP, read_folder
from corpusloom.trainers.training.hub.shapes import nested
from tests.trainers.clip.folders import our_config

VIT_B_32 = {"embed_dim": 512, "image.size": 224, "image.layers": 12, "image.width": 768, "image.heads": 12}
VIT_B_32 |= {"image.patch": 32, "text.vocab_size": 49_408, "text.context": 77, "text.layers": 12, "text.width": 512}
VIT_B_32 |= {"text.heads": 8, "quick_gelu": True, "loss": "softmax"}


def test_a_configuration_that_leaves_its_defaults_out_is_that_of_vit_b_32() -> None:
    assert shape_in({"model_type": "clip"}, HF, "x") == VIT_B_32
    assert shape_in(TheirConfig().to_dict(), HF, "x") == VIT_B_32
    assert build(CLIPConfig, nested(VIT_B_32)) == CLIPConfig()


def test_an_old_configuration_has_its_shape_in_a_second_table() -> None:
    old = {"projection_dim": 768, "vision_config": {"patch_size": 32}, "vision_config_dict": {"patch_size": 14}}
    assert shape_in(old, HF, "x")["image.patch"] == 14


def test_a_resnet_of_open_clip_has_heads_of_its_last_width() -> None:
    vision = {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": None}
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    shape = shape_in({"model_cfg": {"embed_dim": 1024, "vision_cfg": vision, "text_cfg": text}}, OPEN_CLIP, "x")
    assert (shape["image.heads"], shape["image.layers"], shape["quick_gelu"]) == (32, [3, 4, 6, 3], False)
    assert "image.patch" not in shape


@pytest.mark.parametrize("layout", [HF, OPEN_CLIP])
def test_what_is_written_is_read_again(layout: str) -> None:
    for changes in ({}, {"quick_gelu": False}, {"loss": "sigmoid", "resnet": True}):
        if layout == HF and "loss" in changes:
            continue
        config = our_config(**changes)
        written = json.loads(json.dumps(config_of(config, layout, 1, 2)))
        assert build(CLIPConfig, nested(shape_in(written, layout, "x"))) == config
        larger = shape_in(resized(written, layout, 96), layout, "x")
        assert larger == shape_in(written, layout, "x") | {"image.size": 96}


def test_transformers_reads_what_is_written() -> None:
    config = TheirConfig(**config_of(our_config(), HF, 7, 8))
    assert (config.text_config.bos_token_id, config.text_config.eos_token_id) == (7, 8)
    assert config.vision_config.intermediate_size == 64
    files = preprocessing_of(CLIPConfig(image=ImageTowerConfig(size=64)), HF)
    assert json.loads(files["preprocessor_config.json"])["crop_size"] == {"height": 64, "width": 64}
    assert preprocessing_of(CLIPConfig(), OPEN_CLIP) == {}


OPEN = {"model_cfg": {"embed_dim": 8, "vision_cfg": {"layers": 2, "width": 64}, "text_cfg": {"width": 64}}}
BAD: list[tuple[str, dict[str, Any], str, Any, str]] = [
    (HF, {"vision_config": {}, "text_config": {}}, "vision_config.intermediate_size", 5120, "supported: 3072"),
    (HF, {"vision_config": {}, "text_config": {}}, "text_config.layer_norm_eps", 1e-6, "supported: 1e-05"),
    (HF, {"vision_config": {}, "text_config": {}}, "vision_config.num_channels", 1, "supported: 3"),
    (HF, {"vision_config": {}, "text_config": {}}, "text_config.hidden_act", "gelu", "the same in both towers"),
    (OPEN_CLIP, OPEN, "model_cfg.vision_cfg.timm_model_name", "vit_base", "a CLIP without this part"),
    (OPEN_CLIP, OPEN, "model_cfg.text_cfg.hf_model_name", "roberta-base", "a CLIP without this part"),
    (OPEN_CLIP, OPEN, "model_cfg.vision_cfg.mlp_ratio", 4.9231, "4.0"),
    (OPEN_CLIP, OPEN, "model_cfg.custom_text", True, "a CLIP without this part"),
]


@pytest.mark.parametrize(("layout", "config", "key", "value", "known"), BAD)
def test_a_part_that_this_model_lacks_is_named(
    layout: str, config: dict[str, Any], key: str, value: Any, known: str
) -> None:
    changed = copy.deepcopy(config)
    table = changed
    *folders, leaf = key.split(".")
    for name in folders:
        table = table[name]
    table[leaf] = value
    with pytest.raises(ConfigError, match=rf"c\.json: {leaf if leaf == 'hidden_act' else key} is .*{known}"):
        shape_in(changed, layout, "c.json")


def test_a_folder_of_another_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    with pytest.raises(ConfigError, match=r"model_type siglip is not supported .supported here: clip"):
        shape_of(read_folder(str(tmp_path)))
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {}}')
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match="no model_cfg with embed_dim"):
        shape_of(read_folder(str(tmp_path)))


@pytest.mark.parametrize("layout", [HF, OPEN_CLIP])
def test_images_that_are_normalised_otherwise_are_refused(tmp_path: Path, layout: str) -> None:
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.5, 0.5, 0.5]
    files = {"config.json": {"model_type": "clip"}, "preprocessor_config.json": {"image_mean": mean, "image_std": std}}
    if layout == OPEN_CLIP:
        files = {"open_clip_config.json": OPEN | {"preprocess_cfg": {"mean": mean, "std": std}}}
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    with pytest.raises(ConfigError, match=r"config\.json: (image_)?std is \[0\.5, 0\.5, 0\.5\] .supported: \[0\.268"):
        shape_of(read_folder(str(tmp_path)))
    (tmp_path / list(files)[-1]).unlink()
    if layout == HF:
        assert shape_of(read_folder(str(tmp_path))) == VIT_B_32
