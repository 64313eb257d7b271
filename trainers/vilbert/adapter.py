"""Loads initial weights of the text stream from a BERT in transformers' layout (arXiv 1908.02265, section 3.1).

Parts without a counterpart in BERT (visual stream, connections, poolers, region and alignment heads) stay unchanged.
"""

import re
from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.vilbert.model import FROM_BERT, ViLBERT

_RENAMES = (
    (r"^bert\.", ""),
    (r"LayerNorm\.(gamma|weight)$", "norm.weight"),
    (r"LayerNorm\.(beta|bias)$", "norm.bias"),
    (r"^embeddings\.(word|position|token_type)_embeddings", r"text_embeddings.\1"),
    (r"^embeddings\.norm", "text_embeddings.norm"),
    (r"^text_embeddings\.word", "text_embeddings.token"),
    (r"^text_embeddings\.token_type", "text_embeddings.segment"),
    (r"^encoder\.layer\.", "text_layers."),
    (r"\.attention\.self\.", "."),
    (r"\.attention\.output\.", ".output#"),
    (r"\.intermediate\.dense", ".ffw.intermediate"),
    (r"^(text_layers\.\d+)\.output\.", r"\1.ffw.output."),
    (r"output#", "output."),
    (r"^cls\.predictions\.transform\.", "word_transform."),
    (r"^cls\.predictions\.(decoder\.)?bias", "word_bias"),
)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a BERT's tensors under this model's names, without pooler and next-sentence head."""
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        if name.startswith(FROM_BERT):
            renamed[name] = tensor
    return renamed


def load_bert(model: ViLBERT, path: str) -> int:
    """Load text stream and, if the file has one, word head from a .safetensors file; return the number of tensors.

    Raises InputError if a tensor of the text stream is missing or a shape does not fit.
    """
    try:
        found = from_transformers(load_tensors(storage.read_bytes(path)))
    except SafetensorError as error:
        raise InputError(f"not a safetensors file: {error}", where=path) from error
    own = model.state_dict()
    missing = [name for name in own if name.startswith(FROM_BERT[:2]) and name not in found]
    if missing:
        raise InputError(
            f"lacks {missing[0]} and {len(missing) - 1} others", where=path, remedy="use a BERT in transformers' layout"
        )
    taken = {name: tensor for name, tensor in found.items() if name in own}
    for name, tensor in taken.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{name} is {tuple(tensor.shape)}, the model's {tuple(own[name].shape)}",
                where=path,
                remedy="set the model's widths and vocab_size to the file's",
            )
    model.load_state_dict({**own, **taken})
    return len(taken)
