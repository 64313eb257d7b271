"""One WARC becomes fragments, a ledger and notes on its images: each record has one verdict."""

from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract import extract
from corpusloom.pipelines.stages.extract.extract import ExtractStageConfig, ExtractWarcs, extract_warc
from corpusloom.pipelines.stages.extract.input_fragments import InputFile, is_extracted, read_counts
from corpusloom.pipelines.stages.extract.page_pool import page_pool
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.store.images.from_warcs import read_notes
from corpusloom.pipelines.store.warc.response_at import read_response_at
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import tables
from corpusloom.schemas.records import Head, LedgerRow, Pair, ProvenanceRow, StageCounts
from tests.pipelines.store.store_maker import DATE, png
from tests.pipelines.store.warc import test_arc

TEXT = "a photo of the old house number {}"
ANSWERS = (
    ("/a", "200 OK", "text/html", f'<img src="/1.png" alt="{TEXT.format(1)}">'.encode()),
    ("/1.png", "200 OK", "image/png", png(1)),
    ("/gone", "404 Not Found", "text/html", b"<p>gone"),
    ("/empty", "200 OK", "text/html", b""),
    ("/b", "200 OK", "text/html", f'<img src="/2.png" alt="{TEXT.format(2)}">'.encode()),
    ("/2.png", "200 OK", "image/png", png(2)),
)


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    """Return a WARC of two pages, their images, an error and an empty page."""
    path = tmp_path_factory.mktemp("warc") / "a.warc"
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=False)
        for name, status, kind, body in ANSWERS:
            head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n\r\n".encode()
            url = f"http://example.org{name}"
            writer.exchange(url, b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None)
    return InputFile(path=str(path), sha256="a" * 64)


def config(folder: Path, **changes: Any) -> ExtractStageConfig:
    """Return the configuration of a stage that parses in this process."""
    values = {"kind": PAIRS, "recipe": load_recipe("align"), "workers": 0} | changes
    return ExtractStageConfig(folder=str(folder), **values)


def run(warc: InputFile, made: ExtractStageConfig) -> dict[str, StageCounts]:
    """Extract a WARC; return its counts by unit."""
    with page_pool(PAIRS.parser(load_recipe("align")), 0) as pool:
        return {row.unit: row for row in extract_warc(warc, made, pool)}


def urls(folder: Path, name: str, cls: type) -> list[str]:
    """Return the image URLs of a fragment."""
    rows = tables.read_records(str(folder / name / f"{'a' * 16}-0000.parquet"), cls)
    return sorted(row.image_url if isinstance(row, Pair) else row.url for row in rows)


def test_each_record_has_one_verdict_and_each_pair_a_head(warc: InputFile, tmp_path: Path) -> None:
    counts = run(warc, config(tmp_path))
    assert (counts["record"].records_in, counts["record"].unaccounted) == (6, 0)
    assert counts["record"].rejected["http_404"] == 1
    assert (counts["pair"].records_in, counts["pair"].kept) == (2, 2)
    shown = ["http://example.org/1.png", "http://example.org/2.png"]
    assert urls(tmp_path, "records", Pair) == urls(tmp_path, "candidates", Head) == shown
    rows = list(tables.read_records(str(tmp_path / "ledger" / f"{'a' * 16}.parquet"), LedgerRow))
    assert ("http://example.org/gone", "http_404") in {(row.url, row.reason) for row in rows}
    notes = {(note.url, note.warc) for note in read_notes([str(tmp_path / "images" / f"{'a' * 16}.parquet")])}
    assert notes == {(url, warc.path) for url in shown}


def test_provenance_names_the_warc_and_the_place_of_a_page(warc: InputFile, tmp_path: Path) -> None:
    run(warc, config(tmp_path))
    rows = tables.read_records(str(tmp_path / "provenance" / f"{'a' * 16}.parquet"), ProvenanceRow)
    page = next(row for row in rows if row.url == "http://example.org/b")
    assert (page.warc, page.fetched_at) == ("a.warc", DATE)
    assert page.offset
    assert Path(warc.path).read_bytes()[page.offset :].startswith(b"WARC/1.1")


