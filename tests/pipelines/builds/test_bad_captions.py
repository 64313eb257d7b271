"""Hostile captions end in the dataset, cleaned, or in the ledger with a reason: from lists, img2dataset and pages."""

import html
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.manifest import Manifest
from tests.pipelines.image_server import ImageServer, image_server
from tests.pipelines.stages.extract.test_list_pairs import run
from tests.pipelines.store.store_maker import DATE, png

CAPTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("a brown dog\x00 runs over the wet field", "a brown dog runs over the wet field", None),
    ("a small\u2028boat at\x0b the old\x07 harbour wall", "a small boat at the old harbour wall", None),
    ("\u202ea grey cat\u202c sleeps on \u2067the sofa\u2069", "a grey cat sleeps on the sofa", None),
    ("<p>An old <b>house</b> &amp;amp; its garden</p>", "An old house & its garden", None),
    ("The owner\u00e2\u20ac\u2122s red bicycle by the wall", "The owner\u2019s red bicycle by the wall", None),
    (" \u3000 ", "", "no_caption"),
    ("<br/>&#8203;<!-- none -->", "", "caption_without_text"),
    ("\x00\u200d\u202e", "", "caption_without_text"),
    ("<" * 40 + "b>" * 40, "", "caption_of_nested_markup"),
    ("a word " * 100_000, "", "caption_too_long"),
    ("\U0001f600 \U0001f44d \U0001f389 \U0001f600", "", "language"),
)
"""(caption, its text after cleaning, reason if it is rejected)"""
KEPT = sorted(text for _, text, reason in CAPTIONS if reason is None)
REASONS = Counter(reason for *_, reason in CAPTIONS if reason is not None)
REMARKS = {"control_characters": 3, "html_entities": 1, "html_tags": 1, "mojibake": 1}


def reasons_of(manifest: Manifest) -> Counter[str]:
    """Return reason -> number of rejected rows and pairs, of the stages before any image is looked at."""
    found: Counter[str] = Counter()
    for row in manifest.counts:
        if row.stage in ("extract", "select"):
            assert not row.dead
            assert row.unaccounted == 0
            found.update(row.rejected)
    return found


def captions_of(out: Path) -> list[str]:
    return sorted(pq.read_table(out / "00000.parquet")["caption"].to_pylist())


def remarks_of(manifest: Manifest) -> dict[str, int]:
    return next(row.remarks for row in manifest.counts if (row.stage, row.unit) == ("extract", "pair"))


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def test_captions_of_a_list(server: ImageServer, tmp_path: Path) -> None:
    rows = [{"url": f"{server.base}/{number}.png", "caption": caption} for number, (caption, *_) in enumerate(CAPTIONS)]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = PairListConfig(caption_column="caption")
    manifest = run(tmp_path, "out", lists=(str(tmp_path / "list.jsonl"),), columns=columns, fetch=server.fetch)
    assert captions_of(tmp_path / "out") == KEPT
    assert (reasons_of(manifest), remarks_of(manifest)) == (REASONS, REMARKS)


def test_captions_of_a_folder_of_img2dataset(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "00000").mkdir(parents=True)
    rows = []
    for number, (caption, *_) in enumerate(CAPTIONS):
        key = f"0000{number:05d}"
        rows.append({"url": f"http://example.org/{number}.png", "caption": caption, "key": key, "status": "success"})
        (folder / "00000" / f"{key}.png").write_bytes(png(number, 256))
        (folder / "00000" / f"{key}.txt").write_text(caption, "utf-8", newline="")
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    manifest = run(tmp_path, "out", from_img2dataset=(str(folder),))
    assert captions_of(tmp_path / "out") == KEPT
    assert (reasons_of(manifest), remarks_of(manifest)) == (REASONS, REMARKS)


def test_alt_texts_of_a_page(tmp_path: Path) -> None:
    tags = [
        f'<p><img src="/{number}.png" alt="{html.escape(caption)}"></p>'.replace("\x00", "&#8206;")
        for number, (caption, *_) in enumerate(CAPTIONS)
    ]
    answers = [("/", "text/html; charset=utf-8", "".join(tags).encode())]
    answers += [(f"/{number}.png", "image/png", png(number, 256)) for number in range(len(CAPTIONS))]
    with (tmp_path / "a.warc").open("wb") as handle:
        writer = WarcWriter(handle, compress=False)
        for name, kind, body in answers:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
            request, url = b"GET / HTTP/1.1\r\n\r\n", f"http://example.org{name}"
            writer.exchange(url, request, head, body, date=DATE, address=None, truncated=None)
    manifest = run(tmp_path, "out", warcs=(str(tmp_path / "a.warc"),))
    assert captions_of(tmp_path / "out") == KEPT
    found = reasons_of(manifest)
    assert {reason: found[reason] for reason in ("caption_without_text", "caption_of_nested_markup", "language")} == {
        "caption_without_text": 2,
        "caption_of_nested_markup": 1,
        "language": 1,
    }
    pair = next(row for row in manifest.counts if (row.stage, row.unit) == ("extract", "pair"))
    assert pair.records_in == len(CAPTIONS) - 2, "a blank alt text makes no pair, and a tag of 700 kB is not read"
