"""A small ViLBERT and random inputs for it."""

from typing import Any

import torch
from torch import Tensor

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT

TOKENS, REGIONS = 9, 7


def small_config(**changes: Any) -> ViLBERTConfig:
    """Return a configuration in which all widths differ, so that code which confuses two of them fails."""
    values: dict[str, Any] = {"vocab_size": 50, "max_tokens": 16, "hidden": 24, "layers": 4, "heads": 4, "ffw": 40}
    values |= {"v_hidden": 32, "v_layers": 2, "v_heads": 2, "v_ffw": 36, "co_hidden": 16, "co_heads": 2}
    values |= {"feature_width": 10, "class_count": 12, "v_connections": (0, 1), "t_connections": (2, 3)}
    return ViLBERTConfig(**(values | {"dropout": 0.0} | changes))


def small_model(**changes: Any) -> ViLBERT:
    """Return the model with weights so large that every part affects the outputs."""
    torch.manual_seed(0)
    model = ViLBERT(small_config(**changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def random_inputs(batch: int = 3) -> dict[str, Tensor]:
    """Return the arguments of a forward pass; each row has some padding."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.arange(batch)[:, None] + TOKENS - 4 > torch.arange(TOKENS)
    regions = torch.arange(batch)[:, None] + REGIONS - 3 > torch.arange(REGIONS)
    return {
        "tokens": torch.randint(5, 50, (batch, TOKENS), generator=generator),
        "token_mask": tokens,
        "features": torch.randn(batch, REGIONS, 10, generator=generator),
        "locations": torch.rand(batch, REGIONS, 5, generator=generator),
        "region_mask": regions,
    }
