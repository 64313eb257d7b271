"""A take-down as a person asks for it: which records each request matches, and the take-down of those that match.

Matches are counted before anything is changed, so that a misspelt URL removes nothing and says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from corpusloom.pipelines.builds.apply_tombstones import record_class, warc_urls
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.datasets.explain.near_misses import near_misses
from corpusloom.pipelines.datasets.explain.sources import sources_of
from corpusloom.pipelines.datasets.forget import Forgotten, check_warcs, forget, make_tombstones, read_config
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.stages.select.decisions import decisions
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset import siblings
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.tombstones import HIDDEN, Tombstones
from corpusloom.schemas import identity, layout, storage, tables
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import FileEntry, Head, ImageRecord, Page, Pair, SidecarRow

NOTHING_MATCHED = 4
"""Exit code if a request matches no record."""
OFFERED = 5
"""Requests without a match that get the nearest names, at most: each is compared with every name."""


@dataclass(frozen=True, slots=True)
class Request:
    """One URL, domain, image hash or key to take down."""

    kind: str
    """url, domain, sha256 or key: the flag that names it."""
    value: str

    @property
    def stones(self) -> Tombstones:
        """Return the tombstones of the request; a malformed value is a ConfigError."""
        name = {"url": "urls", "domain": "domains", "sha256": "sha256", "key": "keys"}[self.kind]
        return make_tombstones(**{name: (self.value,)})

    def __str__(self) -> str:
        return f"--{self.kind} {self.value}"


@dataclass(slots=True, kw_only=True)
class Matches:
    """The number of records that a request matches."""

    request: Request
    samples: int = 0
    """Samples of the dataset."""
    records: int = 0
    """Pages and pairs of the work folder, kept or not."""
    images: int = 0
    """Image URLs in the image store."""
    warc_records: int = 0
    """Records of the WARCs, if these are to be written again."""
    known: bool = False
    """Whether an earlier take-down on this store named the same."""
    near: tuple[str, ...] = ()
    """The nearest names that exist, if nothing matches."""

    @property
    def found(self) -> int:
        """Return the number of all matches."""
        return self.samples + self.records + self.images + self.warc_records


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another dataset on the same image store that holds samples of a take-down."""

    dataset: str
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDown:
    """The result of a take-down, or of its rehearsal."""

    matches: tuple[Matches, ...]
    shards: tuple[int, ...]
    """Shards that hold matching samples."""
    siblings: tuple[Sibling, ...]
    done: Forgotten | None
    """The changes; None if nothing matched, and for a rehearsal."""


def take_down(
    dataset: str, requests: Sequence[Request], reporter: Reporter, *, warc: bool = False, dry_run: bool = False
) -> TakeDown:
    """Take down what requests match; a request without a match changes nothing.

    Args:
      dataset: Folder of the dataset.
      requests: What to take down.
      reporter: Progress of the build.
      warc: True to write the WARCs again too, without the named records.
      dry_run: True to count the matches and change nothing.
    """
    stones = {request: request.stones for request in requests}
    config = read_config(dataset)
    check_warcs(config, warc=warc)
    counter = _count(config, list(stones), warc=warc)
    held = siblings_of(config, counter)
    agreed = [match for match in counter.matches if match.found or match.known]
    done = None
    if agreed and not dry_run:
        named = Tombstones()
        for match in agreed:
            named = named | stones[match.request]
        quoted = any(match.found for match in agreed)
        done = forget(dataset, named, reporter, warc=warc, quoted=quoted)
    return TakeDown(
        matches=tuple(counter.matches), shards=tuple(sorted(counter.shards)), siblings=tuple(held), done=done
    )


@dataclass
class MatchCounter:
    """Counts the matches of requests over rows of several kinds."""

    matches: list[Matches]
    shards: set[int] = field(default_factory=set)
    _requests: dict[str, set[int]] = field(default_factory=dict)
    """Hash that names records -> numbers of the requests that it stands for."""
    _images: dict[str, set[int]] = field(default_factory=dict)
    """sha256 of an image whose URL is named -> numbers of the requests, to find the image in other datasets."""

    @classmethod
    def of(cls, requests: Sequence[Request], earlier: Tombstones) -> "MatchCounter":
        """Return a counter; `earlier` are the tombstones of earlier take-downs."""
        counter = cls([])
        for number, request in enumerate(requests):
            stones = request.stones
            counter.matches.append(Matches(request=request, known=(earlier | stones) == earlier))
            for mark in (*stones.keys, *stones.domains, *stones.sha256):
                counter._requests.setdefault(mark, set()).add(number)
        return counter

    def hits(self, row: Any) -> set[int]:
        """Return the numbers of the requests that name a row or one of its images."""
        return {number for mark in marks_of(row) for number in self._requests.get(mark, ())}

    def hits_of_url(self, url: str) -> set[int]:
        """Return the numbers of the requests that name a URL, as a page or as an image."""
        return {number for mark in url_marks(url) for number in self._requests.get(mark, ())}

    def add_image(self, row: ImageRecord) -> None:
        """Count a row of the image store; later rows that name the image by its URL match its hash, and the reverse."""
        found = self.hits(row)
        for number in found:
            self.matches[number].images += bool(row.url)  # an outcome that was redacted has no URL
            self._requests.setdefault(row.key, set()).add(number)
            if row.sha256:
                self._images.setdefault(row.sha256, set()).add(number)

    def hits_elsewhere(self, row: SidecarRow) -> set[int]:
        """Return the requests that name a sample of another dataset, or an image that it shows."""
        shown = {member.sha256 for member in row.members if member.sha256}
        return self.hits(row) | {number for sha256 in shown for number in self._images.get(sha256, ())}

    def hits_known(self, row: SidecarRow) -> set[int]:
        """Return the requests of earlier take-downs that still match a sample: its page no longer names the image."""
        return {number for number in self.hits_elsewhere(row) if self.matches[number].known}


