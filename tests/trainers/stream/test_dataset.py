"""A stream: one global order for any world size, exact resume from any rank's state, exact epochs."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.order.mixing import Mixture
from tests.trainers.stream.datasets import as_version_1, make_dataset, make_pairs

SAMPLES = 61
FAST = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_dataset(tmp_path_factory.mktemp("pairs"), "pairs", make_pairs(SAMPLES), shards=8)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_dataset(tmp_path_factory.mktemp("others"), "pairs", make_pairs(17, start=1000), shards=2)


def draw(sample: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"length": np.asarray(len(sample.image)), "drawn": rng.random(2, dtype=np.float32)}


def keys_of(source: Any, **options: Any) -> list[str]:
    return [sample.key for sample in StreamingDataset(source, **options)]


def take(stream: StreamingDataset, steps: int, size: int, workers: int = 0) -> list[list[str]]:
    iterator = stream.batches(size, transform=draw, workers=workers)
    taken = [next(iterator)["keys"] for _ in range(steps)]
    iterator.close()
    return taken


def test_an_epoch_holds_each_sample_once_in_a_shuffled_order_of_its_own(pairs: str) -> None:
    stream = StreamingDataset(pairs, 0, 0, 1)
    first, second = [s.key for s in stream], [s.key for s in stream]
    assert len(set(first)) == len(first) == SAMPLES == len(stream)
    assert sorted(first) == sorted(second)
    assert first != second != sorted(first)
    assert first == keys_of(pairs, rng_seed=0) != keys_of(pairs, rng_seed=1)
    assert keys_of(pairs, shuffle=False) == sorted(first)


@FAST
@given(world=st.integers(1, 80), seed=st.integers(0, 2**40), block=st.integers(1, 9))
def test_position_p_belongs_to_rank_p_mod_world_size(pairs: str, world: int, seed: int, block: int) -> None:
    options: dict[str, Any] = {"rng_seed": seed, "block_shards": block}
    whole = keys_of(pairs, **options)
    assert len(set(whole)) == SAMPLES
    for rank in {0, world // 2, world - 1}:
        assert keys_of(pairs, rank=rank, world_size=world, **options) == whole[rank::world]


@FAST
@given(
    plan=st.lists(
        st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=4
    ),
    mixed=st.booleans(),
    weight=st.floats(0.05, 0.95),
)
def test_another_world_size_resumes_at_the_exact_sample(
    pairs: str, others: str, plan: list[tuple[int, int, int, int]], mixed: bool, weight: float
) -> None:
    source: Any = pairs
    if mixed:
        source = Mixture(datasets={"a": pairs, "b": others}, weights={"a": weight, "b": 1 - weight})
    state: dict[str, Any] | None = None
    order: list[str] = []
    for world, size, steps, workers in plan:  # each leg ends with its prefetched batches lost
        ranks = [StreamingDataset(source, 3, rank, world) for rank in range(world)]
        for stream in ranks:
            if state is not None:
                stream.load_state_dict(state)
        begin = ranks[0].cursor.running
        taken = [take(stream, steps, size, workers) for stream in ranks]
        states = [stream.state_dict() for stream in ranks]
        assert all(other == states[0] for other in states)
        state = states[0]
        leg = {}
        for rank, batches in enumerate(taken):
            first = begin + (rank - begin) % world
            for at, key in enumerate(key for batch in batches for key in batch):
                leg[first + at * world] = key
        assert sorted(leg) == list(range(begin, begin + world * size * steps))
        order += [leg[position] for position in sorted(leg)]
    single = StreamingDataset(source, 3, 0, 1)
    assert order == [key for batch in take(single, len(order), 1) for key in batch]
    for size, own in ((SAMPLES, keys_of(pairs, shuffle=False)), (17, keys_of(others, shuffle=False))):
        drawn = [key for key in order if key in own]  # in each of its epochs a data set gives each sample once
        assert all(len(set(drawn[at : at + size])) == len(drawn[at : at + size]) for at in range(0, len(drawn), size))


def test_iter_resumes_in_the_middle_of_an_epoch_from_the_state_of_any_rank(pairs: str) -> None:
    whole = keys_of(pairs)
    for saved_by in (0, 2):
        stream = StreamingDataset(pairs, 0, saved_by, 3)
        iterator = iter(stream)
        for _ in range(5):
            next(iterator)
        state = stream.state_dict()
        assert state["position"] == 15
        rest: dict[int, str] = {}
        for rank in range(4):
            resumed = StreamingDataset(pairs, 0, rank, 4)
            resumed.load_state_dict(state)
            rest |= dict(zip(range(16 + rank if rank != 3 else 15, SAMPLES, 4), [s.key for s in resumed], strict=True))
        assert [rest[position] for position in sorted(rest)] == whole[15:]


def test_augmentations_do_not_depend_on_workers_or_resume(pairs: str) -> None:
    first, second = StreamingDataset(pairs, 5, 0, 1), StreamingDataset(pairs, 5, 0, 1)
    expected = [next(batch) for batch in [first.batches(6, transform=draw, workers=0)] for _ in range(4)]
    list(zip(second.batches(6, transform=draw, workers=3), range(2), strict=False))
    resumed = StreamingDataset(pairs, 5, 0, 1)
    resumed.load_state_dict({**first.state_dict(), "position": 12, "draws": {"": 12}})
    again = next(resumed.batches(6, transform=draw, workers=2))
    assert again["keys"] == expected[2]["keys"]
    assert again["drawn"].equal(expected[2]["drawn"])


def test_state_is_small_and_refused_by_another_stream(pairs: str, others: str) -> None:
    state = StreamingDataset(pairs, 0, 0, 1).state_dict()
    assert len(repr(state)) < 1024
    for stream in (StreamingDataset(others, 0, 0, 1), StreamingDataset(pairs, 1, 0, 1)):
        with pytest.raises(ConfigError, match="another stream"):
            stream.load_state_dict(state)
    with pytest.raises(ConfigError):
        StreamingDataset(pairs, 0, 0, 1).load_state_dict({**state, "position": SAMPLES + 1})


def test_a_state_that_the_caller_changes_does_not_change_the_stream(pairs: str) -> None:
    stream = StreamingDataset(pairs, 0, 0, 1)
    changed = stream.state_dict()
    changed["datasets"][""] = "another digest"
    with pytest.raises(ConfigError, match="another stream"):
        stream.load_state_dict(changed)


def test_an_iterator_made_before_a_load_refuses_to_go_on(pairs: str) -> None:
    stream = StreamingDataset(pairs, 0, 0, 1)
    iterator = iter(stream)
    next(iterator)
    stream.load_state_dict(stream.state_dict())
    with pytest.raises(ConfigError, match="a state was loaded while"):
        next(iterator)


def test_ranks_beyond_the_number_of_samples_have_none(others: str) -> None:
    lengths = [len(keys_of(others, rank=rank, world_size=40)) for rank in range(40)]
    assert lengths == [1] * 17 + [0] * 23
    taken = [take(StreamingDataset(others, 0, rank, 40), 1, 2)[0] for rank in range(40)]
    assert set(Counter(key for keys in taken for key in keys).values()) == {4, 5}  # 80 positions of 17 samples


def test_resuming_after_sigkill_at_a_random_moment_is_exact(pairs: str, tmp_path: Path) -> None:
    script = (
        "import sys, json, os, numpy as np\n"
        "from corpusloom.trainers.stream.dataset import StreamingDataset\n"
        "stream = StreamingDataset(sys.argv[1], 9, 0, 1)\n"
        "if os.path.exists(sys.argv[2]): stream.load_state_dict(json.load(open(sys.argv[2])))\n"
        "for batch in stream.batches(4, transform=lambda s, r: {'n': np.zeros(1)}, workers=2):\n"
        "    open(sys.argv[2] + '.new', 'w').write(json.dumps(stream.state_dict()))\n"
        "    os.replace(sys.argv[2] + '.new', sys.argv[2])\n"
        "    print(' '.join(batch['keys']), flush=True)\n"
    )
    legs: list[list[str]] = []
    for _ in range(2):
        command = [sys.executable, "-c", script, pairs, str(tmp_path / "state")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(random.random() / 50)
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().splitlines(keepends=True)
        legs.append([first, *(line for line in rest if line.endswith("\n"))])
    before, after = legs
    uninterrupted = StreamingDataset(pairs, 9, 0, 1)
    expected = [" ".join(keys) + "\n" for keys in take(uninterrupted, len(before) + 1 + len(after), 4)]
    assert before == expected[: len(before)]
    # A kill between the rename of the state and the print loses a line of output, but no sample.
    begin = len(before) + (after[0] != expected[len(before)])
    assert after == expected[begin : begin + len(after)]


def test_impossible_arguments_are_refused(pairs: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rank"):
        StreamingDataset(pairs, 0, 3, 3)
    with pytest.raises(InputError, match=r"manifest\.json"):
        StreamingDataset(str(tmp_path), 0, 0, 1)
    with pytest.raises(ConfigError, match="on_error"):
        StreamingDataset(pairs, 0, 0, 1, on_error="ignore")
    with pytest.raises(InputError, match="holds no sample"):
        StreamingDataset(pairs, 0, 0, 1, split="val")
    with pytest.raises(ConfigError, match="batch_size"):
        StreamingDataset(pairs, 0, 0, 1).batches(0, transform=draw)


def test_a_split_is_a_dataset_of_its_own(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(9), split_of=lambda key: "val")
    assert len(keys_of(path, split="val")) == 9


def test_a_stream_is_pickled_for_workers_of_a_dataloader_only(pairs: str) -> None:
    with pytest.raises(ConfigError, match="other processes"):
        pickle.dumps(StreamingDataset(pairs, 0, 0, 1))


# --- damage ---


def damaged(tmp_path: Path, count: int = 24) -> tuple[Path, str]:
    path = make_dataset(tmp_path / "data", "pairs", make_pairs(count), shards=2)
    return Path(path) / "00000.tar", path


def test_samples_of_a_truncated_tar_are_skipped_counted_and_listed(tmp_path: Path) -> None:
    tar, path = damaged(tmp_path)
    whole = keys_of(path)
    tar.write_bytes(tar.read_bytes()[:3000])
    stream = StreamingDataset(path, 0, 0, 1)
    left = [sample.key for sample in stream]
    lost = [key for key in whole if key not in left]
    assert left == [key for key in whole if key in left]
    assert all(int(key[0], 16) < 8 for key in lost)
    assert stream.skipped == {"damaged_shard": len(lost)}
    assert [key for key, _ in stream.skipped_keys] == lost
    with pytest.raises(DamageError, match=r"00000\.tar"):
        list(StreamingDataset(path, 0, 0, 1, on_error="raise"))


def test_a_bad_sample_keeps_its_row_in_the_batch(tmp_path: Path) -> None:
    samples = make_pairs(24)
    samples[3][1]["jpg"] = b"\xff\xd8\x00\x00"
    path = make_dataset(tmp_path, "pairs", samples, shards=2)
    whole = keys_of(path)

    def decode(sample: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
        from corpusloom.schemas.images.decoding import decode_rgb

        return {"image": decode_rgb(sample.image)[:8, :8]}

    stream = StreamingDataset(path, 0, 0, 1)
    batches = list(stream.batches(8, transform=decode, epochs=1))
    assert [key for batch in batches for key in batch["keys"]] == whole
    assert sum(int(batch["valid"].sum()) for batch in batches) == 23
    assert stream.skipped == {"not_an_image": 1}
    with pytest.raises(DamageError, match="not_an_image"):
        list(StreamingDataset(path, 0, 0, 1).batches(8, transform=decode, epochs=1, on_error="raise"))


def test_a_sidecar_of_another_shard_and_a_replaced_shard_are_found(tmp_path: Path) -> None:
    tar, path = damaged(tmp_path)
    folder = tar.parent
    sidecar = (folder / "00000.parquet").read_bytes()
    (folder / "00000.parquet").write_bytes((folder / "00001.parquet").read_bytes())
    stream = StreamingDataset(path, 0, 0, 1)
    assert all(int(sample.key[0], 16) >= 8 for sample in stream)
    assert set(stream.skipped) == {"damaged_shard"}
    (folder / "00000.parquet").write_bytes(sidecar)
    original = tar.read_bytes()
    tar.write_bytes(original.replace(b"picture ", b"altered "))
    for verify, reason in ((None, "checksum_differs"), (True, "hash_differs")):
        verifying = StreamingDataset(path, 0, 0, 1, verify=verify)
        assert len(list(verifying)) + verifying.skipped[reason] == 24
        assert verifying.skipped[reason] > 0
    tar.write_bytes(b"")
    empty = StreamingDataset(path, 0, 0, 1)
    assert len(list(empty)) + empty.skipped["damaged_shard"] == 24


def test_every_flip_in_a_tar_changes_no_sample_or_is_counted(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(8), shards=1)
    whole = {sample.key: sample for sample in StreamingDataset(path, 0, 0, 1)}
    tar, rng = tmp_path / "00000.tar", np.random.default_rng(0)
    original = tar.read_bytes()
    counted = 0
    for at in rng.integers(0, len(original), 200).tolist():
        tar.write_bytes(original[:at] + bytes([original[at] ^ (1 << at % 8)]) + original[at + 1 :])
        stream = StreamingDataset(path, 0, 0, 1)
        found = {sample.key: sample for sample in stream}
        assert all(found[key] == whole[key] for key in found)
        assert len(found) + sum(stream.skipped.values()) == 8
        assert {key for key, _ in stream.skipped_keys} == whole.keys() - found.keys()
        counted += sum(stream.skipped.values())
    assert counted > 50


def test_the_same_samples_come_from_format_1_and_2_and_have_one_digest(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(8), shards=2)
    newer, digest = list(StreamingDataset(path, 0, 0, 1)), StreamingDataset(path, 0, 0, 1).state_dict()["datasets"]
    assert list(StreamingDataset(as_version_1(path), 0, 0, 1)) == newer
    assert StreamingDataset(path, 0, 0, 1).state_dict()["datasets"] == digest


def test_a_sample_without_its_text_is_skipped(tmp_path: Path) -> None:
    samples = make_pairs(4)
    del samples[1][1]["txt"]
    stream = StreamingDataset(make_dataset(tmp_path, "pairs", samples), 0, 0, 1)
    assert len(list(stream)) == 3
    assert stream.skipped == {"missing_txt": 1}


def test_a_negative_number_of_samples_is_refused(tmp_path: Path) -> None:
    path = Path(make_dataset(tmp_path, "pairs", make_pairs(4), shards=1))
    described = json.loads((path / "manifest.json").read_text())
    described["shards"][0]["samples"] = -5
    (path / "manifest.json").write_bytes(json_files.seal(described))
    with pytest.raises(DamageError, match=r"manifest\.json: a count of 00000\.tar is -5"):
        StreamingDataset(str(path), 0, 0, 1)


def test_a_shard_without_samples_changes_nothing(tmp_path: Path) -> None:
    path = Path(make_dataset(tmp_path, "pairs", make_pairs(20), shards=4))
    whole = keys_of(str(path), shuffle=False)
    described = json.loads((path / "manifest.json").read_text())
    empty = dict(described["shards"][0], index=9, samples=0)
    empty["tar"] = {**empty["tar"], "name": "00009.tar", "bytes": 0}
    described["shards"].append(empty)
    (path / "00009.tar").touch()
    (path / "manifest.json").write_bytes(json_files.seal(described))
    assert keys_of(str(path), shuffle=False) == whole
    assert sorted(keys_of(str(path))) == sorted(whole)
