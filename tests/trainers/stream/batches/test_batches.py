"""Batches: exact epochs, resuming on other world sizes, shares of mixtures, and errors for damaged datasets."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError
from corpusloom.schemas.identity import make_key
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import InterleavedSample, PairSample
from tests.trainers.stream.datasets import make_dataset


def pairs(count: int, name: str = "pair") -> dict[str, dict[str, bytes]]:
    """Return pairs; the bytes of an image are its number."""
    return {
        make_key(name, str(number)): {"jpg": str(number).encode(), "txt": f"text {number}".encode(), "json": b"{}"}
        for number in range(count)
    }


def pages(count: int) -> dict[str, dict[str, bytes]]:
    """Return pages of a text, an image and a text."""
    made = {}
    for number in range(count):
        key = make_key("page", str(number))
        body = {"texts": ["a", None, "b"], "images": [None, f"{key}.000.jpg", None]}
        made[key] = {"000.jpg": str(number).encode(), "json": json.dumps(body).encode()}
    return made


def write_dataset(folder: Path, samples: Mapping[str, dict[str, bytes]], *, kind: str = "pairs") -> str:
    """Write samples (key -> members by field) as four shards, about one in sixteen in "val"; return the path."""
    return make_dataset(folder, kind, samples.items(), split_of=lambda key: "val" if key[-1] == "0" else "train")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a dataset of 101 pairs in four shards."""
    return write_dataset(tmp_path_factory.mktemp("pairs"), pairs(101))


