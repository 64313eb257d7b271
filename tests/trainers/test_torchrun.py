"""torchrun with two ranks on gloo trains as one process with twice the batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.saved_weights import saved_weights

SMALL = [
    "train.steps=3", "train.warmup=0", "train.workers=0", "train.eps=1e-3", "model.image.layers=1",
    "model.image.patch=8", "model.image.width=16", "model.image.heads=2", "model.text.width=16",
]  # fmt: skip


@pytest.mark.timeout(300)
def test_two_ranks_of_torchrun_train_as_one_process(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(20))
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node=2"]
    command = f"train clip --config clip-tiny --data {data} --out {tmp_path / 'two'} --device cpu --json --quiet --set"
    done = subprocess.run(
        [*torchrun, "-m", "corpusloom", *command.split(), *SMALL, "train.batch_size=4"],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    two = json.loads(done.stdout)  # one object: rank 0 alone prints
    one = run("clip", load_config("clip-tiny", [*SMALL, "train.batch_size=8"]), [data], str(tmp_path / "one"))
    assert one.report is not None
    assert two["steps"] == 3
    assert two["report"]["loss"] == pytest.approx(one.report.loss, rel=1e-5)
    expected, found = saved_weights(one.checkpoint or ""), saved_weights(two["checkpoint"])
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-5, msg=name)
