"""The tensors of a checkpoint by name, and what of a model with frozen parts is among them."""

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.checkpoints.tensors import (
    NamedTensors,
    all_tensors,
    check_same_model,
    make_optimizer_state,
    model_tensors,
)
from tests.trainers.checkpoints.small_run import Small, small_run

FROZEN = ["model.vision.checkpoint"]


class Parts(nn.Module):
    """A frozen part that comes from elsewhere, one that does not, and a trained one, each with statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).requires_grad_(False)
        self.other = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).requires_grad_(False)
        self.trained = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def parts_of(found: NamedTensors) -> set[str]:
    return {name.split(":")[1].split(".")[0] for name in found.tensors}


def test_parts_that_come_from_elsewhere_are_left_out_with_their_statistics() -> None:
    found = model_tensors(Parts(), FROZEN)
    assert parts_of(found) == {"other", "trained"}
    assert {
        "model:trained.1.running_mean",
        "model:other.1.running_mean",
        "model:other.0.weight",
    } <= found.tensors.keys()


def test_what_is_trained_of_a_part_from_elsewhere_is_saved() -> None:
    model = Parts()
    model.vision[1].requires_grad_(True)
    names = {name for name in model_tensors(model, FROZEN).tensors if name.startswith("model:vision.")}
    assert names == {
        f"model:vision.1.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }


def test_tied_weights_stand_once_and_scalars_have_one_dimension() -> None:
    run = small_run()
    run.step(0)
    found = all_tensors(run.model, run.optimizer, run.averages, ())
    assert found.aliases == {"head.weight": "embedding.weight"}
    assert found.tensors["optimizer.step:scale"].shape == (1,)
    assert found.tensors["model:norm.num_batches_tracked"].shape == (1,)
    assert {"ema:up.weight", "optimizer.exp_avg:up.weight", "model:up.weight"} <= found.tensors.keys()
    assert found.tensors["model:up.weight"].data_ptr() == run.model.get_parameter("up.weight").data_ptr()


def test_the_optimizers_state_is_made_in_place_for_what_is_trained_now() -> None:
    model = Small()
    model.up.requires_grad_(False)
    optimizer = torch.optim.AdamW([item for item in model.parameters() if item.requires_grad])
    stored = {
        f"optimizer.{key}:{name}": (shape, dtype)
        for name in ("up.weight", "down.weight")
        for key, shape, dtype in (
            ("exp_avg", torch.Size((8, 12)), torch.bfloat16),
            ("step", torch.Size((1,)), torch.float32),
        )
    }
    made = make_optimizer_state(model, optimizer, stored | {"model:down.weight": (torch.Size((8, 12)), torch.float32)})
    assert made.keys() == {"optimizer.exp_avg:down.weight", "optimizer.step:down.weight"}
    made["optimizer.step:down.weight"].fill_(7)
    state = optimizer.state[model.down.weight]
    assert state["step"].shape == ()
    assert state["step"] == 7
    assert (state["exp_avg"].shape, state["exp_avg"].dtype) == ((8, 12), torch.bfloat16)


@pytest.mark.parametrize(
    ("stored", "aliases", "words"),
    [
        ({"model:a": (2, 3)}, {}, r"a is \(2, 3\) in the checkpoint, \(2, 2\) in the model"),
        ({"model:b": (2, 2)}, {}, r"a \(2, 2\) is not in the checkpoint"),
        ({"model:a": (2, 2), "model:b": (1,)}, {}, r"b \(1,\) of the checkpoint is not in the model"),
        ({"model:c": (2, 3)}, {"a": "c"}, r"a is \(2, 3\) in the checkpoint"),
    ],
)
def test_the_first_difference_is_named(stored: dict[str, tuple[int, ...]], aliases: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_same_model(NamedTensors({"model:a": torch.zeros(2, 2)}), stored, aliases, "here")


def test_the_same_model_is_accepted_tied_or_not() -> None:
    two = torch.zeros(2)
    check_same_model(NamedTensors({"model:a": two}, {"b": "a"}), {"model:a": (2,), "model:b": (2,)}, {}, "here")
    check_same_model(NamedTensors({"model:a": two, "model:b": two}), {"model:a": (2,)}, {"b": "a"}, "here")
    check_same_model(NamedTensors({"model:a": two}), {"model:a": (2,), "ema:a": (2,), "optimizer.step:a": (1,)}, {}, "")
