"""Images of millions of empty parts: each format ends within a second, with a reason."""

import struct
import time
from collections.abc import Iterator

import pytest

from corpusloom.schemas.images import limits
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.images.limits import bounded
from corpusloom.schemas.images.metadata import strip_metadata
from tests.schemas.images.pictures import encode, picture

SIZE = 20_000_000


def box(kind: bytes, body: bytes) -> bytes:
    """Return a box of an ISO media file."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def chunk(kind: bytes) -> bytes:
    """Return an empty chunk of a PNG."""
    return bytes(4) + kind + b"crc."


def times(start: bytes, part: bytes) -> bytes:
    """Return a file that repeats a part."""
    return start + part * (SIZE // len(part))


FRAME = b"\xff\xd8\xff\xc2\x00\x0b\x08\x00\x64\x00\x64\x01\x01\x11\x00"
RIFF = b"RIFF" + struct.pack("<I", SIZE) + b"WEBP"
GIF = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0)
AVIF = box(b"ftyp", b"avif" + bytes(4) + b"avif")
SIZES = box(b"ispe", bytes(4) + struct.pack(">II", 9, 9))


def meta_of(properties: bytes, associations: bytes) -> bytes:
    """Return the meta box of an AVIF with properties and associations."""
    inner = box(b"ipco", properties) + box(b"ipma", associations)
    return box(b"meta", bytes(4) + box(b"pitm", bytes(4) + b"\0\1") + box(b"iprp", inner))


HOSTILE = {
    "PNG of other chunks": times(encode(picture(), "PNG")[:33], chunk(b"teST")),
    "PNG of pixels": times(encode(picture(), "PNG")[:33], chunk(b"IDAT")),
    "JPEG of comments": times(b"\xff\xd8", b"\xff\xfe\0\2"),
    "JPEG of comments after its frame": times(FRAME, b"\xff\xfe\0\2"),
    "WebP": times(RIFF, b"TEST" + bytes(4)),
    "GIF of extensions": times(GIF, b"\x21\xfe\0"),
    "GIF of one extension": times(GIF + b"\x21\xfe", b"\1a"),
    "AVIF": times(AVIF, box(b"free", b"")),
    "AVIF of meta boxes": times(AVIF, box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", b"") * 300))),
    "AVIF of properties": AVIF + meta_of(times(b"", box(b"irot", b"\0")), b""),
    "AVIF of associations": AVIF + meta_of(SIZES, times(bytes(4) + b"\xff" * 4, b"\0\2\0")),
    "AVIF of associations of one item": AVIF + meta_of(SIZES, times(bytes(4) + b"\xff" * 4, b"\0\1\1\1")),
    "JPEG of markers": times(b"\xff\xd8\xff", b"\xff\xd0"),
    "JPEG of fill bytes": times(b"\xff\xd8", b"\xff"),
    "JPEG of stuffed bytes": times(b"\xff\xd8\xff", b"\xff\0"),
    "AVIF in its meta box": AVIF + box(b"meta", bytes(4) + times(b"", box(b"iprp", b""))),
}


READABLE = (
    "JPEG of comments after its frame",
    "AVIF of associations",
    "AVIF of associations of one item",
)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_an_image_of_empty_parts_takes_no_time(name: str) -> None:
    start = time.process_time()
    if name in READABLE:
        assert read_header(HOSTILE[name]).width in (9, 100)
    else:
        with pytest.raises(ImageError, match=r"too_many_parts|truncated_header"):
            read_header(HOSTILE[name])
    assert strip_metadata(HOSTILE[name]) == HOSTILE[name]
    assert time.process_time() - start < 2


def test_a_walker_ends_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    @bounded
    def walk(count: int) -> Iterator[int]:
        yield from range(count)

    monkeypatch.setattr(limits, "MAX_PARTS", 3)
    assert list(walk(3)) == [0, 1, 2]
    with pytest.raises(ImageError, match="too_many_parts"):
        list(walk(4))
