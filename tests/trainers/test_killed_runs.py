"""Runs of every family over two ranks that share a copy of the state, killed by SIGKILL, resume to the same bytes."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import ProcessExitedException

from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.ranks import run_ranks
from tests.trainers.vilbert.region_pairs import write_regions

FAMILIES = ("clip", "vilbert", "flamingo")
STEPS, SAVED, KILLED = 6, 2, 5
"""Steps of a run, steps between checkpoints, and the step after which the ranks are killed."""
SMALL = {
    "clip": ("model.image.layers=[1, 1]", "model.text.width=16"),
    "vilbert": ("model.feature_width=10", "model.class_count=12", "data.regions=8"),
    "flamingo": ("data.tokens=24",),
}


def train_family(family: str, data: str, folder: str, *, killed: bool = False) -> None:
    """Train a family's tiny configuration; if `killed`, the process ends itself after a step."""

    def on_update(step: int) -> None:
        if killed and step == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)

    common = [f"train.steps={STEPS}", "train.warmup=0", "train.batch_size=4", f"train.checkpoint_every={SAVED}"]
    if family == "flamingo":
        common.append(f"model.vision.checkpoint={json.dumps(data + '/clip-run')}")
    config = load_config(
        f"{family}-tiny", [*common, *SMALL[family], "train.threads=1", "train.ema=0.9", "parallel.shard=-1"]
    )
    dataset = f"{data}/regions" if family == "vilbert" else f"{data}/pairs"
    run(family, config, [dataset], f"{folder}/{family}", on_update=on_update)


def train_families(families: tuple[str, ...], data: str, folder: str, killed: bool = False) -> dict[str, torch.Tensor]:
    """Train some families one after another on this rank."""
    torch.set_num_threads(1)
    for family in families:
        train_family(family, data, folder, killed=killed)
    return {"done": torch.tensor([1])}


@pytest.mark.timeout(400)
def test_killed_ranks_resume_to_the_bytes_of_a_run_without_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pairs(data / "pairs", coloured_pairs(24))
    write_regions(data / "regions", 24)
    clip = load_config("clip-tiny", ["train.steps=1", "train.warmup=0", "train.batch_size=4", *SMALL["clip"]])
    run("clip", clip, [str(data / "pairs")], str(data / "clip-run"))
    places = {name: tmp_path / name for name in ("whole", "parts")}
    for place in places.values():
        place.mkdir()
    run_ranks(partial(train_families, FAMILIES, str(data), str(places["whole"])), tmp_path)
    for family in FAMILIES:
        with pytest.raises(ProcessExitedException):
            run_ranks(partial(train_families, (family,), str(data), str(places["parts"]), killed=True), tmp_path)
        left = places["parts"] / family / "checkpoints"
        assert not (left / f"step-{STEPS:08d}").exists()
        assert (left / f"step-{SAVED:08d}" / "checkpoint.json").exists()
    run_ranks(partial(train_families, FAMILIES, str(data), str(places["parts"])), tmp_path)
    for family in FAMILIES:
        one, other = (place / family / "checkpoints" / f"step-{STEPS:08d}" for place in places.values())
        shards = sorted(path.name for path in one.glob("*.safetensors"))
        assert len(shards) == 2
        for name in [*shards, "stream.json"]:
            assert (one / name).read_bytes() == (other / name).read_bytes(), (family, name)
