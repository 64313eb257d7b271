"""Ranks that stall are named; when one dies, the others end and name it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.nginx import free_port
from corpusloom.trainers.training.observe.heartbeat import ENDED, Heartbeat, Peers, Place, watched_ranks


def place(step: int = 1, part: str = "compute", order: int = 1, **changes: object) -> Place:
    return Place("host", 7, step, part, order, **changes)  # type: ignore[arg-type]


def test_a_rank_that_is_not_heard_of_is_dead_and_one_that_ended_is_not() -> None:
    peers = Peers(3)
    for rank in range(3):
        peers.hear(rank, place(beat=1), now=0)
    peers.hear(0, place(beat=2), now=50)
    peers.hear(1, place(beat=1), now=50)  # the same beat counts only once
    peers.hear(2, place(beat=1, state=ENDED), now=50)
    assert peers.gone(now=44, seconds=45) == ""
    assert peers.gone(now=50, seconds=45) == "no heartbeat for 45 s from rank 1 (host host, process 7), last at step 1"


def test_a_rank_that_ended_with_an_error_is_named_with_it_at_once() -> None:
    peers = Peers(2)
    peers.hear(0, place(), now=0)
    peers.hear(1, place(step=4, state="DamageError: a.tar"), now=0)
    assert peers.gone(now=0, seconds=45) == "rank 1 (host host, process 7) ended at step 4: DamageError: a.tar"


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ((9, 8, 9), "no progress for 60 s: rank 1 (host host, process 7) is at step 3, data; 2 others wait"),
        ((8, 9, 8), "no progress for 60 s: rank 0, 2 (host host, process 7) is at step 3, data; 1 other waits"),
        ((8, 8, 8), "no progress for 60 s: every rank (host host, process 7) is at step 3, data"),
    ],
)
def test_the_ranks_that_the_others_wait_for_are_named(orders: tuple[int, ...], expected: str) -> None:
    peers = Peers(3)
    for rank, order in enumerate(orders):
        peers.hear(rank, place(3, "data" if order == 8 else "compute", order), now=10)
    assert peers.stalled(now=69, seconds=60) == ""
    assert peers.stalled(now=70, seconds=60) == expected
    peers.hear(0, place(3, "update", 10), now=75)
    if orders[0] == 8 and orders.count(8) == 1:
        assert peers.stalled(now=76, seconds=60) == ""


def test_progress_of_the_slowest_rank_ends_a_stall() -> None:
    peers = Peers(2)
    for rank in range(2):
        peers.hear(rank, place(order=rank), now=0)
    peers.hear(0, place(order=1), now=100)
    assert peers.stalled(now=101, seconds=60) == ""


def test_on_one_rank_a_stall_is_told_once_with_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpusloom.trainers.training.observe.heartbeat.BEAT_SECONDS", 0.02)
    told: list[str] = []
    heartbeat = Heartbeat(dead_seconds=9, stall_seconds=0.1, on_note=told.append)
    with watched_ranks(heartbeat):
        heartbeat.mark(5, "data")
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
    assert len(told) == 1
    assert told[0].endswith("is at step 5, data")


RANK = """
import os, sys, time
import torch, torch.distributed as dist
from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.observe.heartbeat import Heartbeat, watched_ranks

with distributed.session("cpu"):
    heartbeat = Heartbeat(dead_seconds=2, stall_seconds=60, on_note=print)
    with watched_ranks(heartbeat):
        open(f"{sys.argv[3]}/{distributed.rank()}", "w").close()
        for step in range(10_000):
            heartbeat.mark(step + 1, "compute")
            if sys.argv[1] == "asleep" and distributed.rank() != int(sys.argv[2]):
                time.sleep(60)  # not in a collective: only the heartbeat can notice
            dist.all_reduce(torch.ones(1))
            if sys.argv[1] == "fails" and step == 50 and distributed.rank() == int(sys.argv[2]):
                raise LoomError("the disk is on fire")
            time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("how", "victim", "expected"),
    [
        ("reduces", 1, "from rank 1 (host"),
        ("reduces", 0, "rank 0 (host"),
        ("asleep", 1, "from rank 1 (host"),
        ("fails", 1, "ended at step 51: LoomError: the disk is on fire"),
    ],
)
def test_when_a_rank_dies_the_other_ends_soon_and_names_it(
    how: str, victim: int, expected: str, tmp_path: Path
) -> None:
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, how, str(victim), str(tmp_path)],
            env={**os.environ, **shared, "GLOO_SOCKET_IFNAME": "lo", "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    other = ranks[1 - victim]
    try:
        deadline = time.monotonic() + 60
        while not all((tmp_path / name).exists() for name in "01") and time.monotonic() < deadline:
            time.sleep(0.05)
        if how != "fails":
            ranks[victim].send_signal(signal.SIGKILL)
        told = other.communicate(timeout=50)[1]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    assert other.returncode != 0
    assert expected in told, told
