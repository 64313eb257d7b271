"""The commands of docs/building.md build from lists that have the columns of those that others publish."""

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.manifest import read_manifest
from tests.docs.names_of_page import ROOT
from tests.pipelines.image_server import SIDE, ImageServer, image_server
from tests.pipelines.store.store_maker import png

TEXTS = ["a red boat on the lake", "two dogs, asleep in the sun", "an old house of stone"]
SIMILARITY = [0.31, 0.12, 0.4]


def commands() -> dict[str, list[str]]:
    """Return name of the dataset -> the words of its command after `loom`."""
    page = (ROOT / "docs" / "building.md").read_text("utf-8")
    block = re.search(r"## Lists that others publish\n.*?```\n(.*?)```", page, re.S)
    assert block
    lines = [shlex.split(line)[1:] for line in block[1].splitlines()]
    return {words[words.index("--out") + 1].removeprefix("data/"): words for words in lines}


def write_lists(folder: Path, base: str) -> None:
    """Write the five lists, with three images each."""
    urls = [f"{base}/{number}.png" for number in range(3)]
    tables: dict[str, dict[str, list[Any]]] = {
        "mscoco.parquet": {"URL": urls, "TEXT": TEXTS},
        "laion400m-meta/part-00000.snappy.parquet": {
            "SAMPLE_ID": [1, 2, 3], "URL": urls, "TEXT": TEXTS, "HEIGHT": [SIDE] * 3, "WIDTH": [SIDE] * 3,
            "LICENSE": ["?"] * 3, "NSFW": ["UNLIKELY"] * 3, "similarity": SIMILARITY,
        },
        "datacomp/metadata/0a.parquet": {
            "uid": ["x", "y", "z"], "url": urls, "text": TEXTS, "original_width": [SIDE] * 3,
            "original_height": [SIDE] * 3, "clip_b32_similarity_score": SIMILARITY,
            "face_bboxes": [[], [[0.1, 0.1, 0.3, 0.3]], []],
            "sha256": [hashlib.sha256(png(number, SIDE)).hexdigest() for number in (0, 1, 9)],
        },
    }  # fmt: skip
    for name, table in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(table), folder / name)
    rows = list(zip(TEXTS, urls, strict=True))
    (folder / "Train_GCC-training.tsv").write_text("".join(f"{text}\t{url}\n" for text, url in rows))
    (folder / "cc12m.tsv").write_text("".join(f"{url}\t{text}\n" for text, url in rows))


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("mscoco", TEXTS),
        ("cc3m", TEXTS),
        ("cc12m", TEXTS),
        ("laion", [text for text, score in zip(TEXTS, SIMILARITY, strict=True) if score >= 0.3]),
        ("datacomp", TEXTS[:2]),
    ],
)
def test_the_command_of_a_published_list_builds_its_pairs(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kept: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lists(tmp_path, server.base)
    address = server.base.removeprefix("http://").replace("127.0.0.1", "127.0.0.0/8")
    local = ["--allow-addresses", address, "--delay", "0", "--workers", "0", "--lanes", "1", "--quiet"]
    assert main.run([*commands()[name], *local]) == 0
    out = f"data/{name}"
    assert read_manifest(out).samples == len(kept)
    assert sorted(pq.read_table(f"{out}/00000.parquet")["caption"].to_pylist()) == sorted(kept)


def test_every_command_has_a_test() -> None:
    assert set(commands()) == {"mscoco", "cc3m", "cc12m", "laion", "datacomp"}
