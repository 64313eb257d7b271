"""The shape of a BERT or a published ViLBERT is read; what this model lacks is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.config import build
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.hub.folders import read_folder
from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.shapes import config_of, shape_of
from tests.trainers.vilbert.small import small_config

PUBLISHED = {"v_biattention_id": [0, 1, 2, 3, 4, 5], "t_biattention_id": [6, 7, 8, 9, 10, 11], "pooling_method": "mul"}


def shape(tmp_path: Path, config: dict[str, Any]) -> dict[str, Any]:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return shape_of(read_folder(str(tmp_path)))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    config = small_config(dropout=0.1)
    assert build(ViLBERTConfig, shape(tmp_path, json.loads(config_of(config)))) == config


def test_the_published_configuration_is_vilbert_base(tmp_path: Path) -> None:
    assert build(ViLBERTConfig, shape(tmp_path, PUBLISHED)) == ViLBERTConfig()


def test_a_bert_gives_the_text_stream_alone(tmp_path: Path) -> None:
    found = shape(tmp_path, {"model_type": "bert", "num_hidden_layers": 3})
    assert found["layers"] == 3
    assert set(found) == {"vocab_size", "max_tokens", "hidden", "layers", "heads", "ffw"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "roberta"}, "model_type roberta is not supported .supported here: bert, vilbert"),
        ({"model_type": "bert", "hidden_act": "relu"}, "hidden_act is 'relu' .supported: 'gelu'"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "position_embedding_type is"),
        (PUBLISHED | {"task_specific_tokens": True}, "task_specific_tokens is True"),
        ({"v_biattention_id": [0]}, "no t_biattention_id"),
    ],
)
def test_what_this_model_lacks_is_named(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"config\.json: {message}"):
        shape(tmp_path, config)