def number(sample: object, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return a sample's number and a draw of its generator."""
    assert isinstance(sample, PairSample)
    return {"number": np.int64(int(sample.image)), "draw": np.float64(rng.random())}


def run(
    data: object, world: int, batch: int, steps: int, state: object = None, workers: int = 0
) -> tuple[list[object], dict[str, object]]:
    """Return what all ranks together get in the global order, and rank 0's state at the end."""
    streams = [
        StreamingDataset(data, rng_seed=7, rank=rank, world_size=world).batches(
            batch, transform=number, workers=workers
        )  # type: ignore[arg-type]
        for rank in range(world)
    ]
    got: list[object] = []
    for stream in streams:
        if state is not None:
            stream.load_state_dict(state)  # type: ignore[arg-type]
    for _ in range(steps):
        state = streams[0].state_dict()
        start = state["epoch"] * streams[0].stream.epoch_samples + state["position"]  # type: ignore[operator]
        # Position p belongs to rank p mod world, so a step that begins at `start` begins with that rank.
        turns = sorted(range(world), key=lambda rank: (rank - start) % world)
        batches = [next(stream) for stream in streams]
        for row in range(batch):
            got += [(int(batches[r]["number"][row]), float(batches[r]["draw"][row])) for r in turns]
    states = [stream.state_dict() for stream in streams]
    assert all(other == states[0] for other in states)
    for stream in streams:
        stream.close()
    return got, states[0]


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_an_epoch_is_every_sample_once_over_all_ranks(data: str, world: int) -> None:
    shares = [[s.key for s in StreamingDataset(data, rank=r, world_size=world)] for r in range(world)]
    assert sorted(key for share in shares for key in share) == sorted(pairs(101))
    one = [sample.key for sample in StreamingDataset(data)]
    assert [shares[place % world][place // world] for place in range(101)] == one


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 30), st.integers(1, 4), st.integers(1, 6))
def test_a_state_of_any_world_size_is_resumed_by_any_other_at_the_exact_sample(
    tmp_path_factory: pytest.TempPathFactory, world: int, batch: int, steps: int, world_after: int, batch_after: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "resume"
    data = str(folder) if folder.exists() else write_dataset(folder, pairs(41))
    before, state = run(data, world, batch, steps)
    after, _ = run(data, world_after, batch_after, 5, state)
    expected, _ = run(data, 1, 1, len(before) + len(after))
    assert before + after == expected


def test_prefetching_workers_change_neither_order_nor_draws_nor_state(data: str) -> None:
    assert run(data, 2, 4, 30, workers=0) == run(data, 2, 4, 30, workers=3)


def test_the_state_is_small_and_refused_by_a_stream_of_other_data(data: str, tmp_path: Path) -> None:
    stream = StreamingDataset(data, rng_seed=7)
    state = stream.state_dict()
    assert len(str(state)) < 1000
    other = StreamingDataset(write_dataset(tmp_path, pairs(9)), rng_seed=7)
    with pytest.raises(ConfigError, match="resume with the datasets"):
        other.load_state_dict(state)
    with pytest.raises(ConfigError, match="seed"):
        StreamingDataset(data, rng_seed=8).load_state_dict(state)


def test_a_mixture_resumes_exactly_and_counts_each_dataset_by_its_weight(data: str, tmp_path: Path) -> None:
    other = write_dataset(tmp_path, pairs(23, "other"))
    mixture = {data: 3.0, other: 1.0}
    first, state = run(mixture, 1, 5, 20)
    rest, _ = run(mixture, 2, 5, 10, state)
    assert first + rest == run(mixture, 1, 1, 200)[0]
    keys = set(pairs(101))
    stream = StreamingDataset(mixture)
    drawn = Counter(stream.reader.read(place)[0] in keys for place in stream.order.places(np.arange(400)))
    assert drawn[True] == 300


def test_samples_are_typed_and_members_outside_the_list_are_not_opened(tmp_path: Path) -> None:
    made = pages(5)
    for members in made.values():
        members["pickle"] = b"cos\nsystem\n(S'exit 1'\ntR."
    stream = StreamingDataset(write_dataset(tmp_path, made, kind="interleaved"))
    for sample in stream:
        assert isinstance(sample, InterleavedSample)
        assert sample.texts == ("a", None, "b")
        assert sample.images[1] == made[sample.key]["000.jpg"]


def test_a_stream_of_a_split_has_the_samples_of_that_split_only(data: str) -> None:
    keys = [sample.key for sample in StreamingDataset(data, split="val")]
    assert sorted(keys) == sorted(key for key in pairs(101) if key[-1] == "0")


def test_a_sample_that_cannot_be_read_keeps_its_place_and_is_listed(tmp_path: Path) -> None:
    made = pairs(40)
    broken = sorted(made)[5]
    del made[broken]["txt"]
    data = write_dataset(tmp_path, made)
    stream = StreamingDataset(data).batches(8, transform=number, workers=2)
    keys = [key for _ in range(5) for key in next(stream)["keys"]]
    assert len(keys) == 40
    assert set(keys) == set(made)
    assert len(stream.skipped) == 1
    assert broken in stream.skipped[0]
    strict = StreamingDataset(data).batches(40, transform=number, on_error="raise", workers=0)
    with pytest.raises(LoomError, match=broken):
        next(strict)


def test_truncated_tars_and_sidecars_of_another_shard_are_named(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "a", pairs(40))
    tar = max(Path(data).glob("*.tar"), key=lambda path: path.stat().st_size)
    tar.write_bytes(tar.read_bytes()[:600])
    with pytest.raises(LoomError, match=tar.name):
        list(StreamingDataset(data, on_error="raise"))
    data = write_dataset(tmp_path / "b", pairs(40))
    first, second = sorted(Path(data).glob("*.parquet"))[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(LoomError, match="sidecar is not the one"):
        list(StreamingDataset(data, on_error="raise"))


def test_an_empty_dataset_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no sample"):
        StreamingDataset(write_dataset(tmp_path, {}))
    with pytest.raises(InputError, match="no such folder"):
        StreamingDataset(str(tmp_path / "nowhere"))


KILLED = """
import json, sys, time
import numpy as np
from tests.trainers.stream.batches.test_batches import number
from corpusloom.trainers.stream.dataset import StreamingDataset
stream = StreamingDataset(sys.argv[1], rng_seed=7).batches(4, transform=number, workers=2)
for _ in range(10_000):
    batch = next(stream)
    print(json.dumps([batch["number"].tolist(), stream.state_dict()]), flush=True)
"""


def test_a_killed_process_resumes_from_its_last_state(data: str) -> None:
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, data],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        text=True,
    )
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(13)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = [value for values, _ in lines for value in values]
    after, _ = run(data, 1, 4, 10, lines[-1][1])
    assert seen + [value for value, _ in after] == [value for value, _ in run(data, 1, 1, len(seen) + 40)[0]]  # type: ignore[misc, str-unpack]


def test_batches_that_are_dropped_without_close_do_not_wait_for_their_workers(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = StreamingDataset(data, 0, 0, 1).batches(4, transform=number, workers=2)
    next(batches)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", lambda *_, **__: pytest.fail("the collector waits"))
    del batches
    gc.collect()


LOST = {3, 7, 8, 9}


def some(sample: object, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Refuse a few samples, as a decoder refuses broken images."""
    assert isinstance(sample, PairSample)
    if int(sample.image) in LOST:
        raise SampleError("too_dark")
    return {"number": np.full((2,), int(sample.image), np.int64), "draw": np.float32(rng.random())}


def drain(stream: StreamingDataset, size: int, workers: int = 0, processes: bool = False) -> list[dict[str, Any]]:
    """Return the batches of one epoch."""
    return list(stream.batches(size, transform=some, workers=workers, processes=processes, epochs=1))


@pytest.mark.parametrize("size", [1, 2, 8])
def test_batches_without_a_usable_sample_are_handed_out_as_zeros(tmp_path: Path, size: int) -> None:
    path = write_dataset(tmp_path, pairs(40))
    stream = StreamingDataset(path, 0, 0, 1)
    batches = drain(stream, size)
    assert sum(int(batch["valid"].sum()) for batch in batches) == 36
    assert stream.skipped == {"too_dark": 4}
    assert len(stream.skipped_keys) == 4
    empty = [batch for batch in batches if not batch["valid"].any()]
    assert len(empty) == (4 if size == 1 else 0) or size == 2
    for batch in empty:
        assert batch["number"].shape == (size, 2)
        assert not batch["number"].any()
        assert all(batch["keys"])


def test_a_batch_without_a_usable_sample_is_the_same_in_threads_processes_and_after_resuming(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, pairs(40))
    whole = [(b["keys"], b["number"].tolist(), b["valid"].tolist()) for b in drain(StreamingDataset(path, 0, 0, 1), 1)]
    for workers, processes in ((2, False), (1, True)):
        made = drain(StreamingDataset(path, 0, 0, 1), 1, workers, processes)
        assert [(b["keys"], b["number"].tolist(), b["valid"].tolist()) for b in made] == whole
    lost = next(at for at, (_, _, valid) in enumerate(whole) if not valid[0])
    first = StreamingDataset(path, 0, 0, 1).batches(1, transform=some, workers=0)
    for _ in range(lost):
        next(first)
    resumed = StreamingDataset(path, 0, 0, 1)
    resumed.load_state_dict(first.state_dict())
    batch = next(resumed.batches(1, transform=some, workers=0))  # its shapes come from a later sample
    assert (batch["keys"], batch["number"].tolist(), batch["valid"].tolist()) == whole[lost]
    assert resumed.state_dict()["position"] == lost + 1
    assert resumed.skipped == {"too_dark": 1}


def test_a_rank_without_a_sample_in_the_last_batch_gets_zeros(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, pairs(5))
    last = [
        list(StreamingDataset(path, 0, rank, 4).batches(1, transform=number, workers=0, epochs=1))[-1]
        for rank in range(4)
    ]
    assert [int(batch["valid"].sum()) for batch in last] == [1, 0, 0, 0]
    assert all(batch["number"].shape == (1,) for batch in last)


def test_a_data_set_without_any_usable_sample_is_an_error(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, {key: {**fields, "jpg": b"3"} for key, fields in pairs(6).items()})
    with pytest.raises(DamageError, match="none of 6 samples in a row can be used; the first: too_dark"):
        drain(StreamingDataset(path, 0, 0, 1), 2)
