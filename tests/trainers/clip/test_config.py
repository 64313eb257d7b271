"""CLIP's configuration: its defaults, and mistakes in it."""

from dataclasses import replace

import pytest

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig, CLIPDataConfig, ImageTowerConfig, TextTowerConfig, model_config
from corpusloom.trainers.training.config import load_config


def test_the_default_is_vit_b_32() -> None:
    config = CLIPConfig()
    assert (config.embed_dim, config.image.patch, config.text.context, config.text.vocab_size) == (512, 32, 77, 49_408)
    assert tables.build(CLIPConfig, {"image": {"layers": [3, 4, 6, 3]}}).image.layers == (3, 4, 6, 3)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"loss": "triplet"}, "softmax or sigmoid"),
        ({"activtion": "gelu"}, "activation"),
        ({"activation": "relu"}, "gelu_tanh"),
        ({"image": {"pool": "mean"}}, "class or map"),
        ({"image": {"resize": "pad"}}, "crop or squash"),
        ({"text": {"pool": "mean"}}, "end or last"),
    ],
)
def test_mistakes_in_the_model_table_are_named(values: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tables.build(CLIPConfig, values)


def test_the_key_of_earlier_checkpoints_is_read() -> None:
    config = load_config("clip-tiny")
    for old, activation in ((True, "quick_gelu"), (False, "gelu")):
        model = {key: value for key, value in config.model.items() if key != "activation"} | {"quick_gelu": old}
        assert model_config(replace(config, model=model)).activation == activation


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match="not a multiple of the patch"):
        ImageTowerConfig(size=33, patch=8)
    with pytest.raises(ConfigError, match="patch_dropout"):
        ImageTowerConfig(patch_dropout=1.0)
    assert ImageTowerConfig(size=33, patch=8, pool="map").size == 33
    with pytest.raises(ConfigError, match="a ResNet with pool = map"):
        ImageTowerConfig(layers=(1, 1), pool="map")
    with pytest.raises(ConfigError, match="std is"):
        ImageTowerConfig(std=(0.5, 0.0, 0.5))
    with pytest.raises(ConfigError, match="attends to its padding"):
        TextTowerConfig(trim=True, pool="last")
    with pytest.raises(ConfigError, match=r"embed_dim is 512, .* image\.width, 768"):
        CLIPConfig(image=ImageTowerConfig(pool="map"))


def test_a_list_of_layers_is_a_resnet_and_a_number_a_transformer() -> None:
    assert tables.build(ImageTowerConfig, {"layers": [1, 1]}).is_resnet
    assert not ImageTowerConfig(layers=12).is_resnet


@pytest.mark.parametrize(
    ("values", "match"),
    [({"zoom": -0.1}, "zoom is -0.1"), ({"greyscale": 1.5}, "0 up to 1"), ({"rotation": 200.0}, "0 up to 180")],
)
def test_an_augmentation_beyond_its_range_is_refused(values: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tables.build(CLIPDataConfig, values)
