"""One step of clip-finetune is one step of transformers' CLIPModel with torch's AdamW, in float64."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.trainers.clip.initial import complete, initial_model, sources_of
from corpusloom.trainers.clip.layouts.renames import renames_of
from corpusloom.trainers.clip.objective import PairObjective
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.folders import HF
from corpusloom.trainers.training.hub.renames import to_theirs
from corpusloom.trainers.training.step import prepare_run
from corpusloom.trainers.training.task import TrainingTask
from tests.trainers.clip.folders import TEXTS, TOKENIZER, hf_folder

LR, DECAY, LAYERS = 1e-3, 0.1, 2
PIXELS = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TOKENS = torch.from_numpy(TOKENIZER.rows(TEXTS[:4]))
BATCH = {"keys": list("abcd"), "valid": torch.ones(4, dtype=torch.bool), "image": PIXELS, "tokens": TOKENS}


class OneBatch:
    """A stream of the same batch."""

    def __next__(self) -> dict[str, Any]:
        return BATCH

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


def layer_factor(name: str) -> float:
    """Return the factor of a parameter of a CLIPModel under a layer decay of 0.75 in both towers."""
    if ".encoder.layers." in name:
        return float(0.75 ** (LAYERS - 1 - int(name.split(".")[3])))
    return float(0.75**LAYERS) if "embeddings" in name or "pre_layrnorm" in name else 1.0


def groups_of(model: nn.Module) -> Iterator[dict[str, Any]]:
    for name, parameter in model.named_parameters():
        decay = DECAY if parameter.ndim > 1 else 0.0
        yield {"params": [parameter], "lr": LR * layer_factor(name), "weight_decay": decay}


def test_a_step_of_fine_tuning_has_the_loss_and_the_weights_of_transformers(tmp_path: Path) -> None:
    folder, theirs = hf_folder(tmp_path / "hf")
    small = [f"model.init={folder}", "train.batch_size=4", f"train.lr={LR}", "train.warmup=0", "train.precision=fp32"]
    config = complete(load_config("clip-finetune", [*small, "train.grad_clip=off"]), {"model.init"})
    assert config.train.weight_decay == DECAY
    model = initial_model(config, sources_of(config)).double()
    task = TrainingTask(
        model=model, skeleton=lambda: model, objective=PairObjective(), stream=OneBatch(), example=lambda: BATCH
    )
    run = prepare_run(task, config.train, config.parallel, torch.device("cpu"))
    run.update(0)

    theirs = theirs.double().train()
    optimizer = torch.optim.AdamW(groups_of(theirs), betas=config.train.betas, eps=config.train.eps)
    loss = theirs(input_ids=TOKENS, pixel_values=PIXELS, return_loss=True).loss
    loss.backward()
    optimizer.step()

    assert run.report(1).loss == pytest.approx(loss.item(), rel=1e-9)
    expected = theirs.state_dict()
    for name, weight in to_theirs(run.model.state_dict(), renames_of(model.config, HF)).items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-9, msg=name)
