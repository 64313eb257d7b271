"""Events in the ledger, score and provenance tables of a dataset, a stage or a crawl."""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.datasets.explain.event import Event, Wanted
from corpusloom.pipelines.datasets.explain.filtered_rows import Row, matching, texts
from corpusloom.schemas import storage
from corpusloom.schemas.manifest import Manifest

_LEDGER = ("stage", "unit", "key", "parent", "url", "outcome", "reason", "measured", "threshold")
_PROVENANCE = ("stage", "key", "url", "warc", "offset")
_SCORES = ("stage", "unit", "key", "parent", "outcome", "scores")


@dataclass(frozen=True, slots=True)
class Tables:
    """Paths of tables that say what became of records."""

    ledger: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()

    @classmethod
    def of_dataset(cls, dataset: str, manifest: Manifest) -> "Tables":
        """Return the tables of a dataset."""
        kinds = ("ledger", "scores", "provenance")
        return cls(*(tuple(storage.join(dataset, entry.name) for entry in manifest.tables_of(kind)) for kind in kinds))

    @classmethod
    def of_folder(cls, folder: str) -> "Tables":
        """Return the tables below a folder: of a stage of a build, or of a crawl."""
        kinds = (storage.join(folder, kind) for kind in ("ledger", "scores", "provenance"))
        return cls(*(tuple(storage.join(kind, name) for name in storage.listing(kind, ".parquet")) for kind in kinds))

    def extend(self, wanted: Wanted) -> None:
        """Add the keys of the URL's records, and of the WARC records that they were made from."""
        for path in (*self.ledger, *self.provenance):
            wanted.keys |= {row["key"] for row in matching(path, ("key", "url"), {"url": {wanted.name}})}
        for path in self.scores:
            rows = matching(path, ("key", "parent"), {"key": wanted.keys})
            wanted.keys |= {row["parent"] for row in rows if row["parent"]}

    def events(self, wanted: Wanted) -> Iterator[Event]:
        """Yield one event per record: its outcome with its reason, and its scores where they were stored."""
        columns = {"key": wanted.listed, "parent": wanted.keys}
        reasons = {_name(row): row for path in self.ledger for row in matching(path, _LEDGER, columns)}
        scores = {_name(row): row for path in self.scores for row in matching(path, _SCORES, columns)}
        for name in {**scores, **reasons}:
            row = reasons.get(name) or scores[name]
            yield event_of(row, scores.get(name))
        ended = {key for _, unit, key, _ in reasons if unit == "record"}
        for path in self.provenance:
            for row in matching(path, _PROVENANCE, {"key": wanted.keys - ended}):
                if row["warc"] is not None and row["url"]:
                    yield _kept_record(row)

    def names(self) -> Iterator[str]:
        """Yield the URLs and keys of the ledger, and the URLs of provenance."""
        for path in self.ledger:
            yield from texts(path, ("url", "key"))
        for path in self.provenance:
            yield from texts(path, ("url",))


def _kept_record(row: Row) -> Event:
    """Return the event of a record of an input that was read and not rejected, from its row in the provenance."""
    place = f" at byte {row['offset']}" if row["offset"] is not None else ""
    return Event(
        stage=row["stage"],
        unit="record",
        key=row["key"],
        parent=None,
        url=row["url"],
        outcome="kept",
        note=f"{row['url']} in {row['warc']}{place}",
    )


def _name(row: Row) -> tuple[str, str, str, str | None]:
    return row["stage"], row["unit"], row["key"], row["parent"]


def event_of(row: Row, scored: Row | None = None, *, stage: str | None = None, note: str | None = None) -> Event:
    """Return the event of a row with an outcome; `scored` has its scores, the row itself may have none."""
    return Event(
        stage=stage or row["stage"],
        unit=row["unit"],
        key=row["key"],
        parent=row["parent"] or None,
        url=row.get("url") or None,
        outcome=row["outcome"],
        reason=row.get("reason"),
        measured=row.get("measured"),
        threshold=row.get("threshold"),
        scores=dict(scored["scores"] or ()) or None if scored is not None else None,
        note=note,
    )
