"""Reads sizes and orientation from the boxes of an AVIF file (ISO 14496-12, ISO 23008-12)."""

import struct
from collections.abc import Iterator

from corpusloom.schemas.images.containers import iso_boxes

_TURNED = (1, 8, 3, 6)
"""EXIF orientation by quarter turns against the clock (irot)."""
_MIRRORED = ((4, 5, 2, 7), (2, 7, 4, 5))
"""EXIF orientation by the axis of the mirror (imir), which follows the turn, and by quarter turns."""

Box = tuple[bytes, int, int]
"""Type, start of the body, end."""


def avif_facts(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return width and height of each image item, and the EXIF orientation of the primary one.

    An AVIF file is turned and mirrored by the properties irot and imir; an Exif item says nothing about its display.
    """
    boxes = [box for kind, start, end in iso_boxes(data, 0, len(data)) if kind == b"meta"
             for box in iso_boxes(data, start + 4, end)]  # fmt: skip
    inner = [box for kind, start, end in boxes if kind == b"iprp" for box in iso_boxes(data, start, end)]
    properties = [box for kind, start, end in inner if kind == b"ipco" for box in iso_boxes(data, start, end)]
    sizes = [struct.unpack_from(">II", data, start + 4) for kind, start, _ in properties if kind == b"ispe"]
    primary = next((_primary(data, start) for kind, start, _ in boxes if kind == b"pitm"), None)
    places = (place for kind, start, end in inner if kind == b"ipma" for place in _of_item(data, start, end, primary))
    own = {properties[place - 1][0]: properties[place - 1][1] for place in places if 0 < place <= len(properties)}
    turns = data[own[b"irot"]] & 3 if b"irot" in own else 0
    return sizes, _MIRRORED[data[own[b"imir"]] & 1][turns] if b"imir" in own else _TURNED[turns]


def _primary(data: bytes, at: int) -> int:
    """Return the id of the primary item."""
    return int(struct.unpack_from(">H" if data[at] == 0 else ">I", data, at + 4)[0])


def _of_item(data: bytes, at: int, end: int, item: int | None) -> Iterator[int]:
    """Yield the places (from 1) of an item's properties, from a box of associations."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(entries):
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
        at += count * (2 if wide else 1)
