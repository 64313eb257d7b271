"""The dataset card: the funnel and the honoured opt-outs, from the manifest and the provenance."""

import dataclasses
import hashlib
import json
from pathlib import Path

from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.store.dataset.card import document, fetch_days, to_card
from corpusloom.pipelines.store.dataset.folder import read_fragments, write_rows
from corpusloom.pipelines.store.ledger import PROVENANCE_ORDER
from corpusloom.schemas import tables
from corpusloom.schemas.manifest import read_manifest, write_manifest
from corpusloom.schemas.records import ProvenanceRow, StageCounts
from tests.trainers.stream.datasets import make_dataset, make_pairs

CONFIG = json.dumps({"description": "Pairs of a test", "honour": {"signals": ["noai", "ai.txt"]}})


def test_the_card_tells_funnel_wishes_and_days(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    counts = (StageCounts(stage="images", unit="image", records_in=1200, kept=1198, rejected={"http_404": 2}),)
    manifest = dataclasses.replace(read_manifest(dataset), config=CONFIG, counts=counts)
    card = to_card(manifest, ("2026-01-02", "2026-01-04"))
    assert "| images | image | 1,200 | 1,198 | 2 | 0 | http_404 2 |" in card
    assert "Opt-out signals that reject a page or an image: noai, ai.txt." in card
    assert "Pairs of a test: 3 samples of kind pairs in 1 WebDataset tars" in card
    assert "from 2026-01-02 to 2026-01-04" in card


def test_days_come_from_the_provenance(tmp_path: Path) -> None:
    assert fetch_days(str(tmp_path)) is None
    rows = [
        ProvenanceRow(stage="extract", key=str(day), fetched_at=f"2026-0{day}-01T10:00:00Z") for day in (3, 1, 2)
    ] + [ProvenanceRow(stage="extract", key="x")]
    fragment = str(tmp_path / "fragment.parquet")
    tables.write_records(fragment, ProvenanceRow, rows, sort_by=PROVENANCE_ORDER)
    write_rows(str(tmp_path), "provenance", "extract", read_fragments("provenance", [fragment]), str(tmp_path))
    assert fetch_days(str(tmp_path)) == ("2026-01-01", "2026-03-01")


def test_verify_finds_a_card_that_was_changed(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    write_manifest(dataset, document(dataset, read_manifest(dataset)))
    assert list(verify(dataset, "deep")) == []
    card = Path(dataset, "README.md")
    card.write_text(card.read_text().replace("3 samples", "9 samples"))
    assert [damage.where for damage in verify(dataset)] == ["README.md"]


def test_a_card_without_days_or_signals_says_so(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    card = to_card(read_manifest(dataset), None)
    assert "Fetched on days that are not on record." in card
    assert "left out" not in card
    assert "test: 3 samples of kind pairs" in card
    assert "from corpusloom import StreamingDataset" in card


def test_documents_take_their_days_from_where_the_pages_were_fetched(tmp_path: Path) -> None:
    source, derived = (make_dataset(tmp_path / name, "pairs", make_pairs(3), shards=1) for name in ("a", "b"))
    row = ProvenanceRow(stage="extract", key="1", fetched_at="2026-03-04T10:00:00Z")
    tables.write_records(f"{source}/provenance/extract.parquet", ProvenanceRow, [row])
    manifest = document(derived, read_manifest(derived), fetched_in=source)
    assert "from 2026-03-04 to 2026-03-04" in Path(derived, "README.md").read_text()
    assert [entry.name for entry in manifest.documents] == ["README.md", "croissant.json"]
    for entry in manifest.documents:
        data = Path(derived, entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    document(source, read_manifest(source))
    assert "from 2026-03-04" in Path(source, "README.md").read_text()


def test_the_head_declares_columns_of_the_members_that_occur(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    document(dataset, read_manifest(dataset))
    card = Path(dataset, "README.md").read_text()
    assert card.startswith("---\npretty_name: ")
    head = card.split("---")[1].splitlines()
    columns = [json.loads(line.removeprefix("  - ")) for line in head if line.startswith("  - ")]
    assert [column["name"] for column in columns] == ["__key__", "__url__", "jpg", "json", "txt"]
    values = dict(line.split(": ", 1) for line in head if line.startswith(("configs", "tags", "pretty")))
    assert json.loads(values["configs"])[0]["data_files"] == [{"split": "train", "path": "*.tar"}]
    assert "images.format=jpg" in card


def test_a_dataset_without_samples_declares_nothing(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    card = to_card(dataclasses.replace(read_manifest(dataset), shards=(), samples=0), None)
    assert "configs" not in card
    assert "load_dataset" not in card