def marks_of(row: Any) -> Iterator[str]:
    """Yield the hashes by which a tombstone may name a row or one of its images."""
    yield row.key
    match row:
        case Page():
            yield from url_marks(row.url)
            yield from url_marks(row.canonical_url)
            for block in row.blocks:
                yield from url_marks(block.image.url) if block.image is not None else ()
            for image in row.meta_images:
                yield from url_marks(image.url)
        case Pair():
            yield from url_marks(row.page_url)
            yield from url_marks(row.image_url)
        case Head():
            yield from url_marks(row.url)
            for url in row.images:
                yield from url_marks(url)
        case ImageRecord():
            yield row.sha256 or ""
            yield from url_marks(row.url)
        case SidecarRow():
            yield from url_marks(row.url)
            yield from url_marks(row.page_url or "")
            yield from (member.sha256 or "" for member in row.members)


def url_marks(url: str) -> Iterator[str]:
    """Yield the hashes that name a URL: as a page, as an image, and its domains."""
    if url and not url.startswith(HIDDEN):
        yield identity.page_key(url)
        yield identity.image_key(url)
        yield from _domain_marks(identity.host_of(url))


@lru_cache(maxsize=4_096)
def _domain_marks(host: str) -> tuple[str, ...]:
    labels = host.split(".")
    return tuple(tombstones.domain_hash(".".join(labels[place:])) for place in range(len(labels)))


def _count(config: BuildConfig, requests: Sequence[Request], *, warc: bool) -> MatchCounter:
    """Count the matches of requests in the image store, the WARCs, the work folder and the dataset."""
    counter = MatchCounter.of(requests, tombstones.read(config.store))
    for image in ImageStore(config.store).index().rows():
        counter.add_image(image)
    planner = Planner(config)
    extract, inputs = planner.planned_pages()
    for entry in inputs if warc else ():
        for url in warc_urls(entry.name):
            for number in counter.hits_of_url(url):
                counter.matches[number].warc_records += 1
    whole = planner.is_extracted(extract, inputs)
    kept = _count_records(planner, inputs, counter) if whole else {}
    for shard, row in _samples(config.out):
        found = counter.hits_known(row) if whole else counter.hits_elsewhere(row)  # stages are gone, or of other code
        for number in counter.hits(row) | kept.get(row.key, set()) | found:
            counter.matches[number].samples += 1
            counter.shards.add(shard)
    _offer(config.out, [match for match in counter.matches if not (match.found or match.known)])
    return counter


def _count_records(planner: Planner, inputs: list[FileEntry], counter: MatchCounter) -> dict[str, set[int]]:
    """Count the pages and pairs of the work folder; return key -> requests of the selected ones that match."""
    extract = planner.plan_extract(inputs)
    named: dict[tuple[str, str], set[int]] = {}
    for path in planner.fragments(inputs, "records"):
        for row in tables.read_records(path, record_class(path)):
            found = counter.hits(row)
            if found:
                named[row.key, row.parent] = found
            for number in found:
                counter.matches[number].records += 1
    select = planner.plan_select(extract)
    rows = ((row, named.get((row.key, row.parent), set()) | counter.hits(row)) for row in decisions(select, "kept"))
    return {row.key: found for row, found in rows if found}


def _samples(dataset: str) -> Iterator[tuple[int, SidecarRow]]:
    """Yield the samples of a dataset with the numbers of their shards; none if it is unfinished."""
    if storage.exists(storage.join(dataset, layout.MANIFEST)):
        for shard in read_manifest(dataset).shards:
            for row in tables.read_records(storage.join(dataset, shard.sidecar.name), SidecarRow):
                yield shard.index, row


def siblings_of(config: BuildConfig, counter: MatchCounter) -> list[Sibling]:
    """Return the other datasets on the image store that hold what the requests name."""
    found = []
    for dataset in siblings.datasets_on(config.store, beside=config.out):
        samples = sum(1 for _, row in _samples(dataset) if counter.hits_elsewhere(row))
        if samples:
            found.append(Sibling(dataset=dataset, samples=samples))
    return found


def _offer(dataset: str, missed: Iterable[Matches]) -> None:
    """Give the first requests without a match the nearest names that exist."""
    missed = list(missed)[:OFFERED]
    if not missed or not storage.exists(storage.join(dataset, layout.MANIFEST)):
        return
    names = {name for source in sources_of(dataset) for name in source.names()}
    hosts = {identity.host_of(name) for name in names if "://" in name} - {""}
    for match in missed:
        match.near = tuple(near_misses(match.request.value, hosts if match.request.kind == "domain" else names))
