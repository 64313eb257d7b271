"""One kind of record that web pages become: all that a build must know of it, from a page's HTML to a tar's sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.select.steps import Step
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head, Page, Pair
from corpusloom.schemas.verdicts import Rejected, Rule

if TYPE_CHECKING:  # slow to import, and only where HTML is parsed or shards are written
    from corpusloom.pipelines.extract.page_task import PageTask
    from corpusloom.pipelines.stages.shard_records import ImageJudge
    from corpusloom.pipelines.store.dataset.samples import UnwrittenSample

Record = TypeVar("Record", Page, Pair)
Parsed = TypeVar("Parsed")
_Record = TypeVar("_Record")
_Record_contra = TypeVar("_Record_contra", contravariant=True)
_Parsed_contra = TypeVar("_Parsed_contra", contravariant=True)

RecordAndHead: TypeAlias = tuple[Page | Pair, Head]
"""A record that a web page became, and the head that corpus-wide rules are decided on."""


class MakeRecords(Protocol[_Parsed_contra]):
    """What was parsed from a web page -> its records with their heads."""

    def __call__(self, page: HtmlResponse, parsed: _Parsed_contra, recipe: Recipe, /) -> list[RecordAndHead] | Rejected:
        """Return the records, or why the page has none."""


class RemakeRecord(Protocol[_Record]):
    """A stored record -> the same record, measured as a recipe asks now, with its head."""

    def __call__(self, record: _Record, recipe: Recipe, /) -> tuple[_Record, Head]:
        """Return the record and its head. Blocks stay as they are stored."""


class MakeSample(Protocol[_Record_contra]):
    """A selected record -> its sample."""

    def __call__(
        self, record: _Record_contra, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger, /
    ) -> UnwrittenSample | None:
        """Judge a record and its images, enter the verdicts into the ledger, and return its sample if it is kept.

        `frequent` holds the keys of the record's paragraphs that occur too often in its domain.
        """


@dataclass(frozen=True, kw_only=True)
class RecordKind(Generic[Record, Parsed]):
    """One kind of record. A kind is defined in one module and listed in `registry`."""

    name: str
    """Name in recipes and manifests."""
    unit: str
    """Unit in counts and ledgers."""
    command: str
    """Name of the command that builds up to the selected records of this kind."""
    record: type[Record]
    """Class of the rows in the extract stage's fragments."""
    parser: Callable[[], PageTask[Parsed]]
    """Import of the task that parses a page: called only where pages are parsed, since extractors import slowly."""
    make: MakeRecords[Parsed]
    """Maker of records from what was parsed."""
    remake: RemakeRecord[Record]
    """Measure of stored records: where only a filter changed, no WARC is read again."""
    rules: Callable[[Recipe], tuple[Rule, ...]]
    """Rules on a single record, before its images are fetched."""
    steps: Callable[[Recipe], tuple[Step, ...]]
    """Steps of the select stage."""
    sampler: Callable[[], MakeSample[Record]]
    """Import of the maker of samples: called only where shards are written."""
    takes_lists: bool = False
    """Whether lists of image URLs with texts, and folders of img2dataset, can stand in for WARCs."""


def record_key(page: HtmlResponse | SkippedRecord) -> str:
    """Return the key of a WARC record: a hash of its record id, else of its URL and date."""
    return identity.make_key("record", page.record_id or f"{page.url} {page.fetched_at}")
