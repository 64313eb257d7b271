"""Compressed lists: found by their first bytes, read in parts, damage named."""

import bz2
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from corpusloom.pipelines.store.lists.compression import open_list
from corpusloom.schemas.errors import InputError

TEXT = b"".join(b"http://a.example/%d.jpg\n" % n for n in range(20_000))
ZSTANDARD = zstandard.ZstdCompressor(write_checksum=True).compress
COMPRESS = [gzip.compress, bz2.compress, ZSTANDARD]


@pytest.mark.parametrize("compress", [bytes, *COMPRESS])
def test_a_list_of_several_parts_is_read_whole(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(compress(TEXT[:1_000]) + compress(TEXT[1_000:]))
    with open_list(str(path)) as handle:
        assert (handle.read(10), handle.tell()) == (TEXT[:10], 10)
        assert handle.read() == TEXT[10:]
        assert handle.tell() == len(TEXT)


@pytest.mark.parametrize("compress", COMPRESS)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damage_is_an_error_that_names_the_list(
    tmp_path: Path, compress: Callable[[bytes], bytes], damage: str
) -> None:
    path, data = tmp_path / "a.txt.x", compress(TEXT)
    middle = len(data) // 2
    flipped = data[:middle] + bytes(byte ^ 255 for byte in data[middle : middle + 40]) + data[middle + 40 :]
    path.write_bytes(data[:middle] if damage == "cut" else flipped)
    with open_list(str(path)) as handle, pytest.raises(InputError, match=r"a\.txt\.x: .*damaged or cut off, after"):
        handle.read()


@pytest.mark.parametrize("compress", COMPRESS)
def test_a_list_that_expands_much_takes_bounded_memory(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(compress(bytes(1 << 26)))
    tracemalloc.start()
    with open_list(str(path)) as handle:
        assert sum(len(block) for block in iter(lambda: handle.read(1 << 16), b"")) == 1 << 26
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 25 or compress is ZSTANDARD
