"""Each shipped configuration runs forward and backward at reduced width, and the published sizes are what they say."""

from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.trainers import registry
from corpusloom.trainers.flamingo.config import FlamingoConfig, parts
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.training.config import RunConfig, config_names, load_config
from corpusloom.trainers.training.task import StepContext

LANGUAGE = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 48, "num_attention_heads": 2}
SIGLIP = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "image_size": 28}
REDUCED: dict[str, dict[str, Any]] = {
    "clip": {"embed_dim": 8, "text.width": 16, "text.heads": 2, "text.vocab_size": 64, "image.heads": 2},
    "flamingo": {
        "visual_width": 8, "resampler_heads": 2, "resampler_head_width": 4, "heads": 2, "head_width": 4,
        **{f"language.shape.{key}": value for key, value in LANGUAGE.items()},
        **{f"vision.shape.{key}": value for key, value in SIGLIP.items()},
    },
    "vilbert": {
        "vocab_size": 64, "hidden": 16, "heads": 2, "ffw": 32, "feature_width": 24, "class_count": 12, "v_hidden": 16,
        "v_heads": 2, "v_ffw": 16, "co_hidden": 16, "co_heads": 2,
    },
    "lm": {"shape.n_embd": 16, "shape.vocab_size": 64},
}  # fmt: skip
"""Family -> keys of the model table that are divided; layers, stages and positions stay."""
NO_GRADIENT = {"flamingo": {"end_of_chunk"}}
"""Family -> parameters without a gradient in a batch of zeros, in which no token is <EOC>."""

UNUSED = {
    "vilbert-refcoco": (
        "text_pooler.", "image_pooler.", "text_layers.11.", "connections.5.t_query.", "connections.5.t_output.",
        "connections.5.t_ffw.", "connections.5.v_key.", "connections.5.v_value.",
    ),
    "vilbert-retrieval": ("word_", "region_transform.", "region_decoder."),
}  # fmt: skip
"""Configuration -> beginnings of names that its loss does not depend on: that of regions alone, that of pairs."""


def reduced(name: str) -> RunConfig:
    """Return a shipped configuration at a small width, with its own structure."""
    config = load_config(name)
    keys = REDUCED[config.family]
    if config.family == "clip":
        image = config.model.get("image", {})
        keys = keys | {"image.width": 16 if isinstance(image.get("layers", 12), int) else 8}
        if image.get("pool") == "map":
            keys = keys | {"embed_dim": 16, "image.mlp": 32, "text.mlp": 32, "image.size": 56}
    if config.family == "flamingo" and "shape" not in config.model.get("language", {}):
        keys = {key: value for key, value in keys.items() if ".shape." not in key}
    return load_config(name, [f"model.{key}={value!r}" for key, value in keys.items()])


@pytest.mark.parametrize("name", config_names())
def test_a_configuration_runs_forward_and_backward_at_reduced_width(name: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = reduced(name)
    model = registry.build_model(config).train()
    if isinstance(model, Flamingo):
        for gate in (gate for block in model.gated for gate in (block.attention_gate, block.ffw_gate)):
            nn.init.constant_(gate, 0.5)  # behind a closed gate nothing has a gradient
    family = registry.family(config.family)
    objective = family.build_objective(config, ["data"])
    batch = objective.prepare(family.example_batch(config, 2, ["data"]))
    totals = {key: float(value) for key, value in objective.counts(batch).items()}
    context = StepContext(step=0, config=config.train, device=torch.device("cpu"))
    for loss in objective.losses(model, batch, totals, context):
        assert torch.isfinite(loss.value)
        loss.value.backward()
    trained = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    without = {key for key, parameter in trained.items() if parameter.grad is None}
    assert {key for key in without if not key.startswith(UNUSED.get(name, ()))} <= NO_GRADIENT.get(config.family, set())
    assert all(parameter.grad.isfinite().all() for parameter in trained.values() if parameter.grad is not None)


PUBLISHED = {  # billions of weights: language model, gated blocks, Resampler, all; and the printed total (Table 1)
    "flamingo-3b": (1.374, 1.158, 0.191, 3.15, 3.2),
    "flamingo-9b": (7.111, 1.443, 0.191, 9.17, 9.3),
    "flamingo-9b-printed": (8.856, 1.804, 0.191, 11.28, None),
    "flamingo-80b": (70.06, 8.356, 0.191, 79.03, 80.0),
}
GATED = {"flamingo-3b": (24, 24), "flamingo-9b": (32, 8), "flamingo-9b-printed": (40, 10), "flamingo-80b": (80, 12)}
"""Language layers and gated blocks."""


def gated_weights(shape: FlamingoConfig, blocks: int, width: int, visual: int) -> int:
    """Return the weights of n blocks: n (2 D A + 2 W A + 8 D^2, norms and gates), A = heads x head width."""
    inner = shape.heads * shape.head_width
    return blocks * (2 * width * inner + 2 * visual * inner + 8 * width**2 + 4 * width + 2 * visual + 2)


def resampler_weights(shape: FlamingoConfig, features: int, visual: int) -> int:
    """Return the weights of l layers (4 W A + 8 W^2 and three norms), latents, time embeddings and the projection."""
    inner = shape.resampler_heads * shape.resampler_head_width
    layer = 4 * visual * inner + 8 * visual**2 + 6 * visual
    return shape.resampler_layers * layer + (shape.latents + shape.frames) * visual + features * visual


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_size_has_the_weights_of_the_formulas_and_of_the_table(name: str) -> None:
    config = load_config(name)
    shape, _, _ = parts(config)
    with torch.device("meta"):
        model = registry.build_model(config)
    assert isinstance(model, Flamingo)
    counts = {part: sum(p.numel() for p in getattr(model, part).parameters()) for part in ("gated", "resampler")}
    width, visual = model.language.width, shape.visual_width or 0
    assert (len(model.language.layers), len(model.gated)) == GATED[name]
    assert counts["gated"] == gated_weights(shape, len(model.gated), width, visual)
    assert counts["resampler"] == resampler_weights(shape, int(model.vision.grid_width), visual)
    lm = sum(p.numel() for p in model.language.parameters())
    norms = (2 * len(model.language.layers) + 1) * width
    assert lm == len(model.language.layers) * 13 * width**2 + 32_000 * width + norms
    total = sum(p.numel() for p in model.parameters())
    *billions, everything, printed = PUBLISHED[name]
    assert [lm / 1e9, counts["gated"] / 1e9, counts["resampler"] / 1e9] == pytest.approx(billions, rel=5e-3)
    assert total / 1e9 == pytest.approx(everything, rel=2e-3)
    assert printed is None or total / 1e9 == pytest.approx(printed, rel=0.02)
