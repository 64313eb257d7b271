"""Reads sizes and orientation from the boxes of an AVIF file (ISO 14496-12, ISO 23008-12)."""

import struct
from collections.abc import Iterable, Iterator

from corpusloom.schemas.images.containers import iso_boxes
from corpusloom.schemas.images.limits import MAX_PARTS

_TURNED = (1, 8, 3, 6)
"""EXIF orientation by quarter turns against the clock (irot)."""
_MIRRORED = ((4, 5, 2, 7), (2, 7, 4, 5))
"""EXIF orientation by the axis of the mirror (imir), which follows the turn, and by quarter turns."""

_MAX_BRANDS = 256
"""Bytes of the first box that are read."""
MAX_ASSOCIATIONS = 4
"""Boxes of associations that are read: a file has one for each version and width of its fields."""

Box = tuple[bytes, int, int]
"""Type, start of the body, end."""


def is_avif(data: bytes) -> bool:
    """Return whether the first box names AVIF as its brand, or beside a general brand (mif1) as a compatible one."""
    if data[4:8] != b"ftyp" or data[8:12] not in (b"avif", b"avis", b"mif1", b"msf1"):
        return False
    end = min(int.from_bytes(data[:4], "big"), _MAX_BRANDS)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    return b"avif" in brands or b"avis" in brands


def avif_facts(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return width and height of each image item, and the EXIF orientation of the primary one.

    An AVIF file is turned and mirrored by the properties irot and imir; an Exif item says nothing about its display.
    """
    start, end = _first(iso_boxes(data, 0, len(data)), b"meta")
    boxes = list(iso_boxes(data, start + 4, end))
    inner = list(iso_boxes(data, *_first(boxes, b"iprp")))
    properties = list(iso_boxes(data, *_first(inner, b"ipco")))
    sizes = [struct.unpack_from(">II", data, start + 4) for kind, start, _ in properties if kind == b"ispe"]
    primary = next((_primary(data, start) for kind, start, _ in boxes if kind == b"pitm"), None)
    lists = [(start, end) for kind, start, end in inner if kind == b"ipma"][:MAX_ASSOCIATIONS]
    places = [place for start, end in lists for place in _of_item(data, start, end, primary)]
    own = {properties[place - 1][0]: properties[place - 1][1] for place in places if 0 < place <= len(properties)}
    turns = data[own[b"irot"]] & 3 if b"irot" in own else 0
    return sizes, _MIRRORED[data[own[b"imir"]] & 1][turns] if b"imir" in own else _TURNED[turns]


def _first(boxes: Iterable[Box], kind: bytes) -> tuple[int, int]:
    """Return start and end of the first box of a type, the only one that decoders read; (0, 0) if there is none."""
    return next(((start, end) for found, start, end in boxes if found == kind), (0, 0))


def _primary(data: bytes, at: int) -> int:
    """Return the id of the primary item."""
    return int(struct.unpack_from(">H" if data[at] == 0 else ">I", data, at + 4)[0])


def _of_item(data: bytes, at: int, end: int, item: int | None) -> Iterator[int]:
    """Yield the places (from 1) of an item's properties, from a box of associations."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(min(entries, MAX_PARTS)):
        if at >= end:
            return
        (found,) = struct.unpack_from(">H" if version == 0 else ">I", data, at)
        at += 2 if version == 0 else 4
        count = data[at]
        at += 1
        if found == item:
            step = 2 if wide else 1
            for place in range(at, min(at + step * count, end), step):
                yield struct.unpack_from(">H", data, place)[0] & 0x7FFF if wide else data[place] & 0x7F
            return
        at += count * (2 if wide else 1)
