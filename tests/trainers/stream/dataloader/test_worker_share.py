"""Inside torch's DataLoader and torchdata's StatefulDataLoader: the rank's own order, exact epochs, exact resume."""

import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.order.mixing import Mixture
from corpusloom.trainers.stream.reading.cache import CacheConfig
from tests.trainers.stream.datasets import make_dataset, make_pairs
from tests.trainers.stream.servers import faulty

data = pytest.importorskip("torch.utils.data")
stateful = pytest.importorskip("torchdata.stateful_dataloader")

SAMPLES = 61
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:'set_vital'")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_dataset(tmp_path_factory.mktemp("pairs"), "pairs", make_pairs(SAMPLES), shards=8)


def draw(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
    return {"key": sample.key, "drawn": rng.random(2)}


def die(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
    if sample.text == "picture 3":
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(sample, rng)


def stream_of(path: Any, rank: int = 0, world: int = 1, **options: Any) -> StreamingDataset:
    return StreamingDataset(path, 5, rank, world, **{"transform": draw, **options})


def flat(batches: Any) -> list[tuple[str, tuple[float, ...]]]:
    """Return key and draws of each sample of a loader's batches, or of its samples."""
    found = []
    for batch in batches:
        keys = [batch["key"]] if isinstance(batch["key"], str) else batch["key"]
        found += zip(keys, map(tuple, np.atleast_2d(batch["drawn"]).tolist()), strict=True)
    return found


def epochs_of(path: Any, epochs: int, rank: int = 0, world: int = 1) -> list[tuple[str, tuple[float, ...]]]:
    """Return what the stream yields in this process, for comparison."""
    stream = stream_of(path, rank, world)
    return [item for _ in range(epochs) for item in flat(stream)]


def load(stream: Any, workers: int, batch: int | None, kind: Any = data.DataLoader, **options: Any) -> Any:
    return kind(stream, batch_size=batch, num_workers=workers, **options)


def refuse(loader: Any, error: type[Exception], match: str) -> None:
    """Expect an error of the workers, and end them; the garbage collector would wait 5 s for each."""
    steps = iter(loader)
    with pytest.raises(error, match=match):
        list(steps)
    steps._shutdown_workers()


@pytest.mark.parametrize(("workers", "batch", "keep"), [(1, 7, True), (2, None, False), (3, 4, True), (3, 4, False)])
def test_a_dataloader_gives_back_the_order_and_the_draws_of_the_rank(
    pairs: str, workers: int, batch: int | None, keep: bool
) -> None:
    loader = load(stream_of(pairs, 1, 2), workers, batch, persistent_workers=keep)
    assert [item for _ in range(3) for item in flat(loader)] == epochs_of(pairs, 3, 1, 2)


def test_workers_without_a_chunk_and_dropped_last_batches_do_not_change_the_order(pairs: str) -> None:
    expected = epochs_of(pairs, 2)
    assert flat(load(stream_of(pairs), 3, 50)) == expected[:SAMPLES]
    loader = load(stream_of(pairs), 2, 8, drop_last=True)
    assert flat(loader) + flat(loader) == expected[:56] + expected[SAMPLES : SAMPLES + 56]


@pytest.mark.parametrize("keep", [False, True])
def test_a_pass_that_is_abandoned_is_repeated_and_only_complete_passes_count(pairs: str, keep: bool) -> None:
    loader = load(stream_of(pairs), 2, 4, persistent_workers=keep)
    assert flat(islice(loader, 3)) == epochs_of(pairs, 1)[:12]
    assert flat(loader) + flat(loader) == epochs_of(pairs, 2)


def test_the_main_process_refuses_to_give_a_state_once_workers_have_moved_on(pairs: str) -> None:
    stream = stream_of(pairs)
    before = stream.state_dict()
    loader = load(stream, 2, 4, persistent_workers=True)
    next(iter(loader))
    with pytest.raises(ConfigError, match="StatefulDataLoader"):
        stream.state_dict()
    stream.load_state_dict({**before, "position": 40, "draws": {"": 40}})
    assert stream.state_dict()["position"] == 40
    assert flat(loader) + flat(loader) == epochs_of(pairs, 2)[40:]
    alone = load(stream, 0, 5)
    stream.load_state_dict(before)
    assert flat(islice(alone, 3)) == epochs_of(pairs, 1)[:15]
    assert stream.state_dict()["position"] == 15
    assert flat(load(stream, 2, 5)) == epochs_of(pairs, 1)[15:]


def steps_and_states(loader: Any, epochs: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    for _ in range(epochs):
        for batch in loader:
            yield batch, loader.state_dict()


@pytest.mark.parametrize(("workers", "batch", "keep"), [(2, 4, False), (3, 5, True), (0, 4, False)])
def test_a_stateful_dataloader_resumes_exactly_at_any_point(pairs: str, workers: int, batch: int, keep: bool) -> None:
    truth = epochs_of(pairs, 3)
    options = {"kind": stateful.StatefulDataLoader, "persistent_workers": keep}
    walked = list(steps_and_states(load(stream_of(pairs), workers, batch, **options), 2))
    assert flat(batch for batch, _ in walked) == truth[: 2 * SAMPLES]
    for at in (0, 6, len(walked) // 2 - 1, len(walked) // 2, len(walked) - 1):
        loader = load(stream_of(pairs), workers, batch, **options)
        loader.load_state_dict(walked[at][1])
        seen = len(flat(batch for batch, _ in walked[: at + 1]))
        rest = [item for _ in range(3 if seen < SAMPLES else 2) for item in flat(loader)]
        assert rest == truth[seen : seen + len(rest)]
        assert len(rest) >= SAMPLES


def test_a_loaders_state_resumes_with_as_many_workers_and_in_the_stream_with_any_number(
    pairs: str, tmp_path: Path
) -> None:
    other = make_dataset(tmp_path, "pairs", make_pairs(17, start=1000), shards=2)
    mixture = Mixture(datasets={"a": pairs, "b": other}, weights={"a": 0.7, "b": 0.3})
    truth = epochs_of(mixture, 1)
    loader = load(stream_of(mixture), 2, 4, stateful.StatefulDataLoader)
    taken = flat(islice(loader, 5))
    state = loader.state_dict()
    assert taken == truth[:20]
    loader = load(stream_of(mixture), 1, 4, stateful.StatefulDataLoader)
    loader.load_state_dict(state)
    with pytest.raises(ConfigError, match=r"workers 2, here 1.*batches\(\)"):
        next(iter(loader))
    for workers, batch in ((0, 4), (1, 3), (3, 4)):
        stream = stream_of(mixture)
        stream.load_state_dict(state)
        loader = load(stream, workers, batch, stateful.StatefulDataLoader)
        assert flat(loader) == truth[20:]
    stream = StreamingDataset(mixture, 5, 1, 3)
    stream.load_state_dict(state)
    keys = next(stream.batches(4, transform=lambda sample, rng: {"n": 0}, workers=0))["keys"]
    assert keys == [key for key, _ in truth[22::3][:4]]


def test_states_of_other_workers_or_of_skipped_samples_are_refused(pairs: str) -> None:
    loader = load(stream_of(pairs), 2, 4, stateful.StatefulDataLoader, snapshot_every_n_steps=3)
    steps = iter(loader)
    for _ in range(3):
        next(steps)
    state = loader.state_dict()
    next(steps)
    with pytest.raises(ConfigError, match="snapshot_every_n_steps=1"):
        stream_of(pairs).load_state_dict(loader.state_dict())
    worker = state["_snapshot"]["_worker_snapshots"]["worker_0"]["dataset_state"]
    with pytest.raises(ConfigError, match="DataLoader's worker"):
        stream_of(pairs).load_state_dict(worker)
    with pytest.raises(ConfigError, match="not the state"):
        stream_of(pairs).load_state_dict({"_snapshot": {}})
    other = load(stream_of(pairs), 2, 6, stateful.StatefulDataLoader)
    other.load_state_dict(state)
    refuse(other, ConfigError, "chunk 4, here 6")
    steps._shutdown_workers()


@pytest.mark.parametrize("kind", [data.DataLoader, stateful.StatefulDataLoader])
def test_a_killed_worker_is_an_error_and_not_a_hang(pairs: str, kind: Any) -> None:
    refuse(load(stream_of(pairs, transform=die), 2, 4, kind), RuntimeError, r"exited unexpectedly|killed by signal")


def test_a_bad_sample_is_skipped_or_raised_and_every_other_sample_comes_once(tmp_path: Path) -> None:
    samples = make_pairs(30)
    del samples[11][1]["txt"]
    path = make_dataset(tmp_path, "pairs", samples)
    stream = stream_of(path)
    loader = load(stream, 2, 4)
    for _ in range(2):
        assert sorted(key for key, _ in flat(loader)) == sorted(key for key, _ in samples if key != samples[11][0])
    assert stream.skipped_in_workers == 2
    refuse(load(stream_of(path, on_error="raise"), 2, 4), DamageError, samples[11][0])


def test_spawned_workers_give_the_same_samples_as_forked_ones(pairs: str) -> None:
    stream = StreamingDataset(pairs, 5, 0, 1)
    stream.load_state_dict({**stream.state_dict(), "position": 31, "draws": {"": 31}})
    loader = load(stream, 2, None, multiprocessing_context="spawn", persistent_workers=True)
    found = [sample.key for _ in range(2) for sample in loader]
    assert found == [key for key, _ in epochs_of(pairs, 2)[31:]]
    with pytest.raises(ConfigError, match="StatefulDataLoader"):
        stream.state_dict()


def test_forked_workers_open_connections_of_their_own(pairs: str, tmp_path: Path) -> None:
    cache = CacheConfig(folder=str(tmp_path), block_bytes=65536, max_bytes=1 << 24)
    with faulty(Path(pairs)) as (url, _):
        stream = stream_of(url, on_error="raise", cache=cache)
        assert flat(islice(stream, 9)) == epochs_of(pairs, 1)[:9]
        assert flat(load(stream, 2, 4)) == epochs_of(pairs, 1)[9:]
        stream.close()


class Wrapped(data.IterableDataset):  # type: ignore[name-defined, misc]
    """A user's own data set, which opens a stream in the worker."""

    def __init__(self, path: str, batched: bool = False) -> None:
        self.path, self.batched = path, batched

    def __iter__(self) -> Iterator[Any]:
        stream = stream_of(self.path)
        if self.batched:
            yield from stream.batches(4, transform=draw)
        for item in stream:
            yield {"key": item["key"].upper(), "drawn": item["drawn"]}


def test_a_stream_inside_a_users_own_dataset_is_dealt_to_the_workers_too(pairs: str) -> None:
    expected = [(key.upper(), drawn) for key, drawn in epochs_of(pairs, 1)]
    assert flat(load(Wrapped(pairs), 2, 4)) == expected
    refuse(load(Wrapped(pairs, batched=True), 1, None), ConfigError, r"batches\(\) inside")


def test_a_stream_has_no_items_by_number(pairs: str) -> None:
    with pytest.raises(ConfigError, match=r"import torch\.utils\.data before"):
        stream_of(pairs)[0]
