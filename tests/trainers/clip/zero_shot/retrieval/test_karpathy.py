"""Captions in Karpathy's layout: splits, COCO's folders, and files that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.retrieval.karpathy import open_karpathy


def entry(name: str, split: str = "test", **more: Any) -> dict[str, Any]:
    return {"filename": name, "split": split, "sentences": [{"raw": f"one {name}"}, {"raw": f"two {name}"}], **more}


def written(tmp_path: Path, *entries: Any) -> str:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": entries, "dataset": "x"}))
    return str(path)


def test_the_images_of_a_split_have_all_their_captions(tmp_path: Path) -> None:
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / "b.jpg").write_bytes(b"picture")
    path = written(tmp_path, entry("a.jpg", "train"), entry("b.jpg", filepath="val2014"), entry("c.jpg"))
    found = list(open_karpathy(path, str(tmp_path)))
    assert [(file.key, file.captions) for file in found] == [
        ("val2014/b.jpg", ("one b.jpg", "two b.jpg")),
        ("c.jpg", ("one c.jpg", "two c.jpg")),
    ]
    assert found[0].image == b"picture"
    assert [file.key for file in open_karpathy(path, str(tmp_path), "train")] == ["a.jpg"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("a.jpg", "train"), entry("b.jpg", "val")], r"no image in the split 'test' \(--split train | val"),
        ([entry("../a.jpg")], "leads out of the folder"),
        ([entry("/etc/a.jpg")], "leads out of the folder"),
        ([{"filename": "a.jpg", "split": "test"}], "not in Karpathy's layout: KeyError.*sentences"),
        ([3], "not in Karpathy's layout"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path: Path, entries: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_karpathy(written(tmp_path, *entries), str(tmp_path))


def test_the_folder_of_the_images_must_be_given_and_exist(tmp_path: Path) -> None:
    path = written(tmp_path, entry("a.jpg"))
    with pytest.raises(InputError, match="--images FOLDER"):
        open_karpathy(path, None)
    with pytest.raises(InputError, match="no such folder"):
        open_karpathy(path, str(tmp_path / "nowhere"))
