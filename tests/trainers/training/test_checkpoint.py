"""Checkpoints: complete or absent, without pickles, exact, and written while training goes on."""

import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessException

from benchmarks.checkpoint import megabytes_above
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.checkpoints.folders import complete_steps
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.checkpoint import Checkpointer, load_model, read_config
from corpusloom.trainers.training.config import ParallelConfig, RunConfig
from corpusloom.trainers.training.loop import train
from corpusloom.trainers.training.optimizer import make_optimizer
from tests.trainers.ranks import run_ranks
from tests.trainers.training.toy import ToyStream, toy_config, toy_model, toy_task, train_toy

ROOT = Path(__file__).parents[3]
CONFIG = RunConfig(family="clip", name="toy", model={"width": 3}, train=toy_config())


def saved(folder: Path, step: int = 10) -> Path:
    model = toy_model()
    optimizer = make_optimizer(model, toy_config())
    model(torch.randn(4, 6)).sum().backward()
    optimizer.step()
    checkpointer = Checkpointer(str(folder), config=CONFIG)
    return Path(checkpointer.save(step, model, optimizer, ToyStream(), wait=True))


def restore(folder: Path | str, **settings: Any) -> int:
    model = toy_model()
    return Checkpointer(str(folder), **settings).restore(model, make_optimizer(model, toy_config()), ToyStream())


def test_a_checkpoint_is_safetensors_and_json_only(tmp_path: Path) -> None:
    names = {path.name for path in saved(tmp_path).iterdir()}
    assert names == {"shard-00000.safetensors", "config.json", "stream.json", "checkpoint.json"}


def test_the_configuration_is_read_back_from_a_checkpoint(tmp_path: Path) -> None:
    assert read_config(str(saved(tmp_path))) == CONFIG


