"""CLIP's configuration: its defaults, and mistakes in it."""

import pytest

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig


def test_the_default_is_vit_b_32() -> None:
    config = CLIPConfig()
    assert (config.embed_dim, config.image.patch, config.text.context, config.text.vocab_size) == (512, 32, 77, 49_408)
    assert tables.build(CLIPConfig, {"image": {"layers": [3, 4, 6, 3]}}).image.layers == (3, 4, 6, 3)


@pytest.mark.parametrize(
    ("values", "match"), [({"loss": "triplet"}, "softmax or sigmoid"), ({"quik_gelu": True}, "quick_gelu")]
)
def test_mistakes_in_the_model_table_are_named(values: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tables.build(CLIPConfig, values)
