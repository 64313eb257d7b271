"""Recorded attention weights are those with which the fused attention mixes the values."""

import pytest
import torch

from corpusloom.trainers.vilbert.downstream.model import TaskModel
from corpusloom.trainers.vilbert.model.attention import MultiHeadAttention, additive, recorded_attention
from tests.trainers.vilbert.small import REGIONS, TOKENS, random_inputs, small_config, small_model

ONE = {"streams": 1, "v_hidden": 24, "co_hidden": 24}


@pytest.mark.parametrize("changes", [{}, ONE], ids=["two streams", "one stream"])
def test_recorded_weights_times_values_are_the_fused_output(changes: dict[str, int]) -> None:
    model, calls = small_model(**changes).double(), {}
    inputs = {name: value.double() if value.is_floating_point() else value for name, value in random_inputs().items()}
    for name, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            module.register_forward_hook(lambda _, given, mixed, name=name: calls.update({name: (given[2], mixed)}))
    with torch.no_grad(), recorded_attention(model) as weights:
        model(**inputs)
    assert weights.keys() == calls.keys()
    for name, (value, mixed) in calls.items():
        heads = weights[name].shape[1]
        split = value.unflatten(-1, (heads, -1)).transpose(1, 2)
        again = (weights[name].double() @ split).transpose(1, 2).flatten(2)
        torch.testing.assert_close(again, mixed, atol=1e-6, rtol=1e-6)


def test_rows_sum_to_1_and_padding_has_weight_0() -> None:
    model, inputs = small_model(), random_inputs()
    with recorded_attention(model) as weights:
        model(**inputs)
    masks = {TOKENS: inputs["token_mask"], REGIONS: inputs["region_mask"]}
    for found in weights.values():
        torch.testing.assert_close(found.sum(-1), torch.ones_like(found.sum(-1)))
        padding = ~masks[found.shape[-1]][:, None, None, :].expand_as(found)
        assert padding.any()
        assert not found[padding].any()


def test_each_layer_and_direction_has_a_name_and_a_shape() -> None:
    with recorded_attention(small_model()) as weights:
        small_model()(**random_inputs())
        assert not weights, "another model's passes are not recorded"
    model = small_model()
    with recorded_attention(model) as weights:
        model(**random_inputs())
    assert {name: tuple(found.shape[1:]) for name, found in weights.items()} == {
        **{f"text_layers.{number}.attention": (4, TOKENS, TOKENS) for number in range(4)},
        **{f"image_layers.{number}.attention": (2, REGIONS, REGIONS) for number in range(2)},
        **{f"connections.{number}.t_attention": (2, TOKENS, REGIONS) for number in range(2)},
        **{f"connections.{number}.v_attention": (2, REGIONS, TOKENS) for number in range(2)},
    }
    before = dict(weights)
    model(**random_inputs(2))
    assert all(weights[name] is found for name, found in before.items()), "nothing is recorded after the context"


def test_recording_changes_no_output_and_works_for_task_models() -> None:
    torch.manual_seed(0)
    model = TaskModel(small_config(task="vqa", answers=7)).eval()
    expected = model(**random_inputs())
    with recorded_attention(model) as weights:
        found = model(**random_inputs())
    assert torch.equal(found, expected)
    assert "connections.1.v_attention" in weights


def test_dropout_of_attention_is_for_training_alone() -> None:
    torch.manual_seed(0)
    attention, values = MultiHeadAttention(2, 0.5), torch.randn(1, 6, 8)
    mask = additive(torch.ones(1, 6, dtype=torch.bool))
    assert not torch.equal(attention(values, values, values, mask), attention(values, values, values, mask))
    attention.eval()
    assert torch.equal(attention(values, values, values, mask), attention(values, values, values, mask))
