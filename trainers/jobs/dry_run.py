"""Answers "does it fit?" before a run: parameters, memory and FLOPs of one device, for any number of ranks."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from torch import nn

from corpusloom.trainers import registry
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.fake_run import Memory, fake_run


def dry_run(
    config: RunConfig, *, world_size: int = 1, datasets: Sequence[str] = (), device_memory: int | None = None
) -> dict[str, Any]:
    """Return the values that `loom train --dry-run --json` prints for a configuration on `world_size` ranks.

    Its keys are name, world_size, mesh (replicate, shard, tensor), parameters (total, trainable, frozen, by_part), and
    per device memory (`Memory`) and flops_per_step, recomputation included. With `device_memory` in bytes, `fits` says
    whether a step fits, and `shard_that_fits` is the smallest `parallel.shard` with which it does, or None.
    `datasets` are their names, for a family with a loss for each. ConfigError if the ranks cannot be divided so.
    """
    mesh = dict(zip(distributed.DIMENSIONS, distributed.check_mesh(world_size, config.parallel), strict=True))
    names = tuple(datasets) or tuple(config.data.get("lambdas") or ("data",))
    with fake_run(registry.family(config.family), config, world_size, names) as fake:
        parameters = count_parameters(fake.run.model)
        memory, flops = fake.measure()
    described = {
        "name": config.name,
        "world_size": world_size,
        "mesh": mesh,
        "parameters": parameters,
        "memory": asdict(memory),
        "flops_per_step": flops,
    }
    if device_memory is None:
        return described
    fits = memory.peak <= device_memory
    shard = mesh["shard"] if fits else _shard_that_fits(config, world_size, names, memory, device_memory)
    return {**described, "fits": fits, "shard_that_fits": shard}


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return numbers of parameters: total, trainable, frozen, by_part; a shared parameter counts once.

    A parameter's part is the first word of its name, or what the model's `part_of(name)` returns.
    """
    part_of = getattr(model, "part_of", None) or (lambda name: name.partition(".")[0])
    by_part: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        by_part[part_of(name)] = by_part.get(part_of(name), 0) + parameter.numel()
    total = sum(by_part.values())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable, "by_part": by_part}


def _shard_that_fits(
    config: RunConfig, world_size: int, datasets: Sequence[str], memory: Memory, limit: int
) -> int | None:
    """Return the smallest larger `parallel.shard` with which a step fits, None if there is none.

    State is divided among the ranks of a shard and the rest is not; a shard that should fit by this rule is measured.
    """
    _, shard, tensor = distributed.check_mesh(world_size, config.parallel)
    state = memory.parameters + memory.gradients + memory.optimizer
    for larger in range(shard + 1, world_size // tensor + 1):
        if world_size // tensor % larger or memory.peak - state + state * shard // larger > limit:
            continue
        changed = replace(config, parallel=replace(config.parallel, shard=larger))
        with fake_run(registry.family(config.family), changed, world_size, datasets) as fake:
            if fake.measure()[0].peak <= limit:
                return larger
    return None
