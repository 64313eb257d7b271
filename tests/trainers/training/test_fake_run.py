"""A step over fake tensors takes the memory that torch allocates for a real one."""

import resource

import pytest
import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from benchmarks.train_memory import SHAPES, estimate_and_measure
from corpusloom.trainers import registry
from corpusloom.trainers.jobs.dry_run import dry_run
from corpusloom.trainers.training.config import config_names, load_config
from corpusloom.trainers.training.fake_run import fake_run, fake_weights


def peak(name: str, *changes: str, world_size: int = 1) -> int:
    return int(dry_run(load_config(name, changes), world_size=world_size)["memory"]["peak"])


@pytest.mark.parametrize("name", SHAPES.values())
def test_the_peak_is_within_5_percent_of_torchs_allocations(name: str) -> None:
    estimate, measured = estimate_and_measure(load_config(name, ["train.batch_size=64"]))
    assert estimate == pytest.approx(measured, rel=0.05)


CHECKPOINTED = ("train.batch_size=16", "parallel.activation_checkpointing=true")


def test_recomputation_shows_in_the_estimate_as_in_the_allocations() -> None:
    estimate, measured = estimate_and_measure(load_config("vilbert-tiny", CHECKPOINTED))
    assert estimate == pytest.approx(measured, rel=0.05)
    assert estimate < 0.8 * peak("vilbert-tiny", CHECKPOINTED[0])


def test_bf16_accumulation_chunks_and_averages_show_in_the_estimate() -> None:
    small = "train.batch_size=64"
    plain = dry_run(load_config("clip-tiny", [small]))["memory"]
    half = dry_run(load_config("clip-tiny", [small, "train.precision=bf16"]))["memory"]
    assert half["activations"] < 0.8 * plain["activations"]
    average = dry_run(load_config("clip-tiny", [small, "train.ema=0.99", "train.accumulate=2"]))["memory"]
    assert average["optimizer"] == pytest.approx(1.5 * plain["optimizer"], rel=0.01)
    chunked = dry_run(load_config("clip-tiny", [small, "data.chunks=4"]))["memory"]
    assert chunked["activations"] < plain["activations"]


@pytest.mark.parametrize("name", config_names())
def test_every_bundled_configuration_is_built_without_memory(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    weights = list(fake_weights(lambda: registry.build_model(load_config(name)), FakeTensorMode()).parameters())
    assert all(isinstance(weight, FakeTensor) for weight in weights)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_a_fake_run_leaves_ranks_and_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    config = load_config("vilbert-tiny", ["train.batch_size=2"])
    with fake_run(registry.family("vilbert"), config, 64, ("data",)) as fake:
        assert dist.get_world_size() == 64
        fake.measure()
    assert not dist.is_initialized()
    assert torch.equal(torch.get_rng_state(), before)


def test_losses_over_several_datasets_are_counted_together() -> None:
    config = load_config("flamingo-tiny", ["train.batch_size=4", "data.lambdas={}"])
    one, two = (dry_run(config, datasets=names) for names in (("a",), ("a", "b")))
    assert two["flops_per_step"] == pytest.approx(2 * one["flops_per_step"], rel=0.01)
    assert two["memory"]["activations"] < 1.5 * one["memory"]["activations"]
