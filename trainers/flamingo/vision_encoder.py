"""Flamingo's vision encoder, frozen or trained: the image tower of a CLIP or of a SigLIP (arXiv 2303.15343)."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip import task as clip_task
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.initial import read_source
from corpusloom.trainers.clip.model import make_image_tower
from corpusloom.trainers.clip.towers.positions import resized
from corpusloom.trainers.clip.towers.resnet import ModifiedResNet
from corpusloom.trainers.clip.towers.vision_transformer import VisionTransformer
from corpusloom.trainers.flamingo.config import VisionEncoderConfig
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.folders import is_model_folder, read_folder
from corpusloom.trainers.training.hub.shapes import nested

SIGLIP, SIGLIP_TOWER = "siglip", "siglip_vision_model"
"""Types of a folder with both towers, and of one with the image tower alone."""


class SiglipTower(nn.Module):
    """The image tower of a SigLIP: all patches after the last layer norm, no class token."""

    def __init__(self, network: SiglipVisionModel) -> None:
        super().__init__()
        self.network = network
        shape: Any = network.config
        self.grid_width, self.size, self.patch = int(shape.hidden_size), int(shape.image_size), int(shape.patch_size)

    def set_size(self, size: int) -> None:
        """Interpolate the positions to images of another size, in pixels a side."""
        embeddings: Any = self.network.embeddings
        weight = resized(embeddings.position_embedding.weight, size // self.patch, fixed=0)
        embeddings.position_embedding.weight = weight
        embeddings.position_embedding.num_embeddings = embeddings.num_positions = embeddings.num_patches = len(weight)
        embeddings.position_ids = torch.arange(len(weight), device=weight.device)[None]
        embeddings.image_size = self.network.config.image_size = self.size = size

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


def load_vision(vision: VisionEncoderConfig, where: str) -> VisionTower:
    """Return the image tower of a checkpoint or folder, else one with fresh weights.

    A tower that is trained has fresh weights if its shape is known: its own are in the checkpoints of the run.
    """
    if vision.checkpoint is not None and (vision.freeze or vision.shape is None):
        device = torch.empty(0).device
        with torch.device("cpu"):
            tower = _from_folder(vision.checkpoint)
        return tower.to(device)
    if vision.shape is not None:
        return _fresh(vision.shape, f"{where}: model.vision.shape")
    if vision.config is not None:
        return clip_task.build_model(load_config(vision.config)).image
    raise ConfigError("no vision encoder", where=where, remedy="--set model.vision.checkpoint=RUN_OR_FOLDER")


def _from_folder(path: str) -> VisionTower:
    if not _is_siglip(path):
        return clip_task.load_clip(path)[0].image
    network: SiglipVisionModel = adapter.load_network(SiglipVisionModel, path, torch.float32)
    return SiglipTower(network)


def _is_siglip(path: str) -> bool:
    return is_model_folder(path) and read_folder(path).model_type in (SIGLIP, SIGLIP_TOWER)


def _fresh(shape: dict[str, Any], where: str) -> VisionTower:
    if "model_type" not in shape:
        return make_image_tower(tables.build(CLIPConfig, shape, where))
    config = adapter.make_config(shape, where)
    if not isinstance(config, SiglipVisionConfig):
        remedy = f'set model_type = "{SIGLIP_TOWER}", or name a CLIP in model.vision.config'
        raise ConfigError(f"model_type is {config.model_type!r}", where=where, remedy=remedy)
    return SiglipTower(SiglipVisionModel(config))


def read_shape(path: str) -> dict[str, Any]:
    """Return the table `model.vision.shape` of the tower in a checkpoint or folder, without reading its weights."""
    if _is_siglip(path):
        config: Any = adapter.read_config(path)
        return {**adapter.shape_of(getattr(config, "vision_config", config)), "model_type": SIGLIP_TOWER}
    shape = read_source(path).shape
    return nested({key: value for key, value in shape.items() if key.partition(".")[0] not in ("text", "loss")})


def unfreeze(tower: nn.Module) -> None:
    """Let a tower be trained, except for the layers after its grid, which Flamingo does not read."""
    tower.requires_grad_(True)
    for name in ("projection", "pool", "network.head"):
        with contextlib.suppress(AttributeError):
            tower.get_submodule(name).requires_grad_(False)


def fit_size(tower: VisionTower, size: int | None, where: str) -> None:
    """Make a tower read images of `size` pixels a side: its positions are interpolated. None leaves it as it is.

    Raises ConfigError unless the size is a multiple of the patch, or of a ResNet's stride. A tower with attention
    pooling (SigLIP) takes any size of a patch or more: pixels left over at the right and the bottom are not seen.
    """
    if size is None or size == tower.size:
        return
    unit = tower.stride if isinstance(tower, ModifiedResNet) else tower.patch
    leaves_over = isinstance(tower, SiglipTower) or (isinstance(tower, VisionTransformer) and tower.is_pooled)
    if size < unit or (size % unit and not leaves_over):
        raise ConfigError(
            f"data.size is {size}, the vision encoder takes multiples of {unit} pixels a side",
            where=where,
            remedy=f"--set data.size={max(1, round(size / unit)) * unit}, or data.size=off for {tower.size}",
        )
    tower.set_size(size)
