"""The ledger of a stage: collects verdicts and derives both rows and counts from them, so that they always agree."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import storage, tables
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Scores, Verdict

LEDGER_ORDER = ("stage", "unit", "key", "parent", "url", "reason")
SCORE_ORDER = ("stage", "unit", "key", "parent", "outcome")
PROVENANCE_ORDER = ("stage", "key", "warc", "offset", "url")


@dataclass
class Ledger:
    """The verdicts of one stage on some of its records."""

    stage: str
    rows: list[LedgerRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    provenance: list[ProvenanceRow] = field(default_factory=list)
    _kept: Counter[str] = field(default_factory=Counter)
    _rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    _dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    _remarks: Counter[tuple[str, str]] = field(default_factory=Counter)

    def record(
        self,
        verdict: Verdict,
        *,
        unit: str,
        key: str,
        parent: str | None = None,
        url: str | None = None,
        scores: Scores | None = None,
    ) -> bool:
        """Record one verdict; return True if the record was kept.

        Args:
          verdict: Verdict of the stage.
          unit: Kind of the record: record, page, image_occurrence, image, pair or sample.
          key: Key of the record.
          parent: Key of the record that it came from.
          url: URL of the record.
          scores: Measured values; None to write no row of scores.
        """
        outcome, reason = "kept", ""
        match verdict:
            case Kept():
                self._kept[unit] += 1
            case Rejected(reason, measured, threshold):
                outcome = "rejected"
                self._rejected[unit, reason] += 1
                self.rows.append(
                    LedgerRow(
                        stage=self.stage, unit=unit, key=key, parent=parent, url=url,
                        outcome=outcome, reason=reason, measured=measured, threshold=threshold,
                    )
                )  # fmt: skip
            case Dead(error, message, traceback):
                outcome = "dead"
                self._dead[unit, error] += 1
                self.rows.append(
                    LedgerRow(
                        stage=self.stage, unit=unit, key=key, parent=parent, url=url, outcome=outcome, reason=error
                    )
                )
                self.provenance.append(
                    ProvenanceRow(
                        stage=self.stage, key=key, url=url, error=error, message=message, traceback=traceback or None
                    )
                )
        if scores is not None:
            self.scores.append(
                ScoreRow(stage=self.stage, unit=unit, key=key, parent=parent, outcome=outcome, scores=scores)
            )
        return outcome == "kept"

    def remark(self, unit: str, names: Iterable[str]) -> None:
        """Count remarks on a kept record."""
        self._remarks.update((unit, name) for name in names)

    def counts(self) -> list[StageCounts]:
        """Return the recorded verdicts as counts, one entry per unit, sorted by unit."""
        units = sorted({*self._kept, *(u for u, _ in self._rejected), *(u for u, _ in self._dead)})
        return [self._count(unit) for unit in units]

    def _count(self, unit: str) -> StageCounts:
        rejected = {reason: n for (u, reason), n in sorted(self._rejected.items()) if u == unit}
        dead = {error: n for (u, error), n in sorted(self._dead.items()) if u == unit}
        remarks = {name: n for (u, name), n in sorted(self._remarks.items()) if u == unit}
        total = self._kept[unit] + sum(rejected.values()) + sum(dead.values())
        return StageCounts(
            stage=self.stage, unit=unit, records_in=total, kept=self._kept[unit], rejected=rejected, dead=dead,
            remarks=remarks,
        )  # fmt: skip

    def redact(self, stones: Tombstones) -> None:
        """Redact the rows of records that were taken down; the counts do not change."""
        self.rows = [tombstones.redact(row, stones) for row in self.rows]
        self.provenance = [tombstones.redact(row, stones) for row in self.provenance]

    def write(self, folder: str, name: str) -> None:
        """Write ledger/, scores/ and provenance/NAME.parquet below a folder."""
        tables.write_records(_path(folder, "ledger", name), LedgerRow, self.rows, sort_by=LEDGER_ORDER)
        tables.write_records(_path(folder, "scores", name), ScoreRow, self.scores, sort_by=SCORE_ORDER)
        tables.write_records(
            _path(folder, "provenance", name), ProvenanceRow, self.provenance, sort_by=PROVENANCE_ORDER
        )


def _path(folder: str, kind: str, name: str) -> str:
    return storage.join(folder, kind, f"{name}.parquet")
