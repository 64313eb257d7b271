"""Writes packs: WARCs with one `resource` record per distinct image and one `metadata` record per outcome.

The metadata records hold everything that the index holds. A pack is held in memory until its checkpoint is reached (a
number of outcomes, bytes or seconds); then it is written as a whole, and after it the part of the index that points
into it. Of bytes that are blocked or were taken down only the hash and the reason are written.
"""

import hashlib
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import IO, TypeAlias, cast

from corpusloom.pipelines.net.exchange.response import now
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.blocklists import Blocklist
from corpusloom.pipelines.store.images.content_table import ContentTable
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, ImageUrl
from corpusloom.pipelines.store.images.rows_by_sha256 import PARTS
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.pipelines.store.warc.digests import spell_digest
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import raise_shortage
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.records import ImageRecord
from corpusloom.schemas.verdicts import Dead, Rejected

WHOLE_BODIES = ("bodies", "whole")
"""Field of the first record of a pack, whose outcomes were decided by whole bodies. Older packs lack it: an empty body
or a part of one may have decided theirs."""
PLACE = ("pack", "offset", "length")
"""Fields of an ImageRecord that a pack leaves out: a record cannot hold its own offset."""

OutcomeCounts: TypeAlias = Counter[tuple[str, str | None]]
"""(outcome, reason) -> number of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Limits at which a pack is written, and so of the work that is lost if the process is killed."""

    outcomes: int = 1_000
    bytes: int = 128_000_000
    """Bytes of image bodies in memory."""
    seconds: float = 60.0

    @property
    def half(self) -> "Checkpoint":
        """Half the limits, since one pack is written while the next one fills and a kill loses both."""
        return Checkpoint(outcomes=max(1, self.outcomes // 2), bytes=self.bytes // 2, seconds=self.seconds / 2)


def pack_name(seed: object) -> str:
    """Return the name of a pack, a hash of `seed`, which identifies its writer and its position in the run."""
    return hashlib.blake2b(str(seed).encode(), digest_size=8).hexdigest()


def decided_by_whole_bodies(store: ImageStore, part: str) -> bool:
    """Return whether whole bodies decided the outcomes of a part of the index; False if its pack is missing."""
    name = part.rsplit("/part-", 1)[-1].removesuffix(PARTS)
    path = store.path("packs", f"{name}.warc")
    return storage.exists(path) and ": ".join(WHOLE_BODIES).encode() in storage.read_bytes(path, 0, HEAD)


def inspect(data: bytes, max_pixels: int) -> tuple[str, int, int] | Rejected:
    """Return format, width and height from the header of an image, or Rejected if it must not be stored."""
    try:
        header = read_header(data)
    except ImageError as error:
        return Rejected(error.reason)
    except Exception as error:  # hostile bytes must end as a verdict
        raise_shortage(error)
        return Rejected("malformed_header")
    if header.width * header.height > max_pixels:
        return Rejected("too_many_pixels", float(header.width * header.height), float(max_pixels))
    return header.format, header.width, header.height


HEAD = 4_096
"""Bytes from the start of a pack that hold its first record."""


class _Pieces(list[bytes]):
    """A file-like list: a WarcWriter writes its pieces to it, and none is copied."""

    def write(self, piece: bytes) -> None:
        self.append(piece)


@dataclass
class _Pack:
    """A pack in memory: its bytes, the rows of its outcomes, and the outcomes that are not yet inspected."""

    stem: str
    records: list[ImageRecord] = field(default_factory=list)
    waiting: list[tuple[ImageUrl, ImageOutcome]] = field(default_factory=list)
    outcomes: int = 0
    bytes: int = 0
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.name, self.pieces = f"{self.stem}.warc", _Pieces()
        self.warc = WarcWriter(cast(IO[bytes], self.pieces), compress=False)


@dataclass
class PackWriter:
    """Collects outcomes in packs; a thread commits each full pack and its part of the index while fetching goes on.

    Outcomes are inspected in the caller's thread: a second thread beside an event loop would make the loop wait for
    the GIL at every system call. The thread gets only work that releases the GIL (writing, fsync) or takes long
    (perceptual hashes). An error in it is raised by the next call.

    Args:
      store: The store to write to.
      name: Name of the writer, unique among the writers that use the store at the same time.
      generation: Generation of the index.
      max_pixels: Largest number of pixels of an image that is stored.
      checkpoint: Limits at which a pack is written.
      blocklist: URLs and content that must never be written.
      content: Places of the images in the store; read from its index if None.
      policy: Settings that decided the refusals.
    """

    store: ImageStore
    name: str
    generation: int
    max_pixels: int
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    blocklist: Blocklist | None = None
    content: ContentTable | None = None
    policy: Policy | None = None
    committed: OutcomeCounts = field(default_factory=Counter)
    """Outcomes that are on disk."""
    _stones: Tombstones = field(init=False)
    _pack: _Pack | None = None
    _part: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "packs"))
    _running: "Future[None] | None" = None

    def __post_init__(self) -> None:
        self.content = self.content or ContentTable.of(self.store.index().stored())
        self._stones = tombstones.read(self.store.folder)
        self._limit = self.checkpoint.half
        self._slow = self.blocklist is not None and self.blocklist.is_slow

    def add(self, url: ImageUrl, outcome: ImageOutcome) -> None:
        """Add one outcome; commit the pack if its checkpoint is reached."""
        pack = self._pack = self._pack or self._open(url.key)
        pack.outcomes += 1
        pack.bytes += len(outcome.body) if isinstance(outcome, FetchedImage) else 0
        if self._slow:
            pack.waiting.append((url, outcome))
        else:
            self._write(pack, url, outcome)
        full = pack.outcomes >= self._limit.outcomes or pack.bytes >= self._limit.bytes
        if full or time.monotonic() - pack.since >= self._limit.seconds:
            self._start()

    def commit(self) -> None:
        """Commit the current pack and wait until everything is on disk."""
        self._start()
        self._wait()

    def _open(self, key: str) -> _Pack:
        """Begin a pack. It is named after its first key, which occurs once per generation, so the name is unique."""
        pack = _Pack(pack_name((self.name, self._part, self.generation, key)))
        self._part += 1
        fields = {"software": "corpusloom", "format": "WARC File Format 1.1", "generation": str(self.generation)}
        pack.warc.warcinfo(fields | dict([WHOLE_BODIES]), now())
        return pack

    def _start(self) -> None:
        self._wait()
        if self._pack is not None:
            pack, self._pack = self._pack, None
            self._running = self._thread.submit(self._flush, pack)

    def _wait(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def _flush(self, pack: _Pack) -> None:
        """Write the pack, then the part of the index that points into it."""
        for url, outcome in pack.waiting:
            self._write(pack, url, outcome)
        with storage.writing(self.store.path("packs", pack.name)) as handle:
            handle.writelines(pack.pieces)
        self.store.commit_part(self.generation, pack.stem, pack.records)
        self.committed.update((record.outcome, record.reason) for record in pack.records)

    def _write(self, pack: _Pack, url: ImageUrl, outcome: ImageOutcome) -> None:
        """Write one outcome and its row into a pack."""
        if isinstance(outcome, FetchedImage):
            record = self._judge(pack, url, outcome)
        elif isinstance(outcome, ImageRecord):
            record = outcome
        else:
            record = self._without_body(url, outcome)
        values = arrow.to_plain(record)
        for name in PLACE:
            del values[name]
        pack.warc.metadata(url.url, values, date=record.fetched_at or now())
        pack.records.append(record)

    def _judge(self, pack: _Pack, url: ImageUrl, image: FetchedImage) -> ImageRecord:
        """Write the bytes of an image unless they are blocked or not an image; return its row."""
        sha256 = hashlib.sha256(image.body).hexdigest()
        blocked = self._blocked(image.body, sha256)
        found = blocked or inspect(image.body, self.max_pixels)
        if isinstance(found, Rejected):
            return replace(self._without_body(url, found), sha256=sha256 if blocked else None)
        kind, width, height = found
        place = self._place(pack, url, image, sha256, kind)
        return ImageRecord(
            key=url.key,
            url=url.url,
            final_url=image.final_url,
            status=image.status,
            outcome="kept",
            sha256=sha256,
            bytes=len(image.body),
            width=width,
            height=height,
            format=kind,
            fetched_at=image.fetched_at,
            etag=image.etag,
            last_modified=image.last_modified,
            signals=image.signals,
            pack=place[0],
            offset=place[1],
            length=place[2],
        )

    def _without_body(self, url: ImageUrl, outcome: Rejected | Dead) -> ImageRecord:
        """Return the row of an outcome without bytes; a rejection is final, an error is not and may be retried."""
        rejected = isinstance(outcome, Rejected)
        reason = outcome.reason if isinstance(outcome, Rejected) else outcome.error
        settings = self.policy.settings_of(reason) if self.policy else None
        kind = "rejected" if rejected else "dead"
        return ImageRecord(key=url.key, url=url.url, outcome=kind, reason=reason, final=rejected, policy=settings)

    def _blocked(self, body: bytes, sha256: str) -> Rejected | None:
        """Return the rejection of bytes that were taken down or are on a blocklist, else None."""
        if sha256 in self._stones.sha256:
            return Rejected("forgotten")
        return self.blocklist.of_content(body, sha256) if self.blocklist else None

    def _place(self, pack: _Pack, url: ImageUrl, image: FetchedImage, sha256: str, kind: str) -> tuple[str, int, int]:
        """Return the place of the bytes in a pack; write them if the store lacks them."""
        assert self.content is not None
        place = self.content.find(sha256)
        if place is None:
            digest = spell_digest("sha256", bytes.fromhex(sha256))  # hashing again would take as long as the fetch
            date = image.fetched_at or now()
            place = pack.name, *pack.warc.resource(url.url, f"image/{kind}", image.body, date=date, digest=digest)
            self.content.add(sha256, *place)
        return place
