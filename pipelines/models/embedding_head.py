"""Heads over CLIP's embeddings of images, such as LAION's aesthetic predictors: linear layers read from a file.

LAION-Aesthetics V1 (`sa_0_4_vit_l_14_linear.pth`) is one layer, `weight` and `bias`; V2, the improved aesthetic
predictor (`sac+logos+ava1-l14-linearMSE.pth`), is five, `layers.0.weight` and so on, without activations between them.
Embeddings have norm 1 in both.
"""

import hashlib
import io
import re
from dataclasses import dataclass

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.embeddings.manifest import EmbeddingModel

_NAME = re.compile(r"(?:(.*?)(\d+)\.)?(weight|bias)")
MAX_BYTES = 1 << 28
"""Size of a head's file in bytes, at most; LAION's are under 4 MB."""


@dataclass(frozen=True, slots=True)
class EmbeddingHead:
    """Linear layers, the last of width 1."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Per layer the weight (out, in) and the bias (out,), float64."""
    digest: str
    """sha256 of the file."""

    @property
    def width(self) -> int:
        """Return the width of the embeddings."""
        return int(self.layers[0][0].shape[1])

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Return one score per embedding: (N, E) -> (N,) float64."""
        rows = embeddings.astype(np.float64)
        for weight, bias in self.layers:
            rows = (rows[:, None, :] * weight[None]).sum(2) + bias  # in an order of its own, so no BLAS matters
        return rows[:, 0]


def load_head(path: str) -> EmbeddingHead:
    """Read a head from a .safetensors, .pth or .pt file; InputError if it is none.

    Of a .pth only tensors are read (`weights_only`): a pickle that holds anything else is refused, and runs nothing.
    """
    size = storage.size(path)
    if size > MAX_BYTES:
        raise InputError(f"has {size:,} bytes, more than a head can have", where=path, remedy=_REMEDY)
    data = storage.read_bytes(path)
    tensors = _read_tensors(path, data)
    layers: dict[int, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise InputError(f"holds {name}, which belongs to no linear layer", where=path, remedy=_REMEDY)
        layers.setdefault(int(found[2] or 0), {})[found[3]] = tensor
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for number in sorted(layers):
        layer = layers[number]
        weight = layer.get("weight")
        if weight is None or weight.ndim != 2:
            raise InputError(f"layer {number} has no weight of two dimensions", where=path, remedy=_REMEDY)
        bias = layer.get("bias", np.zeros(len(weight)))
        fits = bias.shape == (len(weight),) and (not made or weight.shape[1] == len(made[-1][0]))
        if not fits:
            raise InputError(f"the shape of layer {number} does not fit", where=path, remedy=_REMEDY)
        made.append((weight, bias))
    if not made or len(made[-1][0]) != 1:
        raise InputError("does not end in a layer of width 1", where=path, remedy=_REMEDY)
    return EmbeddingHead(tuple(made), hashlib.sha256(data).hexdigest())


def digest_with_head(model: EmbeddingModel, path: str) -> str:
    """Return the digest of a CLIP and a head; InputError for a head of another width than its embeddings."""
    head = load_head(path)
    if head.width != model.width:
        what = f"takes embeddings of width {head.width}, the CLIP {model.path} makes {model.width}"
        raise InputError(what, where=path, remedy="give the CLIP that the head was trained on")
    return hashlib.sha256(f"{model.digest} {head.digest}".encode()).hexdigest()


_REMEDY = "give a head of linear layers over image embeddings, such as LAION's aesthetic predictors"


def _read_tensors(path: str, data: bytes) -> dict[str, np.ndarray]:
    """Return name -> tensor as float64; InputError for a file that is no table of tensors."""
    import torch
    from safetensors.torch import load

    try:
        if path.endswith(".safetensors"):
            found = load(data)
        else:
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return {name: tensor.double().numpy() for name, tensor in found.items()}
    except Exception as error:
        raise InputError(f"is no file of weights: {error}", where=path, remedy=_REMEDY) from error
