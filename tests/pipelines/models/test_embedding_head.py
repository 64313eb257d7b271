"""Heads in LAION's two layouts are read and applied; a file that is no head is refused and runs nothing."""

import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from corpusloom.pipelines.models.embedding_head import load_head
from corpusloom.schemas.errors import InputError

WEIGHT, BIAS = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([0.5])


def test_one_layer_and_five_layers_are_applied_without_activations(tmp_path: Path) -> None:
    torch.save({"weight": WEIGHT, "bias": BIAS}, tmp_path / "v1.pth")
    rows = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0]], np.float16)
    assert load_head(str(tmp_path / "v1.pth"))(rows).tolist() == [1.5, 1.5]
    widths = [3, 8, 6, 4, 2, 1]
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    state = {f"layers.{number}.{name}": value.detach() for number, layer in zip((0, 2, 4, 6, 7), layers, strict=True)
             for name, value in layer.named_parameters()}  # fmt: skip
    save_file(state, tmp_path / "v2.safetensors")
    with torch.no_grad():
        expected = torch.nn.Sequential(*layers)(torch.from_numpy(rows).float())[:, 0].tolist()
    head = load_head(str(tmp_path / "v2.safetensors"))
    assert head(rows).tolist() == pytest.approx(expected, abs=1e-5)
    assert head.width == 3


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("ran",)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": WEIGHT, "bias": Runs()}, "evil.pth")
    # The pickle is written as an attacker would; load_head must refuse it.
    Path("plain.pth").write_bytes(pickle.dumps(Runs()))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(InputError, match="is no file of weights"):
            load_head(name)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"weight": WEIGHT, "other": BIAS}, "belongs to no linear layer"),
        ({"bias": BIAS}, "has no weight"),
        ({"weight": torch.zeros(2, 3)}, "layer of width 1"),
        ({"layers.0.weight": torch.zeros(2, 3), "layers.1.weight": torch.zeros(1, 3)}, "layer 1 does not fit"),
        ({"weight": WEIGHT, "bias": torch.zeros(2)}, "layer 0 does not fit"),
        ({}, "layer of width 1"),
    ],
)
def test_what_is_no_head_is_refused(state: dict[str, torch.Tensor], match: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "head.pth")
    with pytest.raises(InputError, match=match):
        load_head(str(tmp_path / "head.pth"))
