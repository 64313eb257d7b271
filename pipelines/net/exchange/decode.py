"""Decodes content codings (gzip, deflate, br, zstd, also nested) with a limit on the decoded size."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli
import zstandard

from corpusloom.pipelines.net.exchange.sniff import IMAGES, SNIFFED_BYTES, sniff

MAX_LAYERS = 3
"""Nested codings, at most; a response with more is an attack."""
BOMB_CAPS = 4
"""A body whose decoded size exceeds this multiple of the cap is an attack; a smaller one is truncated."""
_WINDOW = 1 << 23
"""Bytes of the largest zstd window that RFC 9659 allows in a response: 8 MB."""
_BROTLI_STEP = 1 << 16
"""Bytes that the brotli decoder returns per call."""


_REFUSED = frozenset(("compress", "x-compress", "exi", "pack200-gzip", "aes128gcm", "dcb", "dcz"))
"""Registered codings that are not decoded here."""
_NEVER_CODED = frozenset(("jpeg", "png", "gif", "webp", "avif", "heic", "html", "svg", "xml"))
"""Types whose first bytes no coding produces; those of the other types are short enough for that."""


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
    """Whether the body is longer than the cap; the rest was not decoded."""


def decode(wire: bytes, encodings: str, cap: int) -> Decoded:
    """Undo the codings of a Content-Encoding header, last first, up to `cap` bytes at every layer.

    A name that is no coding, such as a charset, is ignored, and a body that starts as an image or a page is returned
    unchanged: some servers declare a coding that they did not apply. Raises CodingError for a coding that is not known
    here, for too many codings, and for damage before the first decoded byte.
    """
    names = [name.strip().lower() for name in encodings.split(",")]
    names = [name for name in names if name in _DECODERS or name in _REFUSED]
    if len(names) > MAX_LAYERS:
        raise CodingError("bad_encoding", f"{len(names)} nested codings")
    kind = sniff(wire[:SNIFFED_BYTES]) if names else None
    if kind in _NEVER_CODED:
        return Decoded(wire[:cap], len(wire) > cap)
    body, cut = wire, False
    try:
        for name in reversed(names):
            layer = _decode_layer(body, name, cap)
            body, cut = layer.body, cut or layer.cut
    except CodingError:
        if kind not in IMAGES:
            raise
        body, cut = wire, False
    return Decoded(body[:cap], cut or len(body) > cap) if names else Decoded(body)


def is_bomb(wire: bytes, encodings: str, cap: int, ratio: float) -> bool:
    """Return whether a body over its cap is a bomb: over four caps, or over `ratio` decoded bytes per wire byte."""
    return decode(wire, encodings, int(min(BOMB_CAPS * cap, max(cap, ratio * len(wire))))).cut


def _decode_layer(data: bytes, name: str, cap: int) -> Decoded:
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise CodingError("unknown_encoding", name[:40])
    return decoder(data, cap) if data else Decoded(b"")


def _inflate(data: bytes, cap: int, wbits: int) -> Decoded:
    """Decode zlib, gzip or raw deflate; the members of a gzip stream are concatenated."""
    parts: list[bytes] = []
    size = 0
    while data:
        member = zlib.decompressobj(wbits)
        try:
            out = member.decompress(data, cap + 1 - size)
        except zlib.error as error:
            if not size:
                raise CodingError("bad_encoding", str(error)) from error
            return Decoded(b"".join(parts))
        parts.append(out)
        size += len(out)
        if size > cap:
            return Decoded(b"".join(parts)[:cap], cut=True)
        if not member.eof:
            return Decoded(b"".join(parts))
        data = member.unused_data if wbits > 15 and member.unused_data[:2] == b"\x1f\x8b" else b""
    return Decoded(b"".join(parts))


def _gzip(data: bytes, cap: int) -> Decoded:
    return _inflate(data, cap, 31) if data[:2] == b"\x1f\x8b" else Decoded(data)


def _deflate(data: bytes, cap: int) -> Decoded:
    """Decode deflate, which servers send with the zlib header of RFC 9110 or without it."""
    wrapped = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _inflate(data, cap, 15 if wrapped else -15)


def _brotli(data: bytes, cap: int) -> Decoded:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        while size <= cap and not decoder.is_finished():
            out = decoder.process(data, output_buffer_limit=_BROTLI_STEP)
            parts.append(out)
            size += len(out)
            data = b""
            if not out and decoder.can_accept_more_data():
                return Decoded(b"".join(parts))
    except brotli.error as error:
        if not size:
            raise CodingError("bad_encoding", str(error)) from error
        return Decoded(b"".join(parts)[:cap])
    return Decoded(b"".join(parts)[:cap], cut=size > cap)


def _zstd(data: bytes, cap: int) -> Decoded:
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    parts: list[bytes] = []
    size = 0
    try:
        with decoder.stream_reader(data, read_across_frames=True) as reader:
            while size <= cap and (out := reader.read(min(1 << 18, cap + 1 - size))):
                parts.append(out)
                size += len(out)
    except zstandard.ZstdError as error:
        if not size:
            raise CodingError("bad_encoding", str(error)) from error
        return Decoded(b"".join(parts)[:cap])
    return Decoded(b"".join(parts)[:cap], cut=size > cap)


_DECODERS: dict[str, Callable[[bytes, int], Decoded]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