def test_older_checkpoints_are_deleted_beyond_keep(tmp_path: Path) -> None:
    config = toy_config(checkpoint_every=4)
    train_toy(config=config, checkpoint=Checkpointer(str(tmp_path), keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000016", "step-00000020"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("name", ["shard-00000.safetensors", "stream.json", "config.json", "checkpoint.json"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_file_that_is_changed_cut_or_missing_is_one_line_that_names_it(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    path = saved(tmp_path)
    damage(path / name)
    if name == "checkpoint.json" and damage is Path.unlink:
        assert restore(tmp_path) == 0
        return
    with pytest.raises(LoomError) as caught:
        restore(tmp_path, config=CONFIG)
    assert f"step-00000010/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DamageError) or damage is Path.unlink


def test_a_file_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    shutil.copy(path / "shard-00000.safetensors", path / "shard-00001.safetensors")
    with pytest.raises(DamageError, match=r"shard-00001\.safetensors: is no file of this checkpoint"):
        restore(tmp_path)


def test_what_a_killed_run_of_more_ranks_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "step-00000010" / "shard-00003.safetensors"
    left.parent.mkdir()
    left.write_bytes(b"half")
    saved(tmp_path)
    assert not left.exists()
    assert restore(tmp_path) == 10


def test_frozen_weights_of_no_other_place_are_saved_without_optimizer_state(tmp_path: Path) -> None:
    model = toy_model()
    model[0].requires_grad_(False)  # type: ignore[operator]
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(0.5)
    train_toy(model, config=toy_config(steps=3), checkpoint=Checkpointer(str(tmp_path)))
    again = toy_model()
    again[0].requires_grad_(False)  # type: ignore[operator]
    optimizer = make_optimizer(again, toy_config())
    assert Checkpointer(str(tmp_path)).restore(again, optimizer, ToyStream()) == 3
    assert again.get_parameter("0.weight").eq(0.5).all()
    assert again.get_parameter("0.weight") not in optimizer.state
    assert int(optimizer.state[again.get_parameter("4.weight")]["step"]) == 3


def test_attachments_are_saved_and_must_be_equal_when_a_run_resumes(tmp_path: Path) -> None:
    model = toy_model()
    optimizer = make_optimizer(model, toy_config())
    path = Checkpointer(str(tmp_path), attachments={"tokenizer.txt": b"a b"}).save(1, model, optimizer, wait=True)
    assert folders.read_attachment(path, "tokenizer.txt") == b"a b"
    with pytest.raises(InputError, match=r"no other\.txt"):
        folders.read_attachment(path, "other.txt")
    for name in ("tokenizer.txt", "other.txt"):
        with pytest.raises(ConfigError, match=rf"{name} differs"):
            Checkpointer(str(tmp_path), attachments={name: b"c d"}).restore(model, optimizer)


@contextmanager
def held_writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold every write of a file until the event that is yielded is set."""
    event, writing = threading.Event(), storage.writing

    def held(path: str) -> AbstractContextManager[IO[bytes]]:
        assert event.wait(60)
        return writing(path)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "writing", held)
        yield event
        event.set()


def test_training_goes_on_while_a_checkpoint_is_written_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, stream = toy_model(), ToyStream()
    optimizer = make_optimizer(model, toy_config())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    checkpointer = Checkpointer(str(tmp_path))
    with held_writes(monkeypatch) as release:
        checkpointer.save(1, model, optimizer, stream)
        assert complete_steps(str(tmp_path)) == []
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        next(stream)
        release.set()
        checkpointer.finish()
    fresh, place = toy_model(), ToyStream()
    assert Checkpointer(str(tmp_path)).restore(fresh, make_optimizer(fresh, toy_config()), place) == 1
    assert place.position == 0
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_the_next_save_waits_for_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model()
    optimizer = make_optimizer(model, toy_config())
    checkpointer = Checkpointer(str(tmp_path))
    with held_writes(monkeypatch) as release:
        checkpointer.save(1, model, optimizer)
        threading.Timer(0.05, release.set).start()
        checkpointer.save(2, model, optimizer)
        assert 1 in complete_steps(str(tmp_path))
    checkpointer.finish()
    assert complete_steps(str(tmp_path)) == [1, 2]


def test_without_a_snapshot_a_save_returns_once_it_is_complete_and_keeps_no_copy(tmp_path: Path) -> None:
    model = toy_model()
    checkpointer = Checkpointer(str(tmp_path), snapshot=False)
    checkpointer.save(1, model, make_optimizer(model, toy_config()))
    assert complete_steps(str(tmp_path)) == [1]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from Linux' /proc")
def test_saving_takes_one_kept_copy_of_the_state_and_without_a_snapshot_none(tmp_path: Path) -> None:
    model = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(24)))
    size = sum(parameter.nbytes for parameter in model.parameters()) / (1 << 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for snapshot, most in ((False, 0.1), (True, 1.1)):
        checkpointer = Checkpointer(str(tmp_path / str(snapshot)), snapshot=snapshot)
        first = megabytes_above(lambda saver=checkpointer: saver.save(1, model, optimizer, wait=True))  # type: ignore[misc]
        assert first < most * size
        again = megabytes_above(lambda saver=checkpointer: saver.save(2, model, optimizer, wait=True))  # type: ignore[misc]
        assert again < 0.1 * size


def no_space(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_without_space_training_goes_on_is_told_and_older_checkpoints_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = list[str]()
    model, checkpointer = toy_model(), Checkpointer(str(tmp_path), keep=1, on_note=notes.append)
    optimizer = make_optimizer(model, toy_config())
    checkpointer.save(1, model, optimizer)
    checkpointer.finish()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        checkpointer.save(2, model, optimizer)
        checkpointer.settle()
    assert folders.steps_in(str(tmp_path)) == complete_steps(str(tmp_path)) == [1]
    assert len(notes) == 1
    assert "training goes on" in notes[0]
    assert "step-00000002/shard-00000.safetensors: No space left on device" in notes[0]
    checkpointer.save(3, model, optimizer, wait=True)
    assert complete_steps(str(tmp_path)) == [3]


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_file_that_may_not_grow_is_raised_when_no_checkpoint_follows(tmp_path: Path, snapshot: bool) -> None:
    model, checkpointer = toy_model(), Checkpointer(str(tmp_path), snapshot=snapshot)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        checkpointer.save(1, model, make_optimizer(model, toy_config()))
        with pytest.raises(InputError, match=r"shard-00000\.safetensors: File too large"):
            checkpointer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert complete_steps(str(tmp_path)) == []


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    notes = list[str]()
    model = toy_model()
    checkpointer = Checkpointer(str(tmp_path / "run" / "checkpoints"), on_note=notes.append)
    checkpointer.save(1, model, make_optimizer(model, toy_config()))
    checkpointer.settle()
    assert len(notes) == 1
    assert "step-00000001" in notes[0]


def test_another_error_of_the_writing_thread_ends_training_at_the_next_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, checkpointer = toy_model(), Checkpointer(str(tmp_path))
    optimizer = make_optimizer(model, toy_config())
    with monkeypatch.context() as patch:
        patch.setattr(json_files, "seal", lambda _: 1 / 0)
        checkpointer.save(1, model, optimizer)
        with pytest.raises(ZeroDivisionError):
            checkpointer.save(2, model, optimizer)


def test_other_settings_are_told_when_a_run_resumes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    commit = json_files.read_object(str(path / "checkpoint.json"), "")
    (path / "checkpoint.json").write_bytes(json_files.seal({**commit, "torch": "2.1.0", "world_size": 8, "threads": 3}))
    other = RunConfig(
        family="clip", name="other", model={"width": 3},
        train=toy_config(lr=0.5, batch_size=2, schedule="constant", grad_clip=None, threads=2),
    )  # fmt: skip
    notes = list[str]()
    assert restore(tmp_path, config=other, on_note=notes.append) == 10
    assert set(notes) == {
        "resuming: train.lr is 0.5 now, 0.01 in the checkpoint",
        "resuming: train.batch_size is 2 now, 4 in the checkpoint",
        'resuming: train.schedule is "constant" now, "cosine" in the checkpoint',
        "resuming: train.grad_clip is unset now, 1.0 in the checkpoint",
        "resuming: train.threads is 2 now, unset in the checkpoint",
        f'resuming: torch is "{torch.__version__}" now, "2.1.0" in the checkpoint',
        "resuming: threads is 2 now, 3 in the checkpoint",
        "resuming: world_size is 1 now, 8 in the checkpoint",
    }
    notes.clear()
    fresh = tmp_path / "fresh"
    saved(fresh)
    assert restore(fresh, config=CONFIG, on_note=notes.append) == 10
    assert notes == []


def test_a_run_that_is_done_says_what_to_set(tmp_path: Path) -> None:
    saved(tmp_path, step=20)
    notes = list[str]()
    assert restore(tmp_path, config=CONFIG, on_note=notes.append) == 20
    assert notes == ["step 20 of 20 is done: nothing is left to train (set train.steps above it)"]


def test_the_best_checkpoint_by_a_metric_is_kept(tmp_path: Path) -> None:
    model = toy_model()
    optimizer = make_optimizer(model, toy_config())
    checkpointer = Checkpointer(str(tmp_path), keep=1, keep_best="loss:min")
    for step, loss in enumerate((5.0, 3.0, 4.0, 2.0, 6.0, 7.0), 1):
        if step % 2:  # an evaluation may come before or after the step's checkpoint
            checkpointer.save(step, model, optimizer)
        assert checkpointer.mark_best(step, {"loss": loss}) is (step in (1, 2, 4))
        if not step % 2:
            checkpointer.save(step, model, optimizer)
    checkpointer.finish()
    assert complete_steps(str(tmp_path)) == [4, 6]
    resumed = Checkpointer(str(tmp_path), keep=1, keep_best="loss:min")
    assert not resumed.mark_best(7, {"loss": 2.5})
    assert resumed.mark_best(8, {"loss": 1.5})
    resumed.save(8, model, optimizer, wait=True)
    assert complete_steps(str(tmp_path)) == [8]


def test_a_checkpoint_at_a_url_is_saved_and_restored() -> None:
    folder = "memory://checkpoints-of-a-test/run"
    model, stream = toy_model(), ToyStream()
    config = toy_config(steps=4, checkpoint_every=2)
    train_toy(model, stream, config, checkpoint=Checkpointer(folder, config=CONFIG))
    assert complete_steps(folder) == [2, 4]
    again = toy_model()
    optimizer = make_optimizer(again, config)
    assert Checkpointer(folder).restore(again, optimizer, ToyStream()) == 4
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    fs = fsspec.filesystem("memory")
    shard = "/checkpoints-of-a-test/run/step-00000004/shard-00000.safetensors"
    fs.pipe_file(shard, fs.cat_file(shard)[:-1])
    with pytest.raises(DamageError, match=r"step-00000004/shard-00000\.safetensors: has changed"):
        restore(folder)
    fs.rm_file(shard)
    with pytest.raises(DamageError, match=r"step-00000004/shard-00000\.safetensors: is missing"):
        restore(folder)


class Towers(nn.Module):
    """A frozen part `vision` whose weights come from a file, and a trained one."""

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.vision = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).requires_grad_(False)
        self.vision.load_state_dict(load_file(weights))
        self.head = nn.Linear(4, 2)


def build_towers(config: RunConfig) -> Towers:
    return Towers(config.model["vision"]["weights"])


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """Return the folder of a run of a model with a frozen part, whose weights are beside it."""
    weights = tmp_path / "vision.safetensors"
    torch.manual_seed(3)
    save_file(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict(), weights)
    config = RunConfig(family="flamingo", model={"vision": {"weights": str(weights)}}, train=toy_config())
    model = build_towers(config)
    optimizer = torch.optim.AdamW(model.head.parameters())
    frozen = {"model.vision.weights": str(weights)}
    Checkpointer(str(tmp_path / "run"), config=config, frozen_parts=frozen).save(5, model, optimizer, wait=True)
    return tmp_path / "run"


def test_frozen_parts_are_named_not_written(towers: Path) -> None:
    path = folders.find(str(towers))
    assert load_file(f"{path}/shard-00000.safetensors").keys() == {"model:head.weight", "model:head.bias"}
    entry = folders.read_commit(path)["frozen"]["model.vision.weights"]
    assert entry["path"] == str(towers.parent / "vision.safetensors")
    model, _ = load_model(str(towers), build_towers)
    expected = load_file(entry["path"])
    assert all(torch.equal(value, expected[name]) for name, value in model.vision.state_dict().items())


def test_a_frozen_part_that_moved_is_named_with_the_assignment_that_relocates_it(towers: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.safetensors"
    (tmp_path / "vision.safetensors").rename(moved)
    with pytest.raises(InputError, match=r"vision\.safetensors: the frozen part model\.vision\.weights is not there"):
        load_model(str(towers), build_towers)
    with pytest.raises(InputError, match=r"--set \"model\.vision\.weights='PATH'\""):
        load_model(str(towers), build_towers)
    model, config = load_model(str(towers), build_towers, [f"model.vision.weights='{moved}'"])
    assert config.model["vision"]["weights"] == str(moved)
    optimizer = torch.optim.AdamW(model.head.parameters())
    assert Checkpointer(str(towers), frozen_parts={"model.vision.weights": str(moved)}).restore(model, optimizer) == 5


def test_a_frozen_part_that_changed_is_refused(towers: Path, tmp_path: Path) -> None:
    weights = tmp_path / "vision.safetensors"
    tensors = load_file(weights)
    tensors["0.bias"] += 1
    save_file(tensors, weights)
    with pytest.raises(DamageError, match=r"model\.vision\.weights differs from the one that the checkpoint"):
        load_model(str(towers), build_towers)
    model = Towers(str(weights))
    checkpointer = Checkpointer(str(towers), frozen_parts={"model.vision.weights": str(weights)})
    with pytest.raises(DamageError, match=r"vision\.safetensors: the frozen part model\.vision\.weights differs"):
        checkpointer.restore(model, torch.optim.AdamW(model.head.parameters()))


def test_a_checkpoint_that_is_moved_is_loaded(towers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = tmp_path / "elsewhere" / "a-step"
    moved.parent.mkdir()
    Path(folders.find(str(towers))).rename(moved)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    model, _ = load_model(str(moved), build_towers)
    assert not model.training


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from corpusloom.schemas import storage
from tests.trainers.training.toy import ToyStream, toy_config, toy_model, train_toy
from corpusloom.trainers.training.checkpoint import Checkpointer
import torch
torch.set_num_threads(1)
writing, count = storage.writing, 0

class Deadly:
    def __init__(self, handle):
        self.handle = handle
    def write(self, data):
        self.handle.write(data[: len(data) // 2])
        self.handle.flush()
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def deadly(path):
    global count
    count += 1
    with writing(path) as handle:
        yield Deadly(handle) if count == int(sys.argv[2]) else handle

storage.writing = deadly
train_toy(config=toy_config(checkpoint_every=5), checkpoint=Checkpointer(sys.argv[1]))
"""


@pytest.mark.parametrize("write", [5, 8])
def test_a_run_killed_while_the_thread_writes_resumes_exactly(tmp_path: Path, write: int) -> None:
    """The 5th write is the second checkpoint's tensors, the 8th its checkpoint.json."""
    folder = str(tmp_path / "killed")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, folder, str(write)], cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert complete_steps(folder) == [5]
    assert (tmp_path / "killed" / "step-00000010").exists()
    config = toy_config(checkpoint_every=5)
    result = train_toy(config=config, checkpoint=Checkpointer(folder))
    train_toy(config=config, checkpoint=Checkpointer(str(tmp_path / "whole")))
    assert result.resumed_at == 5
    for step in (10, 20):
        name = f"step-{step:08d}/shard-00000.safetensors"
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


RUNS, DEADLY = "RUNS_UNDER_TEST", "KILLED_WHILE_WRITING"


def without_statistics() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))


