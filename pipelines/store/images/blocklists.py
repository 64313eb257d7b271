"""Blocklists: hashes, perceptual hashes, URLs and domains that must never be fetched or written to disk.

Entries are held in sorted numpy arrays, 16 bytes each (24 bytes for a perceptual hash). A malformed line is an error,
since skipping it would silently block less than the list says.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from corpusloom.pipelines.store.images.sorted_keys import place_in
from corpusloom.schemas import identity, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.verdicts import Rejected

BlocklistKind = Literal["sha256", "md5", "phash", "url", "domain"]
HEX_DIGITS = {"sha256": 64, "md5": 32, "phash": 16}
"""Kind of hash -> hex digits of an entry."""
WIDTH = 16
"""Bytes of an entry: the first half of a sha256, an md5, the key of a URL, a hash of a domain."""
BANDS = 4
"""A hash is cut into 4 bands of 16 bits. Two hashes at distance d differ by at most d // 4 bits in some band."""
MAX_DISTANCE = 11
"""Largest Hamming distance of a perceptual hash that may be configured."""
DTYPE: dict[str, str] = dict.fromkeys(get_args(BlocklistKind), f"S{WIDTH}") | {"phash": "u8"}
BATCH_BYTES = 1 << 22
"""Bytes of a list that are read at once."""
COMPILED = ".sorted.npy"
"""Suffix of a list that `compile_lists` wrote."""
PerceptualHash = Callable[[bytes], str | None]
"""Bytes of an image -> pHash in 16 hex digits; None for an image that cannot be decoded."""


def parse_entry(text: str) -> tuple[BlocklistKind, int, str]:
    """Return kind, distance and path of KIND=PATH or phash:DISTANCE=PATH; raise ConfigError for other text."""
    head, equals, path = text.partition("=")
    kind, colon, number = head.partition(":")
    if (
        not equals
        or not path
        or kind not in get_args(BlocklistKind)
        or (colon and (kind != "phash" or not number.isdigit()))
    ):
        raise ConfigError(
            f"{text!r} is not KIND=PATH", where="--blocklist", remedy="kinds: sha256, md5, phash:DISTANCE, url, domain"
        )
    distance = int(number or 0)
    if distance > MAX_DISTANCE:
        raise ConfigError(
            f"distance {distance} would block unrelated images",
            where="--blocklist",
            remedy=f"use {MAX_DISTANCE} or less",
        )
    return kind, distance, path  # type: ignore[return-value]


def read_lines(lines: Iterable[bytes], path: str, before: int = 0) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each entry; blank lines and # comments are left out."""
    for number, raw in enumerate(lines, before + 1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} is not UTF-8", where=path) from error
        if line and not line.startswith("#"):
            yield number, line


def encode_entry(kind: BlocklistKind, line: str) -> bytes | None:
    """Return a line as bytes of the kind's width; None if it is no entry of that kind."""
    if kind in HEX_DIGITS:
        try:
            data = bytes.fromhex(line)
        except ValueError:
            return None
        return data[:WIDTH] if 2 * len(data) == HEX_DIGITS[kind] else None
    if kind == "url":
        return bytes.fromhex(identity.image_key(line)) if "://" in line else None
    host = identity.host_of(f"http://{line.lstrip('.')}/")
    return _domain_entry(host) if host and "/" not in line else None


def _domain_entry(host: str) -> bytes:
    return hashlib.blake2b(host.encode(), digest_size=WIDTH).digest()


def load_entries(kind: BlocklistKind, path: str) -> np.ndarray:
    """Return the entries of a list, sorted, each once; InputError names a malformed line.

    A list that `compile_lists` wrote is memory-mapped, so the processes of a machine share it.
    """
    if path.endswith(COMPILED):
        return np.load(path, mmap_mode="r", allow_pickle=False)
    parts = list(_read_entries(kind, path))
    joined = np.concatenate([np.array([], dtype=DTYPE[kind]), *parts])
    parts.clear()  # frees them before `sort`, which needs the memory
    joined.sort()
    first = np.ones(len(joined), dtype=bool)
    first[1:] = joined[1:] != joined[:-1]
    return joined if first.all() else joined[first]


def check_entries(kind: BlocklistKind, path: str) -> None:
    """Raise InputError for a malformed line of a list; no entry is held in memory."""
    if path.endswith(COMPILED):
        load_entries(kind, path)  # reads its header only
        return
    for _ in _read_entries(kind, path):
        pass


def _read_entries(kind: BlocklistKind, path: str) -> Iterator[np.ndarray]:
    """Yield the entries of a list, BATCH_BYTES of lines at a time."""
    before = 0
    with storage.open_input(path) as handle:
        while lines := handle.readlines(BATCH_BYTES):
            data = _decode_hashes(kind, lines)
            if data is None:
                found = read_lines(lines, path, before)
                data = b"".join(_encode(kind, number, line, path) for number, line in found)
            before += len(lines)
            yield np.frombuffer(data, dtype=np.dtype(DTYPE[kind]).newbyteorder(">")).astype(DTYPE[kind])


def _decode_hashes(kind: BlocklistKind, lines: list[bytes]) -> bytes | None:
    """Decode lines that are all bare hashes, which is the common case; None leaves them to `encode_entry`."""
    digits = HEX_DIGITS.get(kind)
    if digits is None or set(map(len, lines)) != {digits + 1}:
        return None
    try:
        data = bytes.fromhex(b"".join(lines).decode("ascii"))
    except ValueError:
        return None
    width = digits // 2
    if len(data) != width * len(lines):
        return None
    kept = np.frombuffer(data, dtype=np.uint8).reshape(-1, width)[:, : np.dtype(DTYPE[kind]).itemsize]
    return kept.tobytes()


