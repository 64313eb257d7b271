"""Flamingo's frozen language model: any causal language model of transformers, in fp32, bf16 or int8 rows."""

from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PretrainedConfig
from transformers.pytorch_utils import Conv1D

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import BUNDLED, FrozenLanguageConfig
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.lm.model import CausalLM

INT8_LIMIT = 127


def folder_of(config: FrozenLanguageConfig) -> str | None:
    """Return the folder of a configuration's weights; None for fresh weights."""
    if config.weights == BUNDLED:
        return str(resources.files("corpusloom.trainers.flamingo") / "weights")
    return config.weights


def read_language_config(config: FrozenLanguageConfig, where: str) -> PretrainedConfig:
    """Return the language model's own configuration, without reading weights."""
    folder = folder_of(config)
    if folder is not None:
        return adapter.read_config(folder)
    if config.shape is not None:
        return adapter.make_config(config.shape, f"{where}: model.language.shape")
    raise ConfigError("no language model", where=where, remedy="--set model.language.weights=FOLDER")


def load_language(config: FrozenLanguageConfig, where: str) -> CausalLM:
    """Return the frozen language model of a configuration; on the meta device without reading weights."""
    dtype = torch.bfloat16 if config.dtype == "bf16" else torch.float32
    folder = folder_of(config)
    model = adapter.load(folder, dtype) if folder else adapter.fresh(read_language_config(config, where), dtype)
    if config.dtype == "int8":
        for layer in model.layers:
            quantise(layer)
    return model.requires_grad_(False).eval()


class Int8Linear(nn.Module):
    """A frozen linear layer with weights of 8 bits, and one scale per output, max |row| / 127."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` (out, in) and `bias` (out,) of the layer to replace; buffers, since nothing here is trained."""
        super().__init__()
        scale = weight.float().abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / INT8_LIMIT
        self.register_buffer("weight", (weight.float() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) in x's type."""
        y = F.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)


def quantise(module: nn.Module) -> None:
    """Replace the linear layers in a module, GPT-2's transposed ones too, by rows of 8 bits."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight.detach(), child.bias))
        elif isinstance(child, Conv1D):
            setattr(module, name, Int8Linear(child.weight.detach().T.contiguous(), child.bias))
        else:
            quantise(child)
