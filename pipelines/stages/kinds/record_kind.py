"""One kind of record, such as pages or pairs: how it is parsed, made, measured, decided on and written as a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.select.steps import Step
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head, Page, Pair
from corpusloom.schemas.verdicts import Rejected, Rule

if TYPE_CHECKING:  # imported slowly, and needed only where HTML is parsed or shards are written
    from corpusloom.pipelines.extract.page_task import PageTask
    from corpusloom.pipelines.stages.shard_records import ImageJudge
    from corpusloom.pipelines.store.dataset.samples import UnwrittenSample

Record = TypeVar("Record", Page, Pair)
Parsed = TypeVar("Parsed")
_Record = TypeVar("_Record")
_Record_contra = TypeVar("_Record_contra", contravariant=True)
_Parsed_contra = TypeVar("_Parsed_contra", contravariant=True)

RecordAndHead: TypeAlias = tuple[Page | Pair, Head]
"""A record, and its head, on which select decides."""


class MakeRecords(Protocol[_Parsed_contra]):
    """Makes records with their heads from a parsed web page."""

    def __call__(
        self, page: HtmlResponse, parsed: _Parsed_contra, recipe: Recipe, ledger: Ledger, /
    ) -> list[RecordAndHead] | Rejected:
        """Return the records, or the reason why there are none; record in the ledger what cannot become a record."""


class RemakeRecord(Protocol[_Record]):
    """Measures a stored record again."""

    def __call__(self, record: _Record, recipe: Recipe, /) -> tuple[_Record, Head]:
        """Return the record with new scores, and its head; blocks are not changed."""


class MakeSample(Protocol[_Record_contra]):
    """Makes the sample of a selected record."""

    def __call__(
        self, record: _Record_contra, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger, /
    ) -> UnwrittenSample | None:
        """Judge a record and its images, record the verdicts in the ledger, and return the sample of a kept record.

        `frequent`: keys of the record's paragraphs that occur too often in its domain.
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
    parser: Callable[[Recipe], PageTask[Parsed]]
    """Function that imports the task that parses a page; called only to parse pages, since the import is slow."""
    make: MakeRecords[Parsed]
    """Function that makes records of a parsed page."""
    remake: RemakeRecord[Record]
    """Function that measures a stored record again, so that no WARC is read if only a filter changed."""
    rules: Callable[[Recipe], tuple[Rule, ...]]
    """Rules on a single record, before its images are fetched."""
    steps: Callable[[Recipe], tuple[Step, ...]]
    """Steps of the select stage."""
    sampler: Callable[[], MakeSample[Record]]
    """Function that imports the maker of samples; called only where shards are written."""
    texts: Callable[[Record, Recipe], Iterator[tuple[str, Sequence[str]]]]
    """Function that yields the image URLs of a record, each with the texts that a model compares the image with."""
    takes_lists: bool = False
    """Whether records can be made from lists of image URLs with texts, and from folders of img2dataset."""


def record_key(page: HtmlResponse | SkippedRecord) -> str:
    """Return the key of a WARC record: a hash of its record id, else of its URL and date."""
    return identity.make_key("record", page.record_id or f"{page.url} {page.fetched_at}")
