"""Reads the weights of a checkpoint as they are on disk."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def saved_weights(folder: str) -> dict[str, Tensor]:
    """Return a checkpoint's weights and buffers by name, of a run of one rank."""
    found = {name: value for path in Path(folder).glob("*.safetensors") for name, value in load_file(path).items()}
    return {name.removeprefix("model:"): value for name, value in found.items() if name.startswith("model:")}
