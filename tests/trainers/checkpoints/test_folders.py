"""Folders of checkpoints: complete ones count, unfinished ones do not, and each file is what was written."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError, InputError, ShortageError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.checkpoints import folders


def make(folder: Path, step: int, *, complete: bool = True, changes: Mapping[str, object] | None = None) -> Path:
    """Write a checkpoint of one small file, with or without checkpoint.json."""
    path = Path(folders.step_folder(str(folder), step))
    files = folders.write_texts(str(path), {"config.json": b"{}\n"})
    values = {"format_version": 2, "step": step, "files": files, "aliases": {}, "frozen": {}, **(changes or {})}
    if complete:
        (path / "checkpoint.json").write_bytes(json_files.seal(values))
    return path


def test_unfinished_checkpoints_do_not_count(tmp_path: Path) -> None:
    assert folders.latest(str(tmp_path / "nothing")) is None
    make(tmp_path, 10)
    make(tmp_path, 20, complete=False)
    (tmp_path / "step-0000003x").mkdir()
    assert folders.steps_in(str(tmp_path)) == [10, 20]
    assert folders.complete_steps(str(tmp_path)) == [10]
    assert folders.latest(str(tmp_path)) == str(tmp_path / "step-00000010")


def test_find_accepts_a_checkpoint_its_parent_and_the_folder_of_a_run(tmp_path: Path) -> None:
    path = make(tmp_path / "run" / "checkpoints", 10)
    for given in (path, path.parent, path.parent.parent):
        assert folders.find(str(given)) == str(path)


def test_a_folder_without_a_complete_checkpoint_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no complete checkpoint \(give the --out of a training run\)"):
        folders.find(str(tmp_path))
    make(tmp_path / "checkpoints", 10, complete=False)
    with pytest.raises(InputError, match=r"no complete checkpoint \(step-00000010 is unfinished\)"):
        folders.find(str(tmp_path))
    with pytest.raises(InputError, match=r"step-00000010: no checkpoint\.json"):
        folders.read_commit(str(tmp_path / "checkpoints" / "step-00000010"))


def test_steps_beyond_eight_digits_are_found(tmp_path: Path) -> None:
    make(tmp_path, 123_456_789)
    assert folders.complete_steps(str(tmp_path)) == [123_456_789]


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        make(tmp_path, step)
    make(tmp_path, 6, complete=False)
    folders.delete_older(str(tmp_path), 2, best=2)
    assert folders.complete_steps(str(tmp_path)) == [2, 4, 5]


def test_a_newer_format_an_older_one_and_a_torn_commit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=r"format 3 \(upgrade corpusloom\)"):
        folders.read_commit(str(make(tmp_path, 1, changes={"format_version": 3})))
    with pytest.raises(InputError, match="format 1, which is no longer read"):
        folders.read_commit(str(make(tmp_path, 2, changes={"format_version": 1})))
    commit = make(tmp_path, 3) / "checkpoint.json"
    commit.write_text(commit.read_text()[:40])
    with pytest.raises(DamageError, match=r"step-00000003/checkpoint\.json"):
        folders.read_commit(str(commit.parent))


@pytest.mark.parametrize("key", ["step", "files", "aliases", "frozen"])
def test_a_commit_without_a_key_is_damage(tmp_path: Path, key: str) -> None:
    with pytest.raises(DamageError, match=f"{key} is missing"):
        folders.read_commit(str(make(tmp_path, 1, changes={key: None})))


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""])
def test_a_commit_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DamageError, match="is no file of its folder"):
        folders.read_commit(str(make(tmp_path, 1, changes={"files": {name: "0" * 64}})))


def test_a_small_file_that_changed_is_damage(tmp_path: Path) -> None:
    path = make(tmp_path, 1)
    commit = folders.read_commit(str(path))
    assert folders.read_json(str(path), "config.json", commit) == {}
    (path / "config.json").write_bytes(b"[]\n")
    with pytest.raises(DamageError, match=r"config\.json: has changed"):
        folders.read_json(str(path), "config.json", commit)


@pytest.mark.parametrize(
    ("path", "error", "expected"),
    [
        ("/a/folder", PermissionError(13, "Permission denied"), InputError),
        ("/a/folder", OSError(28, "No space left on device"), ShortageError),
        ("s3://bucket/folder", RuntimeError("no credentials"), InputError),
        ("/a/folder", RuntimeError("a bug"), RuntimeError),
        ("/a/folder", DamageError("is broken"), DamageError),
    ],
)
def test_errors_of_the_storage_name_the_folder(path: str, error: Exception, expected: type[Exception]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(expected, match=r"Permission|No space|credentials|bug|broken") as caught:
        folders.storing(path, work)()
    if expected in (InputError, ShortageError):
        assert str(caught.value).startswith(path)


def test_shards_are_checked_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"one")
    commit = {"files": {"a.safetensors": hashlib.sha256(b"one").hexdigest(), "config.json": ""}}
    assert folders.shards_of(commit) == ["a.safetensors"]
    folders.check_shards(str(tmp_path), commit, ["a.safetensors"], str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(b"two")
    with pytest.raises(DamageError, match=r"a\.safetensors: has changed"):
        folders.check_shards(str(tmp_path), commit, ["a.safetensors"], str(tmp_path))
