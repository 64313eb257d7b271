"""The boxes of an AVIF file: sizes, and the orientation of the primary item."""

import struct

import pytest

from corpusloom.schemas.images.avif import avif_facts, is_avif


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def avif(
    properties: list[bytes], of_items: dict[int, list[int]], *, primary: int = 1, wide: bool = False, long: bool = False
) -> bytes:
    """Return the boxes of a file; `wide` associations and `long` ids take two and four bytes."""
    place, item = (">H", ">I" if long else ">H") if wide else (">B", ">I" if long else ">H")
    lists = b"".join(
        struct.pack(item, number) + bytes([len(places)]) + b"".join(struct.pack(place, at) for at in places)
        for number, places in of_items.items()
    )
    ipma = box(b"ipma", bytes([long, 0, 0, wide]), struct.pack(">I", len(of_items)), lists)
    pitm = box(b"pitm", bytes([long, 0, 0, 0]), struct.pack(">I" if long else ">H", primary))
    iprp = box(b"iprp", box(b"ipco", *properties), ipma)
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4), pitm, iprp)


def size(width: int, height: int) -> bytes:
    return box(b"ispe", bytes(4), struct.pack(">II", width, height))


def turned(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


@pytest.mark.parametrize(
    ("properties", "orientation"),
    [
        ([], 1),
        ([turned(0)], 1),
        ([turned(1)], 8),
        ([turned(2)], 3),
        ([turned(3)], 6),
        ([mirrored(0)], 4),
        ([mirrored(1)], 2),
        ([turned(1), mirrored(0)], 5),
        ([turned(1), mirrored(1)], 7),
        ([turned(2), mirrored(0)], 2),
        ([turned(2), mirrored(1)], 4),
        ([turned(3), mirrored(0)], 7),
        ([turned(3), mirrored(1)], 5),
        ([turned(0xFC | 1)], 8),  # six reserved bits
    ],
)
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("long", [False, True])
def test_the_primary_item_is_turned_then_mirrored(
    properties: list[bytes], orientation: int, wide: bool, long: bool
) -> None:
    places = list(range(1, len(properties) + 2))
    data = avif([size(4, 3), *properties], {7: places}, primary=7, wide=wide, long=long)
    assert avif_facts(data) == ([(4, 3)], orientation)


def test_properties_of_other_items_do_not_turn_the_primary_one() -> None:
    data = avif([size(4, 3), turned(1), size(2, 1)], {1: [1], 2: [3, 2]})
    assert avif_facts(data) == ([(4, 3), (2, 1)], 1)


@pytest.mark.parametrize("place", [0, 9, 0x7F])
def test_a_property_that_does_not_exist_is_ignored(place: int) -> None:
    assert avif_facts(avif([size(4, 3)], {1: [1, place]})) == ([(4, 3)], 1)


def test_an_essential_property_is_marked_in_the_highest_bit() -> None:
    assert avif_facts(avif([size(4, 3), turned(3)], {1: [1, 0x82]}))[1] == 6
    assert avif_facts(avif([size(4, 3), turned(3)], {1: [1, 0x8002]}, wide=True))[1] == 6


def test_a_box_that_ends_early_is_an_error() -> None:
    data = avif([size(4, 3), turned(3)], {1: [1, 2]})
    for cut in range(8, len(data)):
        try:
            avif_facts(data[:cut])
        except (IndexError, struct.error):
            continue


@pytest.mark.parametrize(
    ("brands", "known"),
    [
        ([b"avif", bytes(4)], True),
        ([b"avis"], True),
        ([b"mif1", bytes(4), b"miaf", b"avif"], True),
        ([b"msf1", bytes(4), b"avis"], True),
        ([b"mif1", bytes(4), b"heic"], False),
        ([b"mif1"], False),
        ([b"heic", bytes(4), b"avif"], False),
    ],
)
def test_an_avif_is_known_by_its_brands(brands: list[bytes], known: bool) -> None:
    assert is_avif(box(b"ftyp", *brands) + box(b"meta", b"avif")) is known


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x18ftyp", b"\xff\xff\xff\xffftypmif1"])
def test_a_brand_that_is_cut_off_is_unknown(data: bytes) -> None:
    assert not is_avif(data)
