"""Watches the ranks of a run: names a rank that stalls, and ends this rank when another one is dead.

Each rank writes its position to the store of the process group every `BEAT_SECONDS`. Rank 0 reads all positions, the
others read rank 0's and its verdict, so the traffic grows with the number of ranks, not with its square. The main
thread of a rank may wait in a collective for ever when a peer is dead, so the heartbeat's thread ends the process.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store

from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig

BEAT_SECONDS = 1.0
RUNS, ENDED = "runs", "ended"
VERDICT = "verdict"
EXIT_CODE = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a rank: its process, step, and part of the step."""

    host: str
    process: int
    step: int = 0
    """Number of the current step, from 1."""
    part: str = "start"
    """Part of the step: start, data, compute, update, checkpoint or evaluation."""
    order: int = 0
    """Number of parts that were begun so far: the rank with the lowest is the one that the others wait for."""
    state: str = RUNS
    """runs, ended, or the error with which it ended."""
    beat: int = 0

    def __str__(self) -> str:
        return f"host {self.host}, process {self.process}"


class Heartbeat:
    """Writes this rank's position for the others, and checks theirs."""

    def __init__(self, *, dead_seconds: float, stall_seconds: float, on_note: Callable[[str], None]) -> None:
        self._dead, self._stall, self._note = dead_seconds, stall_seconds, on_note
        self._rank, self._ranks = distributed.rank(), distributed.world_size()
        self._place = Place(socket.gethostname(), os.getpid())
        self._peers = Peers(self._ranks)
        self._stop = threading.Event()
        self._judged = threading.Event()
        self._lock = threading.Lock()
        self._verdict = ""
        self._told = 0
        own: Any = _get_default_store() if dist.is_initialized() else dist.HashStore()
        store = own.clone() if dist.is_initialized() else own  # a connection of its own: the main thread's may wait
        store.set_timeout(timedelta(seconds=max(1.0, dead_seconds / 2)))
        self._store = dist.PrefixStore("heartbeat", store)
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def mark(self, step: int, part: str) -> None:
        """Note that this rank begins a part of a step."""
        now = self._place
        self._place = Place(now.host, now.process, step, part, now.order + 1)

    def start(self) -> None:
        """Start the thread; return when every rank has written its position. All ranks call this."""
        self._write()
        self._thread.start()
        distributed.barrier()
        self._watch()

    def stop(self, state: str = ENDED) -> None:
        """Write that this rank ends, and stop the thread."""
        self._stop.set()
        self._thread.join()
        now = self._place
        self._place = Place(now.host, now.process, now.step, now.part, now.order, state)
        with contextlib.suppress(RuntimeError):  # the store may have ended with its host
            self._write()

    def verdict(self) -> str:
        """Return which rank is dead, after an error of a collective; "" if none is found in time."""
        self._judged.wait(self._dead + 3 * BEAT_SECONDS)
        return self._verdict

    def _run(self) -> None:
        heard = time.monotonic()
        beat = 0
        while not self._stop.wait(BEAT_SECONDS):
            beat += 1
            try:
                self._write(beat)
                self._watch()
                heard = time.monotonic()
            except RuntimeError as error:  # the store is gone, with the process that held it
                if time.monotonic() - heard > self._dead / 2 or "timeout" not in str(error).lower():
                    self._judge(f"rank 0 ({self._peers.where(0)}), or the process that holds the ranks' store, is gone")
            if self._verdict:
                self._end()

    def _write(self, beat: int = 0) -> None:
        now = self._place
        told = Place(now.host, now.process, now.step, now.part, now.order, now.state, beat)
        self._store.set(str(self._rank), json.dumps(asdict(told)))

    def _watch(self) -> None:
        with self._lock:
            self._look()

    def _look(self) -> None:
        for rank in range(self._ranks) if self._rank == 0 else (0,):
            if self._store.check([str(rank)]):
                self._peers.hear(rank, Place(**json.loads(self._store.get(str(rank)))), time.monotonic())
        found = self._peers.gone(time.monotonic(), self._dead)
        if not found and self._rank and self._store.check([VERDICT]):
            found = self._store.get(VERDICT).decode()
        if found:
            if self._rank == 0:
                self._store.set(VERDICT, found)
            self._judge(found)
        elif self._rank == 0:
            self._tell_stall()

    def _tell_stall(self) -> None:
        stalled = self._peers.stalled(time.monotonic(), self._stall)
        if stalled and self._peers.lowest != self._told:
            self._told = self._peers.lowest
            self._note(stalled)

    def _judge(self, verdict: str) -> None:
        self._verdict = verdict
        self._judged.set()

    def _end(self) -> None:
        """End the process, unless its main thread does so by itself: it may wait in a collective for ever."""
        if self._stop.wait(5 * BEAT_SECONDS):
            return
        sys.stderr.write(f"error: {self._verdict}; rank {self._rank} ends, the same command resumes\n")
        sys.stderr.flush()
        os._exit(EXIT_CODE)


