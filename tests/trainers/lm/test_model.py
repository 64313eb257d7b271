"""The interface around transformers' language models: same logits, layers by name, a tensor-parallel plan."""

import pytest
import torch
from torch import nn

from corpusloom.trainers.lm.model import CausalLM
from tests.trainers.lm.tiny import SHAPES, tiny


@pytest.mark.parametrize("family", SHAPES)
def test_logits_are_those_of_the_library_and_layers_have_names(family: str) -> None:
    model, tokens = tiny(family), torch.randint(0, 50, (2, 9))
    assert torch.equal(model(tokens), model.network(input_ids=tokens).logits)
    assert torch.equal(model(embedded=model.embed(tokens)), model(tokens))
    assert [model.get_submodule(name) for name in model.layer_names()] == list(model.layers)
    assert (len(model.layers), model.width, model.vocab_size, model.context) == (4, 16, 50, 96)
    assert model.embedding_width == (8 if family == "opt" else 16)
    assert model.tied == (model.head.weight is model.embedding.weight)


@pytest.mark.parametrize("family", SHAPES)
def test_padding_before_a_text_changes_none_of_its_logits(family: str) -> None:
    model, tokens = tiny(family), torch.randint(1, 50, (2, 9))
    padded = torch.cat([torch.zeros(2, 4, dtype=torch.long), tokens], 1)
    real = torch.arange(13).expand(2, -1) >= 4
    torch.testing.assert_close(model(padded, real=real)[:, 4:], model(tokens), atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", SHAPES)
def test_a_forward_pass_on_the_meta_device_needs_no_values(family: str) -> None:
    with torch.device("meta"):
        model = tiny(family)
        assert model(torch.zeros(2, 9, dtype=torch.long)).shape == (2, 9, 50)


def linear_layers(model: CausalLM) -> set[str]:
    """Return the names of the linear layers inside decoder layers."""
    inside = tuple(model.layer_names())
    return {n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.startswith(inside)}


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "qwen2", "qwen3"])
def test_the_tensor_plan_covers_all_linear_layers_with_rows_after_columns(family: str) -> None:
    model = tiny(family).requires_grad_(False)
    plan = model.tensor_plan()
    assert plan.keys() == linear_layers(model)
    assert set(plan.values()) == {"colwise", "rowwise"}
    rows = {name.rsplit(".", 1)[1] for name, style in plan.items() if style == "rowwise"}
    assert rows <= {"o_proj", "down_proj", "dense", "dense_4h_to_h"}
    assert len(rows) == 2


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_a_family_without_a_tensor_plan_says_so(family: str) -> None:
    model = tiny(family)
    assert model.tensor_plan() == {}
    assert f"no tensor-parallel plan of linear layers for {family}" in model.no_tensor()


def test_head_norms_that_are_trained_have_no_tensor_plan() -> None:
    assert tiny("qwen3").tensor_plan() == {}  # their gradient would be a sum over tensor-parallel ranks
