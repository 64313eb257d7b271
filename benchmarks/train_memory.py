"""Memory of training: the dry run's estimate against torch's allocations, and a rank's share of a sharded state."""

import ctypes
import gc
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.allocations import peak_above_start
from benchmarks.peak import clear_peak, peak_megabytes
from benchmarks.train_steps import CPU, SETTINGS, one_batch
from corpusloom.trainers import registry
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import PairObjective
from corpusloom.trainers.jobs.dry_run import dry_run
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig, RunConfig, load_config
from corpusloom.trainers.training.parallel import local
from corpusloom.trainers.training.step import Run, prepare_run
from tests.trainers.ranks import run_ranks

SHAPES = {"clip": "clip-tiny", "vilbert": "vilbert-tiny", "flamingo": "flamingo-tiny"}
"""Family -> a small configuration."""
RANKS = 4


def estimate_and_measure(config: RunConfig) -> tuple[int, int]:
    """Return the peak of one training step in bytes: as a dry run estimates it, and as torch allocates it."""
    family = registry.family(config.family)
    names = ("data",)
    batch = family.example_batch(config, config.train.batch_size, names)
    task = one_batch(family.build_model(config), family.build_objective(config, names), batch)
    run = prepare_run(task, config.train, config.parallel, CPU)
    run.update(0)
    run.optimizer.zero_grad(set_to_none=True)
    gc.collect()
    held = state_bytes(run)["parameters"] + state_bytes(run)["optimizer"]
    return dry_run(config)["memory"]["peak"], held + peak_above_start(lambda: run.update(1))


def dry_run_errors() -> dict[str, float]:
    """Return family -> relative error of the dry run's peak on its small shape."""
    errors = {}
    for family, name in SHAPES.items():
        estimate, measured = estimate_and_measure(load_config(name))
        errors[family] = estimate / measured - 1
    return errors


def state_bytes(run: Run) -> dict[str, int]:
    """Return this rank's bytes of parameters and buffers, gradients, and optimiser."""
    parameters = list(run.model.parameters())
    return {
        "parameters": _bytes([*parameters, *run.model.buffers()]),
        "gradients": _bytes([parameter.grad for parameter in parameters if parameter.grad is not None]),
        "optimizer": _bytes([value for state in run.optimizer.state.values() for value in state.values()]),
    }


def _bytes(tensors: list[Tensor]) -> int:
    return sum(local(tensor).numel() * tensor.element_size() for tensor in tensors)


def chunks_memory(rows: int = 4096, chunk: int = 128) -> tuple[float, float]:
    """Return the MiB that a CLIP's step adds to a process: of `rows` pairs in chunks (GradCache), and of one chunk.

    The model is a ViT of 6 x 192 over 16 patches of 64-pixel images, with a text tower of 6 x 192 that reads all 77
    tokens. Each step is the second of its own process; its batch counts, the model and the optimiser's state do not.
    """
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        whole, one = (pool.apply(_step_memory, sizes) for sizes in ((rows, rows // chunk), (chunk, 1)))
    return whole, one


def _step_memory(rows: int, chunks: int) -> float:
    torch.set_num_threads(1)
    side, context = 64, 77
    image = ImageTowerConfig(size=side, patch=16, layers=6, width=192, heads=6)
    text = TextTowerConfig(vocab_size=1024, context=context, layers=6, width=192, heads=6)
    model = CLIP(CLIPConfig(embed_dim=128, image=image, text=text))
    batch = _pairs(2, side, context)
    task = one_batch(model, PairObjective(), batch)
    run = prepare_run(task, SETTINGS, ParallelConfig(), CPU)
    run.update(0)
    run.optimizer.zero_grad(set_to_none=True)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    clear_peak()
    before = peak_megabytes()
    run.stream.batch = _pairs(rows, side, context)  # type: ignore[attr-defined]
    run.objective = PairObjective(chunks)
    run.update(1)
    return peak_megabytes() - before


def _pairs(rows: int, side: int, context: int) -> dict[str, Any]:
    return {
        "keys": [""] * rows,
        "image": torch.randint(0, 256, (rows, 3, side, side), dtype=torch.uint8),
        "tokens": torch.randint(1, 1024, (rows, context)),
    }


def small_clip() -> CLIP:
    """Return a CLIP of four blocks per tower."""
    image, text = ImageTowerConfig(size=64, patch=16, layers=4, width=128, heads=4), TextTowerConfig
    return CLIP(CLIPConfig(embed_dim=64, image=image, text=text(vocab_size=1024, context=16, layers=4, width=128)))


def sharded_step() -> dict[str, Tensor]:
    """Do one step on this rank of a sharded run; return its bytes by use, of the largest block, and of all."""
    batch: dict[str, Any] = {
        "keys": ["", ""],
        "image": torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
        "tokens": torch.ones(2, 16, dtype=torch.int64),
    }
    task = replace(one_batch(small_clip(), PairObjective(), batch), skeleton=small_clip)
    parallel = ParallelConfig(shard=-1)
    with distributed.mesh_session("cpu", parallel):
        run = prepare_run(task, SETTINGS, parallel, CPU)
        run.update(0)
    return {name: torch.tensor(value) for name, value in state_bytes(run).items()}


def rank_shares() -> tuple[dict[str, float], dict[str, float]]:
    """Return the largest share of one of four ranks by use, and a quarter and one block as a share of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        ranks = run_ranks(sharded_step, Path(folder), RANKS)
    model = small_clip()
    whole = sum(parameter.nbytes for parameter in model.parameters())
    block = max(sum(p.nbytes for p in model.get_submodule(name).parameters()) for name in model.plan().blocks)
    uses = {"parameters": 1, "gradients": 1, "optimizer": 2}
    found = {use: max(float(rank[use]) for rank in ranks) / (whole * copies) for use, copies in uses.items()}
    return found, dict.fromkeys(uses, 1 / RANKS + block / whole)
