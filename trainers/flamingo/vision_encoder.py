"""Flamingo's frozen vision encoder: the image tower of a CLIP or of a SigLIP (arXiv 2303.15343)."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip import task as clip_task
from corpusloom.trainers.clip.towers.resnet import ModifiedResNet
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer
from corpusloom.trainers.flamingo.config import FrozenVisionConfig
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.folders import is_model_folder, read_folder

RESNET_STRIDE = 32
"""Pixels per place of the last stage's grid."""
SIGLIP, SIGLIP_TOWER = "siglip", "siglip_vision_model"
"""Types of a folder with both towers, and of one with the image tower alone."""


class SiglipTower(nn.Module):
    """The image tower of a SigLIP: all patches after the last layer norm, no class token."""

    def __init__(self, network: SiglipVisionModel) -> None:
        super().__init__()
        self.network = network
        shape: Any = network.config
        self.grid_width, self.size = int(shape.hidden_size), int(shape.image_size)

    def grid(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 -> (B, patches, V)."""
        return self._read(images).last_hidden_state

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 -> embeddings (B, V), not normalised: the pooled patches, or their mean without a head."""
        found = self._read(images)
        return found.last_hidden_state.mean(1) if found.pooler_output is None else found.pooler_output

    def _read(self, images: Tensor) -> Any:
        """Return the network's outputs; pixels become -1 to 1."""
        return self.network(pixel_values=images.float() / 127.5 - 1)

    def block_names(self) -> list[str]:
        """Return the names of the modules that are each one unit of sharding and recomputation."""
        return [f"network.encoder.layers.{number}" for number in range(len(self.network.encoder.layers))]


VisionTower = VisionTransformer | ModifiedResNet | SiglipTower


def load_vision(vision: FrozenVisionConfig, where: str) -> VisionTower:
    """Return the image tower of a checkpoint or folder, else one with fresh weights."""
    if vision.checkpoint is not None:
        device = torch.empty(0).device
        with torch.device("cpu"):
            tower = _from_folder(vision.checkpoint)
        return tower.to(device)
    if vision.shape is not None:
        return SiglipTower(SiglipVisionModel(_siglip_config(vision.shape, f"{where}: model.vision.shape")))
    if vision.config is not None:
        return clip_task.build_model(load_config(vision.config)).image
    raise ConfigError("no vision encoder", where=where, remedy="--set model.vision.checkpoint=RUN_OR_FOLDER")


def _from_folder(path: str) -> VisionTower:
    if not is_model_folder(path) or read_folder(path).model_type not in (SIGLIP, SIGLIP_TOWER):
        return clip_task.load_clip(path)[0].image
    network: SiglipVisionModel = adapter.load_network(SiglipVisionModel, path, torch.float32)
    return SiglipTower(network)


def _siglip_config(shape: dict[str, Any], where: str) -> SiglipVisionConfig:
    config = adapter.make_config(shape, where)
    if not isinstance(config, SiglipVisionConfig):
        remedy = f'set model_type = "{SIGLIP_TOWER}", or name a CLIP in model.vision.config'
        raise ConfigError(f"model_type is {config.model_type!r}", where=where, remedy=remedy)
    return config


def check_size(size: int | None, tower: VisionTower, where: str) -> None:
    """Raise ConfigError for a size of images that the vision encoder does not take.

    A vision transformer has positions for one size; a ResNet takes any multiple of its stride, 32.
    """
    if size is None or size == tower.size:
        return
    if not isinstance(tower, ModifiedResNet) or size % RESNET_STRIDE:
        raise ConfigError(
            f"data.size is {size}, the vision encoder takes images of {tower.size} pixels a side",
            where=where,
            remedy="leave data.size out (--set data.size=off), or use another vision encoder",
        )
