"""The dry run: parameters by part, memory and FLOPs of a device, and whether a step fits."""

import json

import pytest
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.jobs.dry_run import count_parameters, dry_run
from corpusloom.trainers.training.config import load_config

SMALL = ("train.batch_size=4",)


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Linear(10, 20)
        self.frozen = nn.Linear(10, 5, bias=False).requires_grad_(False)
        self.head = nn.Linear(10, 20)
        self.head.weight = self.tower.weight


def test_parameters_count_once_by_part() -> None:
    assert count_parameters(Parts()) == {
        "total": 290,
        "trainable": 240,
        "frozen": 50,
        "by_part": {"tower": 220, "frozen": 50, "head": 20},
    }


def test_a_model_may_name_its_parts() -> None:
    model = Parts()
    model.part_of = lambda name: "all"  # type: ignore[assignment]
    assert count_parameters(model)["by_part"] == {"all": 290}


def test_a_dry_run_is_plain_json_and_counts_a_sharded_model_as_a_whole() -> None:
    own = (*SMALL, "data.objective.softmax_negatives=0")  # else a rank also encodes captions of the others
    one = json.loads(json.dumps(dry_run(load_config("vilbert-tiny", own))))
    four = dry_run(load_config("vilbert-tiny", (*own, "parallel.shard=-1")), world_size=4)
    assert four["parameters"] == one["parameters"]
    assert (one["mesh"], four["mesh"]["shard"]) == ({"replicate": 1, "shard": 1, "tensor": 1}, 4)
    for use in ("parameters", "gradients", "optimizer"):
        assert one["memory"][use] / 4 <= four["memory"][use] < one["memory"][use] / 3.5
    assert four["flops_per_step"] == pytest.approx(one["flops_per_step"], rel=0.01)
    assert "fits" not in one


def test_flops_are_those_of_matrix_products_and_grow_with_the_batch() -> None:
    four, eight = (dry_run(load_config("clip-tiny", [f"train.batch_size={size}"])) for size in (4, 8))
    assert eight["flops_per_step"] == pytest.approx(2 * four["flops_per_step"], rel=0.01)


def test_the_smallest_shard_that_fits_is_named() -> None:
    shape = ("model.shape.n_layer=1", "model.shape.n_embd=512", "model.shape.vocab_size=16384")
    config = load_config("lm-tiny", ["train.batch_size=1", "data.tokens=16", *shape])
    replicated = dry_run(config, world_size=2, device_memory=10**9)
    assert (replicated["fits"], replicated["shard_that_fits"]) == (True, 1)
    found = dry_run(config, world_size=2, device_memory=int(0.9 * replicated["memory"]["peak"]))
    assert (found["fits"], found["shard_that_fits"]) == (False, 2)
    found = dry_run(config, world_size=2, device_memory=1000)
    assert (found["fits"], found["shard_that_fits"]) == (False, None)


def test_ranks_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match="shard is 3, the run has 4 data ranks"):
        dry_run(load_config("clip-tiny", ["parallel.shard=3"]), world_size=4)
