"""Shapes go through both layouts; folders of other models are refused."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.config import build
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.layouts.shapes import new_files, resized, shape_in, shape_of
from corpusloom.trainers.training.hub.folders import HF, LAYOUTS, OPEN_CLIP, read_folder
from corpusloom.trainers.training.hub.shapes import nested
from tests.trainers.clip.folders import our_config, siglip_config

BOTH = (our_config(), our_config(activation="gelu"))
CASES = [
    *((config, layout) for config in BOTH for layout in (HF, OPEN_CLIP)),
    (our_config(loss="sigmoid", resnet=True), OPEN_CLIP),
    (siglip_config(), HF),
]


@pytest.mark.parametrize(("config", "layout"), CASES)
def test_what_is_written_is_read_again(config: CLIPConfig, layout: str, tmp_path: Path) -> None:
    files = new_files(config, layout, {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert build(CLIPConfig, nested(shape_of(read_folder(str(tmp_path))))) == config
    written = json.loads(files[LAYOUTS[layout].config])
    larger = shape_in(resized(written, layout, 96), layout, "x")
    assert larger == shape_in(written, layout, "x") | {"image.size": 96}


def test_a_folder_of_another_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "siglip2"}')
    with pytest.raises(ConfigError, match=r"model_type siglip2 is not supported .supported here: clip, siglip"):
        shape_of(read_folder(str(tmp_path)))
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {}}')
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match="no model_cfg with embed_dim"):
        shape_of(read_folder(str(tmp_path)))