def test_provenance_holds_what_a_warc_states_about_its_crawler(tmp_path: Path) -> None:
    for name, info in (("told.warc", {"software": "x/1", "robots": "classic"}), ("silent.warc", {"format": "WARC"})):
        with (tmp_path / name).open("wb") as handle:
            WarcWriter(handle, compress=False).warcinfo(info, DATE)
        run(InputFile(path=str(tmp_path / name), sha256="a" * 64), config(tmp_path / "out"))
        rows = list(tables.read_records(str(tmp_path / "out" / "provenance" / f"{'a' * 16}.parquet"), ProvenanceRow))
        told = [(row.warc, [(signal.name, signal.value) for signal in row.signals]) for row in rows]
        assert told == ([(name, [("software", "x/1"), ("robots", "classic")])] if name == "told.warc" else [])


def test_the_limit_counts_pages_and_not_images_or_errors(warc: InputFile, tmp_path: Path) -> None:
    assert run(warc, config(tmp_path / "1", limit=1))["pair"].kept == 1
    assert run(warc, config(tmp_path / "2", limit=2))["pair"].kept == 1
    assert run(warc, config(tmp_path / "3", limit=3))["pair"].kept == 2


def test_taken_down_images_have_no_note_and_no_record(warc: InputFile, tmp_path: Path) -> None:
    stones = make_tombstones(urls=("http://example.org/1.png",))
    counts = run(warc, config(tmp_path, tombstones=stones))
    assert counts["pair"].kept == 2
    assert urls(tmp_path, "records", Pair) == ["http://example.org/2.png"]
    assert "http://example.org/1.png" not in urls(tmp_path, "candidates", Head)
    notes = read_notes([str(tmp_path / "images" / f"{'a' * 16}.parquet")])
    assert [note.url for note in notes] == ["http://example.org/2.png"]


def test_an_input_is_finished_by_its_report(warc: InputFile, tmp_path: Path) -> None:
    work = ExtractWarcs(config(tmp_path))
    assert not work.is_finished(warc)
    with work.open() as finish:
        counts = finish(warc)
    assert work.is_finished(warc)
    assert is_extracted(str(tmp_path), warc)
    assert tuple(read_counts(str(tmp_path), warc)) == counts


def test_records_of_an_earlier_folder_are_measured_again_without_the_warc(
    warc: InputFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExtractWarcs(config(tmp_path / "first")).open() as finish:
        first = finish(warc)

    def no_warc(*_: object) -> object:
        raise AssertionError("the WARC was read")

    monkeypatch.setattr(extract, "open_warc", no_warc)
    with ExtractWarcs(config(tmp_path / "second", earlier=(str(tmp_path / "first"),))).open() as finish:
        assert finish(warc) == first
    assert urls(tmp_path / "second", "records", Pair) == urls(tmp_path / "first", "records", Pair)


@pytest.mark.parametrize(("name", "reader"), [("a.arc.gz", "arc"), ("a.warc.gz", "warc"), ("arc.warc", "warc")])
def test_an_arc_is_read_as_an_arc(name: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "read_arc", lambda path: iter(["arc", path]))
    monkeypatch.setattr(extract, "read_warc", lambda path, **options: iter(["warc", path, options["verify"]]))
    found = list(extract.open_warc(InputFile(path=name, sha256=""), config(tmp_path, verify_digests=True), None))
    assert found == [reader, name] + ([True] if reader == "warc" else [])


@pytest.mark.parametrize("name", ["a.arc", "a.arc.gz"])
def test_images_in_an_arc_are_noted(name: str, tmp_path: Path) -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n"
    test_arc.write(
        tmp_path / name,
        *(test_arc.record(f"http://example.org{url}", head.format(kind).encode() + body)
          for url, status, kind, body in ANSWERS if status == "200 OK"),
    )  # fmt: skip
    made = config(tmp_path / "stage")
    run(InputFile(path=str(tmp_path / name), sha256="a" * 64), made)
    notes = list(read_notes([str(tmp_path / "stage" / "images" / f"{'a' * 16}.parquet")]))
    assert {note.url for note in notes} == {"http://example.org/1.png", "http://example.org/2.png"}
    for note in notes:
        answer = read_response_at(note.warc, note.offset, 10**6)
        assert isinstance(answer, tuple)
        assert answer[1] == png(int(note.url[-5]))
