"""Outcomes into packs: images by content, of each outcome a `metadata` record that says all the index says.

A pack is held in memory and written whole when a checkpoint is full (by outcomes, bytes or seconds), then the part that
points into it. What is blocked or was taken down is never written: its hash and the reason alone are.
"""

import hashlib
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import IO, cast

from corpusloom.pipelines.net.exchange.response import now
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.blocklists import Blocklist
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, ImageUrl
from corpusloom.pipelines.store.images.store import ContentTable, ImageStore, pack_name
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.pipelines.store.warc.digests import spell_digest
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.records import ImageRecord
from corpusloom.schemas.verdicts import Dead, Rejected

PLACE = ("pack", "offset", "length")

Ended = Counter[tuple[str, str | None]]
"""How many images ended with which outcome and reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """When a pack is closed: what a kill can cost."""

    outcomes: int = 1_000
    bytes: int = 128_000_000
    """Of image bodies, which are held until then."""
    seconds: float = 60.0

    @property
    def half(self) -> "Checkpoint":
        """Return one of half the size: while one is being written another fills, together what a kill costs."""
        return Checkpoint(outcomes=max(1, self.outcomes // 2), bytes=self.bytes // 2, seconds=self.seconds / 2)


def inspect(data: bytes, max_pixels: int) -> tuple[str, int, int] | Rejected:
    """Return format, width and height from an image's header, or why it is not an image we store."""
    try:
        header = read_header(data)
    except ImageError as error:
        return Rejected(error.reason)
    if header.width * header.height > max_pixels:
        return Rejected("too_many_pixels", float(header.width * header.height), float(max_pixels))
    return header.format, header.width, header.height


class _Pieces(list[bytes]):
    """What a WarcWriter writes to: the pieces of a pack, none of them copied."""

    def write(self, piece: bytes) -> None:
        self.append(piece)


