"""The documents of a dataset say what is known of each kind of input, and that the rest is not on record."""

import json
from collections import Counter
from pathlib import Path

import pytest

from corpusloom.pipelines.store.dataset.origins import (
    PROVENANCE,
    WARCINFO,
    Crawler,
    collection_types,
    crawlers,
    describe,
    kinds_of,
    opt_outs,
)
from corpusloom.schemas import tables
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, ProvenanceRow, Signal

OURS = Crawler("corpusloom", "classic")


def manifest(*inputs: str, config: str = "{}") -> Manifest:
    entries = tuple(FileEntry(name=name, sha256="0", bytes=1) for name in inputs)
    return Manifest(
        recipe="r", kind="pairs", config=config, inputs=entries, shard_count=1, samples=0, counts=(), shards=(),
        tables=(), digest="0",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "kinds"),
    [
        (("a.warc.gz", "b.warc", "c.arc.gz", "d.warc.zst", "E.WARC.GZ"), {"warc": 5}),
        (("l.csv", "m.parquet", "n.jsonl", "warc.txt"), {"list": 4}),
        (("00000", "00001"), {"img2dataset": 2}),
        ((), {}),
    ],
)
def test_the_kind_of_an_input_is_told_by_its_name(inputs: tuple[str, ...], kinds: dict[str, int]) -> None:
    assert kinds_of(manifest(*inputs)) == kinds


def test_a_crawler_is_named_only_where_its_warc_names_it() -> None:
    lines = describe(manifest("a.warc.gz", "b.warc.gz", "c.warc.gz"), Counter({OURS: 1, Crawler("x"): 1}))
    assert lines == [
        "Web pages from 3 WARC or ARC files, as their crawlers recorded them.",
        'Crawler of 1 of them, by their own statement: corpusloom; policy on robots.txt: "classic".',
        "Crawler of 1 of them, by their own statement: x; policy on robots.txt: not on record.",
        "Crawler of 1 of them, and whether it obeyed robots.txt: not on record.",
    ]


@pytest.mark.parametrize("name", ["l.csv", "00000", "a.warc"])
def test_nothing_says_that_robots_txt_was_obeyed_unless_the_input_does(name: str) -> None:
    text = " ".join(describe(manifest(name), Counter()))
    assert "not on record" in text
    assert ("Web pages" in text) == (name == "a.warc")


def test_regions_point_to_the_documents_of_their_pairs() -> None:
    of_pairs = manifest(config=json.dumps({"source": "abc"}))
    assert describe(of_pairs, Counter()) == [
        "Pairs of the dataset with digest abc; its documents say where they come from."
    ]
    assert collection_types(of_pairs) == ["Secondary Data Analysis"]


def test_opt_outs_are_those_that_the_input_can_show() -> None:
    signals = ["noai", "iptc"]
    assert opt_outs(manifest("a.warc"), signals) == "Opt-out signals that reject a page or an image: noai, iptc."
    assert opt_outs(manifest("l.csv"), signals) == "Opt-out signals that reject an image: noai, iptc."
    assert opt_outs(manifest("00000"), signals).endswith("looked for in its file alone: iptc.")
    assert opt_outs(manifest("00000"), ["noai"]) == opt_outs(manifest("a.warc"), []) == ""


def test_what_is_scraped_and_what_others_collected() -> None:
    assert collection_types(manifest("a.warc")) == collection_types(manifest("l.csv")) == ["Web Scraping"]
    assert collection_types(manifest("00000")) == ["Secondary Data Analysis"]


def test_statements_of_crawlers_are_read_from_the_provenance(tmp_path: Path) -> None:
    assert crawlers(str(tmp_path)) == Counter()
    stated = tuple(
        Signal(name=name, value=value, where=WARCINFO, seen_at="")
        for name, value in (("software", "corpusloom"), ("robots", "classic"))
    )
    rows = [
        ProvenanceRow(stage="extract", key="1", warc="a.warc", signals=stated),
        ProvenanceRow(stage="extract", key="2", warc="b.warc", signals=stated),
        ProvenanceRow(stage="extract", key="3", url="http://a.example/"),
    ]
    tables.write_records(str(tmp_path / PROVENANCE), ProvenanceRow, rows)
    assert crawlers(str(tmp_path)) == {OURS: 2}