def train_sharded(name: str) -> None:
    """Train a model without batch statistics, with an average, its state sharded over all ranks."""
    task = dataclasses.replace(toy_task(without_statistics()), skeleton=without_statistics)
    config, sharded = toy_config(checkpoint_every=5, ema=0.5), ParallelConfig(shard=-1)
    with distributed.mesh_session("cpu", sharded):
        train(task, config, sharded, checkpoint=Checkpointer(f"{os.environ[RUNS]}/{name}"))


def killed_on_rank_one() -> dict[str, Tensor]:
    """Train, and kill rank 1 in the middle of its file of the second checkpoint."""
    writing = storage.writing

    @contextmanager
    def deadly(path: str) -> Iterator[IO[bytes]]:
        with writing(path) as handle:
            yield handle
            if "step-00000010" in path:
                os.kill(os.getpid(), signal.SIGKILL)

    if distributed.rank() == 1:
        storage.writing = deadly
    train_sharded("killed")
    return {}


def resumed_and_whole() -> dict[str, Tensor]:
    for name in ("killed", "whole"):
        train_sharded(name)
    return {}


def test_a_sharded_run_of_which_a_rank_is_killed_while_it_writes_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNS, str(tmp_path))
    with pytest.raises(ProcessException):  # of the rank that is killed, or of the one that then waits for it
        run_ranks(killed_on_rank_one, tmp_path)
    assert complete_steps(str(tmp_path / "killed")) == [5]
    run_ranks(resumed_and_whole, tmp_path)
    for name in ("shard-00000.safetensors", "shard-00001.safetensors"):
        files = [tmp_path / run / "step-00000020" / name for run in ("killed", "whole")]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        (99, VersionError, "checkpoint of format 99.*upgrade corpusloom"),
        (1, InputError, "format 1, which is no longer"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, version: int, error: type[LoomError], words: str) -> None:
    commit = saved(tmp_path) / "checkpoint.json"
    commit.write_bytes(json_files.seal(json.loads(commit.read_text()) | {"format_version": version}))
    with pytest.raises(error, match=words):
        restore(tmp_path)