@dataclass
class _Pack:
    """A pack in the making: its bytes, the rows of its outcomes, and the outcomes that were not looked at yet."""

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
    """Writes outcomes to packs and commits each with its part of the index, in a thread beside the fetching.

    Outcomes are looked at as they come: a thread that does so beside an event loop costs the loop a wait for the
    interpreter at every system call. Only what takes no interpreter (writing, fsync) or much time (perceptual hashes)
    is left to the thread. An error comes up at the next call.

    Args:
      store: Where to.
      name: Of the writer; two writers at work in one store have two names.
      generation: Of the index.
      blocklist: What must never be written.
    """

    store: ImageStore
    name: str
    generation: int
    max_pixels: int
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    blocklist: Blocklist | None = None
    content: ContentTable | None = None
    ended: Ended = field(default_factory=Counter)
    """Of what was committed."""
    _stones: Tombstones = field(init=False)
    _pack: _Pack | None = None
    _part: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "packs"))
    _under_way: "Future[None] | None" = None

    def __post_init__(self) -> None:
        self.content = self.content or ContentTable.of(self.store.index().stored())
        self._stones = tombstones.read(self.store.folder)
        self._limit = self.checkpoint.half
        self._slow = self.blocklist is not None and self.blocklist.is_slow

    def add(self, wanted: ImageUrl, outcome: ImageOutcome) -> None:
        """Enter one outcome; commits when the checkpoint is full."""
        pack = self._pack = self._pack or self._open(wanted.key)
        pack.outcomes += 1
        pack.bytes += len(outcome.body) if isinstance(outcome, FetchedImage) else 0
        if self._slow:
            pack.waiting.append((wanted, outcome))
        else:
            self._write(pack, wanted, outcome)
        full = pack.outcomes >= self._limit.outcomes or pack.bytes >= self._limit.bytes
        if full or time.monotonic() - pack.since >= self._limit.seconds:
            self._start()

    def commit(self) -> None:
        """Commit what is pending, and wait until it is on disk."""
        self._start()
        self._wait()

    def _open(self, key: str) -> _Pack:
        """Begin a pack. A key has one outcome a generation, so that of the first one names it for good."""
        pack = _Pack(pack_name((self.name, self._part, self.generation, key)))
        self._part += 1
        fields = {"software": "corpusloom", "format": "WARC File Format 1.1", "generation": str(self.generation)}
        pack.warc.warcinfo(fields, now())
        return pack

    def _start(self) -> None:
        self._wait()
        if self._pack is not None:
            pack, self._pack = self._pack, None
            self._under_way = self._thread.submit(self._flush, pack)

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _flush(self, pack: _Pack) -> None:
        """Close the pack, then write the part that points into it."""
        for wanted, outcome in pack.waiting:
            self._write(pack, wanted, outcome)
        with storage.writing(self.store.path("packs", pack.name)) as handle:
            handle.writelines(pack.pieces)
        self.store.commit_part(self.generation, pack.stem, pack.records)
        self.ended.update((record.outcome, record.reason) for record in pack.records)

    def _write(self, pack: _Pack, wanted: ImageUrl, outcome: ImageOutcome) -> None:
        """Write one outcome and its row into a pack."""
        if isinstance(outcome, FetchedImage):
            record = self._judge(pack, wanted, outcome)
        elif isinstance(outcome, ImageRecord):
            record = outcome
        else:
            record = _without_body(wanted, outcome)
        values = arrow.to_plain(record)
        for name in PLACE:
            del values[name]
        pack.warc.metadata(wanted.url, values, date=record.fetched_at or now())
        pack.records.append(record)

    def _judge(self, pack: _Pack, wanted: ImageUrl, answer: FetchedImage) -> ImageRecord:
        """Write an answer's bytes, unless they are no image or blocked; return its row."""
        sha256 = hashlib.sha256(answer.body).hexdigest()
        blocked = self._blocked(answer.body, sha256)
        found = blocked or inspect(answer.body, self.max_pixels)
        if isinstance(found, Rejected):
            return replace(_without_body(wanted, found), sha256=sha256 if blocked else None)
        kind, width, height = found
        place = self._place(pack, wanted, answer, sha256, kind)
        return ImageRecord(
            key=wanted.key,
            url=wanted.url,
            final_url=answer.final_url,
            status=answer.status,
            outcome="kept",
            sha256=sha256,
            bytes=len(answer.body),
            width=width,
            height=height,
            format=kind,
            fetched_at=answer.fetched_at,
            etag=answer.etag,
            last_modified=answer.last_modified,
            signals=answer.signals,
            pack=place[0],
            offset=place[1],
            length=place[2],
        )

    def _blocked(self, body: bytes, sha256: str) -> Rejected | None:
        """Say why bytes must not be written, whatever URL they come from: taken down, or on a blocklist."""
        if sha256 in self._stones.sha256:
            return Rejected("forgotten")
        return self.blocklist.of_content(body, sha256) if self.blocklist else None

    def _place(
        self, pack: _Pack, wanted: ImageUrl, answer: FetchedImage, sha256: str, kind: str
    ) -> tuple[str, int, int]:
        """Write the bytes unless the store has them; return their place."""
        assert self.content is not None
        place = self.content.find(sha256)
        if place is None:
            digest = spell_digest("sha256", bytes.fromhex(sha256))  # at hand: a second hash costs as much as fetching
            date = answer.fetched_at or now()
            place = pack.name, *pack.warc.resource(wanted.url, f"image/{kind}", answer.body, date=date, digest=digest)
            self.content.add(sha256, *place)
        return place


def _without_body(wanted: ImageUrl, outcome: Rejected | Dead) -> ImageRecord:
    """Return the row of an outcome without a body: rejections are final, deaths may be tried again."""
    if isinstance(outcome, Rejected):
        return ImageRecord(key=wanted.key, url=wanted.url, outcome="rejected", reason=outcome.reason)
    return ImageRecord(key=wanted.key, url=wanted.url, outcome="dead", reason=outcome.error, final=False)
