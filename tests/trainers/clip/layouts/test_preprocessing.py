"""How images are prepared: mean and deviation of a folder, the file for transformers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError
from corpusloom.trainers.clip.config import MEAN, STD, CLIPConfig, ImageTowerConfig
from corpusloom.trainers.clip.layouts.preprocessing import mean_and_std_of, preprocessing_of
from corpusloom.trainers.training.hub.folders import HF, OPEN_CLIP, read_folder
from tests.trainers.clip.folders import siglip_config

ODD = [0.1, 0.2, 0.3]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_mean_and_deviation_are_the_folders_own_or_those_of_its_kind(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    known = (MEAN, STD) if kind == "clip" else ([0.5] * 3, [0.5] * 3)
    found = mean_and_std_of(read_folder(str(tmp_path)))
    assert found == {"image.mean": list(known[0]), "image.std": list(known[1])}
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"image_mean": ODD}}))
    assert mean_and_std_of(read_folder(str(tmp_path)))["image.mean"] == ODD
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [1, 2, 3], "image_std": ODD}))
    assert mean_and_std_of(read_folder(str(tmp_path))) == {"image.mean": [1, 2, 3], "image.std": ODD}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_std": 0.5}))
    with pytest.raises(DamageError, match=r"preprocessor_config\.json: image_std is 0\.5"):
        mean_and_std_of(read_folder(str(tmp_path)))


def test_those_of_open_clip_stand_in_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}, "preprocess_cfg": {"std": ODD}}))
    assert mean_and_std_of(read_folder(str(tmp_path))) == {"image.mean": list(MEAN), "image.std": ODD}


def test_transformers_gets_the_processor_of_the_kind_of_model() -> None:
    values = preprocessing_of(CLIPConfig(image=ImageTowerConfig(size=64)), HF)["preprocessor_config.json"]
    assert values["crop_size"] == {"height": 64, "width": 64}
    assert values["image_processor_type"] == "CLIPImageProcessor"
    config = siglip_config()
    siglip = preprocessing_of(replace(config, image=replace(config.image, std=(0.1, 0.2, 0.3))), HF)
    values = siglip["preprocessor_config.json"]
    assert values["size"] == {"height": 16, "width": 16}
    assert (values["image_mean"], values["image_std"]) == ([0.5] * 3, ODD)
    assert values["image_processor_type"] == "SiglipImageProcessor"
    assert "do_center_crop" not in values
    assert preprocessing_of(CLIPConfig(), OPEN_CLIP) == {}