class Peers:
    """The last position of each rank, and the time at which it last changed."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._places: dict[int, Place] = {}
        self._heard: dict[int, float] = {}
        self._moved = -1.0
        self.lowest = -1
        """Least number of parts that a running rank has begun."""

    def hear(self, rank: int, place: Place, now: float) -> None:
        """Store a rank's position, read at `now`."""
        before = self._places.get(rank)
        if before is None or (before.beat, before.state) != (place.beat, place.state):
            self._heard[rank] = now
        self._places[rank] = place
        lowest = min((known.order for known in self._running().values()), default=-1)
        if lowest != self.lowest:
            self.lowest, self._moved = lowest, now

    def _running(self) -> dict[int, Place]:
        return {rank: place for rank, place in self._places.items() if place.state == RUNS}

    def where(self, rank: int) -> str:
        """Return host and process of a rank."""
        return str(self._places.get(rank, "never heard of"))

    def gone(self, now: float, seconds: float) -> str:
        """Return which rank ended with an error, or has a last heartbeat older than `seconds`; "" if there is none."""
        for rank, place in sorted(self._places.items()):
            if place.state not in (RUNS, ENDED):
                return f"rank {rank} ({place}) ended at step {place.step}: {place.state}"
        silent = [rank for rank in self._running() if now - self._heard[rank] > seconds]
        if not silent:
            return ""
        named = "; ".join(
            f"rank {rank} ({self.where(rank)}), last at step {self._places[rank].step}" for rank in silent
        )
        return f"no heartbeat for {seconds:.0f} s from {named}"

    def stalled(self, now: float, seconds: float) -> str:
        """Return which ranks the others wait for, after `seconds` without progress; "" otherwise."""
        running = self._running()
        if not running or now - self._moved < seconds:
            return ""
        slow = sorted(rank for rank, place in running.items() if place.order == self.lowest)
        first = running[slow[0]]
        ranks = f"rank {', '.join(map(str, slow))}" if len(slow) < self._ranks or self._ranks == 1 else "every rank"
        waiting = len(running) - len(slow)
        rest = f"; {waiting} other{'s wait' if waiting > 1 else ' waits'}" if waiting else ""
        return (
            f"no progress for {now - self._moved:.0f} s: {ranks} ({first}) is at step {first.step}, {first.part}{rest}"
        )


@contextlib.contextmanager
def watched_ranks(heartbeat: Heartbeat) -> Iterator[Heartbeat]:
    """Run the heartbeat while the block runs; an error because another rank is dead names that rank."""
    try:
        heartbeat.start()
        yield heartbeat
        distributed.barrier()  # nobody watches any more when rank 0, which may hold the store, exits
    except RuntimeError as error:
        found = heartbeat.verdict() if dist.is_initialized() else ""
        heartbeat.stop(str(error).splitlines()[0])
        if found:
            raise LoomError(found, where=f"rank {distributed.rank()}", remedy="the same command resumes") from error
        raise
    except BaseException as error:
        heartbeat.stop(f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    heartbeat.stop()


@contextlib.contextmanager
def watched_session(device: str | None) -> Iterator[torch.device]:
    """Yield this rank's device, as `distributed.session`; when another rank dies, the error names it."""
    with distributed.session(device) as place:
        limits = ParallelConfig()
        heartbeat = Heartbeat(dead_seconds=limits.dead_after, stall_seconds=limits.stall_after, on_note=lambda _: None)
        with watched_ranks(heartbeat):
            yield place
