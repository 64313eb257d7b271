"""Foreign tars by paths, globs, braces and energon's split.yaml: each once, in order, with its split."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.foreign import find_tars as module
from corpusloom.trainers.stream.foreign.find_tars import ForeignTar, find_tars


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a-0.tar", "a-1.tar", "b.tar", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def energon(folder: Path, split: dict[str, object], counts: dict[str, int] | None = None) -> str:
    """Write energon's metadata into a folder, in JSON, which is YAML."""
    (folder / ".nv-meta").mkdir()
    (folder / ".nv-meta" / "split.yaml").write_text(json.dumps(split))
    if counts is not None:
        (folder / ".nv-meta" / ".info.json").write_text(json.dumps({"shard_counts": counts}))
    return str(folder)


def names(tars: list[ForeignTar]) -> list[str]:
    return [Path(tar.path).name for tar in tars]


def test_paths_globs_braces_and_folders_name_tars(folder: Path) -> None:
    assert names(find_tars([f"{folder}/b.tar"])) == ["b.tar"]
    assert names(find_tars([f"{folder}/a-{{0..1}}.tar"])) == ["a-0.tar", "a-1.tar"]
    assert names(find_tars([f"{folder}/a-*.tar"])) == ["a-0.tar", "a-1.tar"]
    assert names(find_tars([str(folder)])) == ["a-0.tar", "a-1.tar", "b.tar"]


def test_a_tar_named_twice_is_listed_once(folder: Path) -> None:
    assert names(find_tars([f"{folder}/b.tar", str(folder)])) == ["b.tar", "a-0.tar", "a-1.tar"]


@pytest.mark.parametrize(("text", "match"), [("nothing-*.tar", "no such file"), ("notes.txt", "no .tar there")])
def test_a_name_without_a_tar_is_an_error(folder: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        find_tars([f"{folder}/{text}"])


def test_unbalanced_braces_are_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="unbalanced braces"):
        find_tars([f"{folder}/a-{{0,1.tar"])


def test_energons_splits_and_exclusions_are_taken_over(folder: Path) -> None:
    parts = {"train": ["a-{0..1}.tar"], "valid": ["b.tar"]}
    path = energon(folder, {"split_parts": parts, "exclude": ["a-1.tar", "a-0.tar/k3"]})
    assert find_tars([path]) == [
        ForeignTar(f"{path}/a-0.tar", "train", frozenset({"k3"})),
        ForeignTar(f"{path}/b.tar", "val"),
    ]


def test_only_tars_that_energon_counted_are_taken(folder: Path) -> None:
    path = energon(folder, {"split_parts": {"test": ["a-{0..1}.tar"]}}, counts={"a-1.tar": 5})
    assert [(Path(tar.path).name, tar.split) for tar in find_tars([path])] == [("a-1.tar", "test")]


@pytest.mark.parametrize(
    ("split", "match"),
    [
        ({"split_parts": {"dev": ["b.tar"]}}, "unknown split 'dev'"),
        ({"split_parts": {"train": ["../b.tar"]}}, "outside the dataset"),
        ({"split_parts": {"train": ["/b.tar"]}}, "outside the dataset"),
        ({"parts": {}}, "not energon's split.yaml"),
    ],
)
def test_invalid_metadata_of_energon_is_an_error(folder: Path, split: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        find_tars([energon(folder, split)])


def test_a_tar_in_two_splits_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="named twice"):
        find_tars([energon(folder, {"split_parts": {"train": ["b.tar"], "val": ["b.tar"]}})])


def test_the_number_of_tars_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TARS", 2)
    assert len(find_tars([f"{folder}/a-*.tar"])) == 2
    with pytest.raises(InputError, match="more than 2 tars"):
        find_tars([str(folder)])


@pytest.mark.parametrize("name", ["{1,2}.tar", "a [0].tar", "c::d.tar"])
def test_a_tar_whose_name_has_signs_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    for other in (name, "1.tar", "a 0.tar"):
        (tmp_path / other).touch()
    assert find_tars([str(tmp_path / name)]) == [ForeignTar(str(tmp_path / name))]
