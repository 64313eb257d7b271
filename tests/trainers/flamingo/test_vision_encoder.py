"""The frozen vision encoder: a SigLIP's grid against the library's, folders, and sizes of images that do not fit."""

from pathlib import Path

import pytest
import torch
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.flamingo.config import FrozenVisionConfig
from corpusloom.trainers.flamingo.vision_encoder import SiglipTower, check_size, load_vision

SHAPE = {
    "model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}


def test_a_siglip_gives_its_patches_after_the_last_norm_for_pixels_from_minus_1_to_1() -> None:
    torch.manual_seed(0)
    tower = load_vision(FrozenVisionConfig(shape=SHAPE), "tests")
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
    tower = load_vision(FrozenVisionConfig(checkpoint=str(tmp_path), config="clip-tiny"), "tests")
    images = torch.randint(0, 256, (1, 3, 28, 28), dtype=torch.uint8)
    assert isinstance(tower, SiglipTower)
    if both:
        state = whole.vision_model.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in tower.network.state_dict().items())
        assert torch.equal(
            tower.grid(images), whole.vision_model(pixel_values=images.float() / 127.5 - 1).last_hidden_state
        )
    with torch.device("meta"):
        meta = load_vision(FrozenVisionConfig(checkpoint=str(tmp_path)), "tests")
    assert {parameter.device.type for parameter in meta.parameters()} == {"meta"}
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(LoomError, match=r"model\.safetensors"):
        load_vision(FrozenVisionConfig(checkpoint=str(tmp_path)), "tests")


def test_a_configuration_without_or_with_a_wrong_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="no vision encoder"):
        load_vision(FrozenVisionConfig(), "tests")
    with pytest.raises(ConfigError, match="model_type is 'gpt2'"):
        load_vision(FrozenVisionConfig(shape={"model_type": "gpt2"}), "tests")


def test_a_size_that_the_encoder_does_not_take_is_refused_with_both_values() -> None:
    with torch.device("meta"):
        transformer = load_vision(FrozenVisionConfig(config="clip-vit-l-14"), "tests")
        resnet = load_vision(FrozenVisionConfig(config="clip-rn50"), "tests")
    check_size(None, transformer, "tests")
    check_size(224, transformer, "tests")
    check_size(320, resnet, "tests")
    for tower, size in ((transformer, 320), (resnet, 300)):
        with pytest.raises(ConfigError, match=rf"data\.size is {size}.* images of 224 pixels a side"):
            check_size(size, tower, "tests")
