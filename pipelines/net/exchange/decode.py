"""Decodes content codings (gzip, deflate, br, zstd, also nested) in time linear in the bytes and in bounded memory.

Every coding is decoded in pieces, so that decoding stops at a limit. All limits are numbers of bytes and members and
no clock is read, so that the same bytes have the same outcome on every machine.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import brotli
import zstandard

from corpusloom.pipelines.net.exchange.sniff import IMAGES, SNIFFED_BYTES, sniff

MAX_LAYERS = 3
"""Nested codings, at most; a response with more is an attack."""
MAX_MEMBERS = 10_000
"""Members of one gzip body, at most. Each costs time, also an empty one of 20 bytes; real servers send one."""
BOMB_CAPS = 4
"""A body whose decoded size exceeds this multiple of the cap is an attack; a smaller one is truncated."""
_WINDOW = 1 << 23
"""Bytes of the largest zstd window that RFC 9659 allows in a response: 8 MB."""
_PIECE = 1 << 18
"""Decoded bytes per piece, at most."""
_SLICE = 1 << 16
"""Encoded bytes per call of a decoder; decoders copy what they leave over."""
_FIRST_SLICE = 1 << 9
"""Encoded bytes of the first call for a gzip member after the first: members may be as short as 20 bytes."""
_GZIP = b"\x1f\x8b"


_REFUSED = frozenset(("compress", "x-compress", "exi", "pack200-gzip", "aes128gcm", "dcb", "dcz"))
"""Registered codings that are not decoded here."""
_NEVER_CODED = frozenset(("jpeg", "png", "gif", "webp", "avif", "heic", "html", "svg", "xml"))
"""Types whose first bytes no coding produces; those of the other types are short enough for that."""
_TEXT_BYTES = 64
"""Bytes of ASCII from the start that show a body to be a text; no coding produces as many."""


class CodingError(ValueError):
    """A body that cannot be decoded; `reason` is the ledger's word for it."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(f"{reason}: {what}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded body."""

    body: bytes
    cut: bool = False
    """Whether the body is longer than the cap; the rest is not kept."""
    bomb: bool = False
    """Whether a layer is longer than the limit of a bomb; the rest was not decoded."""


def decode(wire: bytes, encodings: str, cap: int, ratio: float | None = None) -> Decoded:
    """Undo the codings of a Content-Encoding header, last first, up to `cap` bytes at every layer.

    With a `ratio`, decoding goes on beyond the cap, to tell a long body from a bomb: a body is a bomb if a layer has
    more than four caps, or more than the cap and more than `ratio` bytes per wire byte.

    A name that is no coding, such as a charset, is ignored. A body that starts as an image or a page, and a text that
    cannot be decoded, is returned unchanged: some servers declare a coding that they did not apply. Raises CodingError
    for a coding that is not known here, for too many codings or members, and for damage before the first decoded byte.
    """
    names = [name.strip("\"'").lower() for name in re.split(r"[,;\s]+", encodings)]
    names = [name for name in names if name in _PIECES or name in _REFUSED]
    if len(names) > MAX_LAYERS:
        raise CodingError("bad_encoding", f"{len(names)} nested codings")
    if not names:
        return Decoded(wire)
    kind = sniff(wire[:SNIFFED_BYTES])
    if kind in _NEVER_CODED:
        return Decoded(wire[:cap], len(wire) > cap)
    limit = cap if ratio is None else int(min(BOMB_CAPS * cap, max(cap, ratio * len(wire))))
    body, longest = wire, 0
    try:
        for name in reversed(names):
            body, size = _decode_layer(body, name, cap, limit)
            longest = max(longest, size)
    except CodingError:
        if kind not in IMAGES and not (kind == "text" and wire[:_TEXT_BYTES].isascii()):
            raise
        return Decoded(wire[:cap], len(wire) > cap)
    return Decoded(body, longest > cap, ratio is not None and longest > limit)


def _decode_layer(data: bytes, name: str, cap: int, limit: int) -> tuple[bytes, int]:
    """Return the first `cap` decoded bytes, and how many there are; the count stops once it is over `limit`."""
    pieces = _PIECES.get(name)
    if pieces is None:
        raise CodingError("unknown_encoding", name[:40])
    parts: list[bytes] = []
    size = 0
    try:
        for piece in pieces(data):
            if size < cap:
                parts.append(piece[: cap - size])
            size += len(piece)
            if size > limit:
                break
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        if _is_shortage(error):
            raise MemoryError(str(error)) from error
        if not size:
            raise CodingError("bad_encoding", str(error)) from error
    return b"".join(parts), size


def _is_shortage(error: Exception) -> bool:
    """Return whether a decoder failed because this machine has no memory left, and not because of the body."""
    text = str(error)
    return text.startswith("Error -4 ") or "Allocation error" in text


def _inflate(data: bytes, wbits: int) -> Iterator[bytes]:
    """Yield the pieces of zlib, gzip or raw deflate; the members of a gzip stream are concatenated."""
    view, place, step = memoryview(data), 0, _SLICE
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits)
        while not member.eof:
            fed = view[place : place + step]
            piece = member.decompress(fed, _PIECE)
            consumed = len(fed) - len(member.unconsumed_tail) - len(member.unused_data)
            place += consumed
            if piece:
                yield piece
            elif not consumed:
                return  # cut off
            step = min(_SLICE, 2 * step)
        if wbits < 16 or view[place : place + 2] != _GZIP:
            return
        step = _FIRST_SLICE
    raise CodingError("bad_encoding", f"more than {MAX_MEMBERS} gzip members")


def _gzip(data: bytes) -> Iterator[bytes]:
    return _inflate(data, 31) if data[:2] == _GZIP else iter((data,))


def _deflate(data: bytes) -> Iterator[bytes]:
    """Yield the pieces of deflate, which servers send with the zlib header of RFC 9110 or without it."""
    wrapped = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _inflate(data, 15 if wrapped else -15)


def _brotli(data: bytes) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    view, place = memoryview(data), 0
    while not decoder.is_finished():
        fed = view[place : place + _SLICE] if decoder.can_accept_more_data() else b""
        place += len(fed)
        piece = decoder.process(fed, output_buffer_limit=_PIECE)
        if piece:
            yield piece
        elif not fed:
            return  # cut off


def _zstd(data: bytes) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    with decoder.stream_reader(data, read_across_frames=True) as reader:
        while piece := reader.read(_PIECE):
            yield piece


_PIECES: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
