"""What the select stage decided, read back: ledger, counts, and the images that the kept records want."""

from collections import Counter
from collections.abc import Iterator

from pipelines.recipes.recipe import Recipe
from pipelines.store.images import ImageStore
from pipelines.store.ledger import Ledger
from pipelines.store.stages import Stage
from pipelines.store.tombstones import HIDDEN
from schemas import identity, storage, tables
from schemas.records import Candidate, ImageRecord, StageCounts
from schemas.verdicts import Dead, Kept, Rejected, Verdict


def decisions(stage: Stage, outcome: str | None = None) -> Iterator[Candidate]:
    """Yield the decided candidates of a select stage."""
    for name in storage.listing(stage.path("decisions")):
        for row in tables.read_records(stage.path("decisions", name), Candidate):
            if outcome is None or row.outcome == outcome:
                yield row


def verdict_of(row: Candidate) -> Verdict:
    """Return a decided candidate's verdict."""
    if row.outcome == "kept":
        return Kept()
    return Rejected(row.reason or "unknown", row.measured, row.threshold)


def decision_ledger(stage: Stage) -> Ledger:
    """Return the select stage's ledger: its decisions, entered one by one."""
    ledger = Ledger("select")
    for row in decisions(stage):
        ledger.record(
            verdict_of(row), unit=row.unit, key=row.key, parent=row.parent, url=row.url or None, scores=row.scores
        )
    return ledger


def count_decisions(stage: Stage) -> tuple[StageCounts, ...]:
    """Return the select stage's counts."""
    return tuple(decision_ledger(stage).counts())


def frequent_urls(select: Stage, recipe: Recipe) -> list[str]:
    """Return the image URLs that occur on more kept pages than the recipe allows, before any is fetched."""
    most = recipe.filters.images.max_url_count
    if most is None:
        return []
    counts = Counter(url for row in decisions(select, "kept") for url in set(row.images))
    return sorted(url for url, count in counts.items() if count > most)


def image_ledger(store_folder: str, urls: list[str]) -> Ledger:
    """Return the ledger of the images that a build wanted: the store's outcome of each URL."""
    ledger, index = Ledger("images"), ImageStore(store_folder).index()
    for key, url in sorted({identity.image_key(url): url for url in urls}.items()):
        ledger.record(_outcome(index.find(key)), unit="image", key=key, url=url)
    return ledger


def _outcome(record: ImageRecord | None) -> Verdict:
    if record is None:
        return Dead("not_fetched")
    if record.outcome == "kept":
        return Kept()
    if record.outcome == "rejected":
        return Rejected(record.reason or "unknown")
    return Dead(record.reason or "unknown")


def wanted_urls(select: Stage, recipe: Recipe) -> list[str]:
    """Return the image URLs that the kept records want, sorted, without the too frequent and the forgotten ones."""
    frequent = set(frequent_urls(select, recipe))
    found = {url for row in decisions(select, "kept") for url in row.images if not url.startswith(HIDDEN)}
    return sorted(found - frequent)
