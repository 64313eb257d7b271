"""Tables and counts made from columns of decisions equal those of a ledger filled record by record."""

import random
from collections import Counter
from pathlib import Path

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.select import decisions
from corpusloom.pipelines.store.dataset.folder import write_rows
from corpusloom.pipelines.store.ledger import LEDGER_ORDER, SCORE_ORDER, Ledger
from corpusloom.pipelines.store.stages import Stage
from corpusloom.pipelines.store.tombstones import HIDDEN
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.records import Head, LedgerRow, ScoreRow
from corpusloom.schemas.verdicts import Kept, Rejected


def decided(folder: Path) -> tuple[Stage, list[Head]]:
    """Write decisions in two parts; return their stage and them."""
    rng, rows = random.Random(0), []
    for number in range(200):
        kept = rng.random() < 0.6
        urls = [f"http://example.org/{rng.randrange(8)}.jpg" for _ in range(rng.randrange(4))]
        rows.append(
            Head(
                unit="page",
                key=f"{number:032x}",
                parent=f"p{number}",
                url="" if number % 50 == 0 else f"http://example.org/{number}",
                images=(*urls, f"http://example.org/own/{number}.jpg", f"{HIDDEN}{number}"),
                scores={"words": float(number)},
                outcome="kept" if kept else "rejected",
                reason=None if kept else rng.choice(("few_words", "duplicate_url")),
                measured=None if kept else 1.5,
                threshold=None if kept else 2.0,
            )
        )
    for part in range(2):
        path = str(folder / "decisions" / f"part-{part:05d}.parquet")
        tables.write_records(path, Head, rows[part * 100 : (part + 1) * 100], sort_by=("key", "parent"))
    return Stage(name="select", folder=str(folder), fingerprint="f", depends_on="{}"), rows


def test_tables_and_counts_are_those_of_a_ledger(tmp_path: Path) -> None:
    stage, rows = decided(tmp_path)
    ledger = Ledger("select")
    for row in rows:
        verdict = Kept() if row.outcome == "kept" else Rejected(row.reason or "", row.measured, row.threshold)
        ledger.record(verdict, unit=row.unit, key=row.key, parent=row.parent, url=row.url or None, scores=row.scores)
    assert decisions.count_decisions(stage) == tuple(ledger.counts())
    for kind, cls, expected, order in (
        ("ledger", LedgerRow, ledger.rows, LEDGER_ORDER),
        ("scores", ScoreRow, ledger.scores, SCORE_ORDER),
    ):
        same = arrow.to_table(cls, expected)
        found = decisions.decision_rows(stage, kind)
        assert found.count == len(rows)
        entry = write_rows(str(tmp_path), kind, "select", found, str(tmp_path))
        assert entry.rows_digest == tables.rows_digest(same, sort_by=order)
        assert (tmp_path / entry.name).read_bytes() == tables.encode_table(same, sort_by=order)


def test_no_decisions_are_no_rows(tmp_path: Path) -> None:
    stage = Stage(name="select", folder=str(tmp_path), fingerprint="f", depends_on="{}")
    assert decisions.count_decisions(stage) == ()
    assert decisions.decision_rows(stage, "scores").count == 0


def test_frequent_urls_are_counted_once_a_kept_page(tmp_path: Path) -> None:
    stage, rows = decided(tmp_path)
    counts = Counter(url for row in rows if row.outcome == "kept" for url in set(row.images))
    most = sorted(counts.values())[-4]
    recipe = load_recipe("m3w", (f"filters.images.max_url_count={most}",))
    frequent = sorted(url for url, count in counts.items() if count > most)
    assert frequent
    assert decisions.frequent_urls(stage, recipe) == frequent
    wanted = {url for url in counts if not url.startswith(HIDDEN)} - set(frequent)
    assert decisions.wanted_urls(stage, recipe) == sorted(wanted)
