"""One table of renames gives both directions: what comes in goes out the same."""

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.training.hub.renames import Rename, load_state, plain, to_ours, to_theirs

TABLE = (
    *plain({"blocks.{}.norm.{}": "layers.{}.ln.{}", "head": "top.head"}),
    Rename("blocks.{}.packed", ("layers.{}.q", "layers.{}.k")),
    Rename("projection", ("proj",), transposed=True),
    Rename("scale", ("scale",), scalar=True),
)
THEIRS = {
    "layers.7.ln.weight": torch.ones(2),
    "layers.7.ln.bias": torch.zeros(2),
    "layers.7.q": torch.tensor([[1.0, 2.0]]),
    "layers.7.k": torch.tensor([[3.0, 4.0]]),
    "top.head": torch.tensor([5.0]),
    "proj": torch.arange(6.0).view(2, 3),
    "scale": torch.tensor(9.0),
}
NAMES = ("blocks.7.norm.weight", "blocks.7.norm.bias", "blocks.7.packed", "head", "projection", "scale")


def test_what_comes_in_goes_out_the_same() -> None:
    ours = to_ours(NAMES, THEIRS, TABLE, "x")
    assert ours["blocks.7.packed"].tolist() == [[1, 2], [3, 4]]
    assert ours["projection"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert ours["scale"].tolist() == [9]
    again = to_theirs(ours, TABLE)
    assert set(again) == set(THEIRS)
    assert all(
        torch.equal(again[name], tensor) and again[name].shape == tensor.shape for name, tensor in THEIRS.items()
    )


def test_the_first_missing_and_the_first_unknown_tensor_are_named() -> None:
    without = {name: tensor for name, tensor in THEIRS.items() if name not in ("layers.7.k", "scale")}
    with pytest.raises(InputError, match=r"^x: weights of another model: no layers\.7\.k "):
        to_ours(NAMES, without, TABLE, "x")
    more = THEIRS | {"layers.8.q": torch.ones(1), "old.position_ids": torch.ones(1)}
    with pytest.raises(InputError, match=r"layers\.8\.q has no place here"):
        to_ours(NAMES, more, TABLE, "x")
    assert set(to_ours(NAMES, more, TABLE, "x", ignored=r"position_ids$|^layers\.8")) == set(NAMES)


def test_a_tensor_of_another_shape_is_named() -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(InputError, match=r"y: .*weight is \(3, 2\), not \(2, 3\)"):
        load_state(model, {"weight": torch.ones(3, 2)}, "y")
    bias = model.bias.detach().clone()
    load_state(model, {"weight": torch.ones(2, 3)}, "y")
    assert model.weight.tolist() == [[1, 1, 1]] * 2
    assert torch.equal(model.bias, bias)


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_a_tensor_that_is_not_finite_is_named(number: float) -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(InputError, match="y: bias holds NaN or infinity"):
        load_state(model, {"bias": torch.tensor([0.0, number])}, "y")
    assert model.bias.isfinite().all()
