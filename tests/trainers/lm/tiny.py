"""Language models of each family, at the smallest sizes."""

from typing import Any

import torch

from corpusloom.trainers.lm import adapter
from corpusloom.trainers.lm.model import CausalLM

_COMMON = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
_LLAMA = {**_COMMON, "max_position_embeddings": 96, "intermediate_size": 48}
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", "vocab_size": 50, "n_positions": 96, "n_embd": 16, "n_layer": 4, "n_head": 2},
    "opt": {
        **_COMMON, "model_type": "opt", "max_position_embeddings": 96, "ffn_dim": 32, "word_embed_proj_dim": 8,
        "pad_token_id": 0,
    },
    "llama": {**_LLAMA, "model_type": "llama", "tie_word_embeddings": True},
    "gpt_neox": {**_LLAMA, "model_type": "gpt_neox"},
    "qwen2": {**_LLAMA, "model_type": "qwen2", "num_key_value_heads": 1},
    "qwen3": {**_LLAMA, "model_type": "qwen3", "num_key_value_heads": 1, "head_dim": 8},
}  # fmt: skip
"""Family -> table of its config.json. The embeddings of OPT are narrower than its layers, as in OPT-350M."""


def tiny(family: str = "gpt2", **changes: Any) -> CausalLM:
    """Return a language model with random weights, in evaluation mode."""
    torch.set_num_threads(1)
    return adapter.fresh(adapter.make_config({**SHAPES[family], **changes}, "tests")).eval()
