"""CLIP's typed tables: strict, with a ResNet told from a transformer by its layers."""

import pytest

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import CLIPDataConfig
from corpusloom.trainers.clip.model import CLIPConfig
from corpusloom.trainers.clip.towers import ImageTowerConfig


def test_a_list_of_layers_is_a_resnet_and_a_number_a_transformer() -> None:
    assert tables.build(CLIPConfig, {"image": {"layers": [3, 4, 6, 3]}}).image.layers == (3, 4, 6, 3)
    assert tables.build(ImageTowerConfig, {"layers": [1, 1]}).is_resnet
    assert not ImageTowerConfig(layers=12).is_resnet


def test_the_default_is_vit_b_32() -> None:
    config = CLIPConfig()
    assert (config.embed_dim, config.image.patch, config.text.context, config.text.vocab_size) == (512, 32, 77, 49_408)


@pytest.mark.parametrize(
    ("cls", "values", "match"),
    [
        (CLIPConfig, {"loss": "triplet"}, "softmax or sigmoid"),
        (CLIPConfig, {"quik_gelu": True}, "quick_gelu"),
        (CLIPDataConfig, {"chunks": 0}, "chunks is 0"),
        (CLIPDataConfig, {"margin": -0.1}, "margin"),
    ],
)
def test_mistakes_are_named(cls: type, values: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tables.build(cls, values)
