"""Evaluation sets are read from lists, tars and folders, and match their own items."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from corpusloom.pipelines.dedup.evaluation_sets import items_of, load_benchmarks, set_digests
from corpusloom.schemas.errors import InputError

SENTENCE = "a small red kite hangs over the old harbour while two boats come in"


def picture(rng_seed: int) -> bytes:
    cells = np.random.default_rng(rng_seed).integers(0, 255, (6, 6, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells).resize((96, 96)).save(out, "PNG")
    return out.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_a_folder_of_tars_and_lists_is_one_index(tmp_path: Path) -> None:
    folder = tmp_path / "captions-2017"
    folder.mkdir()
    write_tar(
        folder / "00000.tar",
        {
            "7.png": picture(1),
            "7.json": json.dumps({"caption": SENTENCE, "texts": [None, "more"]}).encode(),
            "8.jpg": b"no image",
            "8.json": b"no json",
        },
    )
    (folder / "more.jsonl").write_text(json.dumps({"benchmark": "other", "item": "1", "sha256": "ab"}))
    items = list(items_of(str(folder)))
    assert {(item.benchmark, item.item) for item in items} == {
        ("captions-2017", "7"),
        ("captions-2017", "8"),
        ("other", "1"),
    }
    index = load_benchmarks((str(folder),))
    assert index is not None
    twin = next(item for item in items if item.dhash)
    found = index.match_image(twin.sha256)
    assert found is not None
    assert (found.benchmark, found.kind) == ("captions-2017", "sha256")
    assert [match.item for match in index.match_text(f"They say: {SENTENCE}.")][:1] == ["7"]


def test_no_set_is_no_index_and_an_empty_one_a_mistake(tmp_path: Path) -> None:
    assert load_benchmarks(()) is None
    with pytest.raises(InputError, match="holds no evaluation set"):
        list(items_of(str(tmp_path)))
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"x" * 2000)
    with pytest.raises(InputError, match="cannot be read as a tar"):
        list(items_of(str(broken)))


def test_a_changed_list_is_another_input(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("{}")
    before = set_digests((str(path),))
    path.write_text("{ }")
    assert set_digests((str(path),)) != before
