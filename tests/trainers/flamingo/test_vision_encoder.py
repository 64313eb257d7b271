"""The vision encoder: a SigLIP's grid against the library's, folders, and sizes of images that do not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.flamingo.config import VisionEncoderConfig
from corpusloom.trainers.flamingo.vision_encoder import SiglipTower, fit_size, load_vision, read_shape, unfreeze
from tests.trainers.clip.folders import hf_folder

SHAPE = {
    "model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}


def test_a_siglip_gives_its_patches_after_the_last_norm_for_pixels_from_minus_1_to_1() -> None:
    torch.manual_seed(0)
    tower = load_vision(VisionEncoderConfig(shape=SHAPE), "tests")
    assert isinstance(tower, SiglipTower)
    images = torch.randint(0, 256, (2, 3, 28, 28), dtype=torch.uint8)
    wanted = tower.network(pixel_values=(images / 255 - 0.5) / 0.5).last_hidden_state
    torch.testing.assert_close(tower.grid(images), wanted, atol=1e-5, rtol=0)
    assert (tower.grid_width, tower.size) == (16, 28) == (wanted.shape[2], images.shape[-1])
    assert len([tower.get_submodule(name) for name in tower.block_names()]) == 2


@pytest.mark.parametrize("both", [True, False])
def test_a_siglip_folder_gives_its_image_tower(both: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = {key: value for key, value in SHAPE.items() if key != "model_type"}
    whole = SiglipModel(SiglipConfig(vision_config=own, text_config=TEXT)).eval()
    (whole if both else SiglipVisionModel(whole.config.vision_config)).save_pretrained(tmp_path)
    tower = load_vision(VisionEncoderConfig(checkpoint=str(tmp_path), config="clip-tiny"), "tests")
    images = torch.randint(0, 256, (1, 3, 28, 28), dtype=torch.uint8)
    assert isinstance(tower, SiglipTower)
    if both:
        state = whole.vision_model.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in tower.network.state_dict().items())
        assert torch.equal(
            tower.grid(images), whole.vision_model(pixel_values=images.float() / 127.5 - 1).last_hidden_state
        )
    with torch.device("meta"):
        meta = load_vision(VisionEncoderConfig(checkpoint=str(tmp_path)), "tests")
    assert {parameter.device.type for parameter in meta.parameters()} == {"meta"}
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(LoomError, match=r"model\.safetensors"):
        load_vision(VisionEncoderConfig(checkpoint=str(tmp_path)), "tests")


def test_a_configuration_without_or_with_a_wrong_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="no vision encoder"):
        load_vision(VisionEncoderConfig(), "tests")
    with pytest.raises(ConfigError, match="model_type is 'gpt2'"):
        load_vision(VisionEncoderConfig(shape={"model_type": "gpt2"}), "tests")


CLIP = {
    "embed_dim": 8,
    "image": {"size": 16, "layers": 1, "width": 16, "heads": 2, "patch": 4, "pool": "class"},
}
MAP = {"embed_dim": 16, "image": {**CLIP["image"], "pool": "map"}}  # type: ignore[dict-item]
RESNET = {"embed_dim": 8, "image": {"size": 64, "layers": [1, 1, 1, 1], "width": 8, "heads": 2}}
TOWERS = {"clip": (CLIP, 24), "map": (MAP, 26), "resnet": (RESNET, 96), "siglip": (SHAPE, 44)}
"""Name -> table of model.vision.shape, and a larger size of images."""


@pytest.mark.parametrize(("shape", "size"), TOWERS.values(), ids=TOWERS)
def test_a_tower_reads_larger_images_with_interpolated_positions(shape: dict[str, Any], size: int) -> None:
    torch.manual_seed(0)
    tower = load_vision(VisionEncoderConfig(shape=shape), "tests").eval()
    small = tower.size
    fit_size(tower, None, "tests")
    fit_size(tower, small, "tests")
    assert tower.size == small
    before = tower.grid(torch.zeros(1, 3, small, small, dtype=torch.uint8)).shape[1]
    fit_size(tower, size, "tests")
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    assert tower.size == size
    assert tower.grid(images).shape[1] > before
    assert tower(images).isfinite().all()
    with torch.device("meta"):
        meta = load_vision(VisionEncoderConfig(shape=shape), "tests")
        fit_size(meta, size, "tests")
    shapes = {name: value.shape for name, value in tower.state_dict().items()}
    assert {name: value.shape for name, value in meta.state_dict().items()} == shapes


@pytest.mark.parametrize(("name", "size", "near"), [("clip", 30, 32), ("resnet", 100, 96), ("siglip", 9, 14)])
def test_a_size_that_the_encoder_does_not_take_is_refused_with_the_nearest_one(name: str, size: int, near: int) -> None:
    tower = load_vision(VisionEncoderConfig(shape=TOWERS[name][0]), "tests")
    with pytest.raises(ConfigError, match=rf"data\.size is {size}.*multiples of .*data\.size={near}"):
        fit_size(tower, size, "tests")


@pytest.mark.parametrize(("shape", "_size"), TOWERS.values(), ids=TOWERS)
def test_every_weight_that_is_trained_has_a_gradient_from_the_grid(shape: dict[str, Any], _size: int) -> None:
    torch.manual_seed(0)
    tower = load_vision(VisionEncoderConfig(shape=shape), "tests").eval().requires_grad_(False)
    unfreeze(tower)
    tower.grid(torch.randint(0, 256, (2, 3, tower.size, tower.size), dtype=torch.uint8)).square().sum().backward()
    trained = [name for name, parameter in tower.named_parameters() if parameter.requires_grad]
    assert trained == [name for name, parameter in tower.named_parameters() if parameter.grad is not None]
    assert len(trained) < len(list(tower.parameters()))


def test_the_shape_of_a_folders_tower_makes_the_same_tower_with_fresh_weights(tmp_path: Path) -> None:
    own = {key: value for key, value in SHAPE.items() if key != "model_type"}
    SiglipModel(SiglipConfig(vision_config=own, text_config=TEXT)).save_pretrained(tmp_path / "siglip")
    folder, _ = hf_folder(tmp_path / "clip")
    for path in (str(tmp_path / "siglip"), folder):
        theirs = load_vision(VisionEncoderConfig(checkpoint=path), "tests").state_dict()
        table = json.loads(json.dumps(read_shape(path)))
        trained = VisionEncoderConfig(checkpoint=path, shape=table, freeze=False)
        fresh = load_vision(trained, "tests").state_dict()
        assert {name: value.shape for name, value in fresh.items()} == {n: v.shape for n, v in theirs.items()}
        assert not all(torch.equal(value, theirs[name]) for name, value in fresh.items())