def _encode(kind: BlocklistKind, number: int, line: str, path: str) -> bytes:
    entry = encode_entry(kind, line)
    if entry is None:
        raise InputError(f"line {number} is no {kind}: {line[:80]!r}", where=path, remedy="write one entry per line")
    return entry


def digest_lists(entries: Iterable[str]) -> str:
    """Return a hash over the lists that KIND=PATH entries name, wherever they lie; empty without entries."""
    state, hashed = hashlib.sha256(), False
    for entry in entries:
        hashed = True
        state.update(entry.partition("=")[0].encode())
        with storage.open_input(parse_entry(entry)[2]) as handle:
            while piece := handle.read(1 << 20):
                state.update(piece)
    return state.hexdigest()[:16] if hashed else ""


def compile_lists(entries: Iterable[str], folder: str) -> tuple[str, ...]:
    """Write the lists that KIND=PATH entries name, sorted, into a local folder; return KIND=PATH entries for them."""
    compiled = []
    for number, entry in enumerate(entries):
        kind, _, path = parse_entry(entry)
        target = f"{folder}/{number}{COMPILED}"
        np.save(target, load_entries(kind, path), allow_pickle=False)
        compiled.append(f"{entry.partition('=')[0]}={target}")
    return tuple(compiled)


class NearHashes:
    """Search for 64-bit hashes within a Hamming distance by multi-index hashing (Norouzi et al. 2012) with 4 bands."""

    def __init__(self, hashes: np.ndarray, distance: int) -> None:
        self.distance = distance
        self._hashes = hashes
        self._bands = []
        for band in range(BANDS):
            values = (hashes >> np.uint64(16 * band)).astype(np.uint16)
            order = np.argsort(values, kind="stable").astype(np.uint32)
            starts = np.searchsorted(values[order], np.arange(65_537)).astype(np.uint32)
            self._bands.append((order, starts))
        bits = range(distance // BANDS + 1)
        flips = [sum(1 << bit for bit in chosen) for n in bits for chosen in itertools.combinations(range(16), n)]
        self._flips = np.array(flips, dtype=np.uint16)

    def nearest(self, value: int) -> int | None:
        """Return the distance to the nearest hash, or None if it is larger than the configured distance."""
        best: int | None = None
        for band, (order, starts) in enumerate(self._bands):
            for probe in self._flips ^ np.uint16(value >> 16 * band & 0xFFFF):
                found = self._hashes[order[starts[probe] : starts[int(probe) + 1]]]
                if len(found):
                    near = int(np.bitwise_count(found ^ np.uint64(value)).min())
                    best = near if near <= self.distance and (best is None or near < best) else best
        return best


@dataclass
class Blocklist:
    """All blocklists of a run. URLs are checked before they are fetched, bytes before they are written."""

    perceptual_hash: PerceptualHash | None = None
    _entries: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _near: list[NearHashes] = field(default_factory=list)

    @classmethod
    def load(cls, entries: Iterable[str], perceptual_hash: PerceptualHash | None = None) -> "Blocklist":
        """Read the lists that KIND=PATH entries name."""
        result = cls(perceptual_hash)
        for kind, distance, path in (parse_entry(entry) for entry in entries):
            found = load_entries(kind, path)
            if kind == "phash":
                result._near.append(NearHashes(found, distance))
            else:
                result._entries.setdefault(kind, []).append(found)
        return result

    def __bool__(self) -> bool:
        return bool(self._entries or self._near)

    @property
    def is_slow(self) -> bool:
        """Whether looking an image up requires decoding it."""
        return bool(self._near)

    def of_url(self, url: str) -> Rejected | None:
        """Return the rejection of a URL if it, its host or a parent domain is listed, else None."""
        if self._any("url", lambda: bytes.fromhex(identity.image_key(url))):
            return Rejected("blocked_url")
        if "domain" in self._entries:
            labels = identity.host_of(url).split(".")
            above = (".".join(labels[start:]) for start in range(len(labels)))
            if any(self._any("domain", lambda host=host: _domain_entry(host)) for host in above):  # type: ignore[misc]
                return Rejected("blocked_domain")
        return None

    def of_content(self, body: bytes, sha256: str) -> Rejected | None:
        """Return the rejection of bytes if a hash of them is listed or near a listed one, else None."""
        if self._any("sha256", lambda: bytes.fromhex(sha256)[:WIDTH]):
            return Rejected("blocked_sha256")
        if self._any("md5", lambda: hashlib.md5(body, usedforsecurity=False).digest()):
            return Rejected("blocked_md5")
        return self._near_hash(body) if self._near else None

    def _any(self, kind: BlocklistKind, entry: Callable[[], bytes]) -> bool:
        return kind in self._entries and any(place_in(entries, entry()) is not None for entries in self._entries[kind])

    def _near_hash(self, body: bytes) -> Rejected | None:
        """Compare perceptual hashes; an image that cannot be decoded is not blocked."""
        if self.perceptual_hash is None:
            raise RuntimeError("a list of perceptual hashes needs a function that computes them")
        text = self.perceptual_hash(body)
        if not text:
            return None
        for near in self._near:
            distance = near.nearest(int(text, 16))
            if distance is not None:
                return Rejected("blocked_phash", float(distance), float(near.distance))
        return None
