"""Names of shards and members, and the number of shards."""

import pytest

from corpusloom.schemas import layout
from corpusloom.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("records", "shards"), [(0, 1), (1, 1), (10_000, 1), (10_001, 2), (20_000, 2), (20_001, 4), (1_000_000, 128)]
)
def test_a_shard_holds_at_most_ten_thousand_records_on_average(records: int, shards: int) -> None:
    assert layout.default_shards(records) == shards


@pytest.mark.parametrize("shards", [1, 2, 4, 1 << 19, 1 << 20])
def test_a_power_of_two_is_a_number_of_shards(shards: int) -> None:
    assert layout.check_shards(shards) == shards


@pytest.mark.parametrize("shards", [-2, -1, 0, 3, 6, (1 << 20) - 1, (1 << 20) + 1, 1 << 21])
def test_another_number_of_shards_is_refused(shards: int) -> None:
    with pytest.raises(ConfigError, match=rf"--shards {shards} is not a power of two"):
        layout.check_shards(shards)


@pytest.mark.parametrize(
    ("key", "shards", "shard"),
    [
        ("0" * 32, 16, 0),
        ("f" * 32, 16, 15),
        ("f" * 32, 1, 0),
        ("80000000" + "0" * 24, 2, 1),
        ("7fffffff" + "f" * 24, 2, 0),
        ("1" + "0" * 31, 16, 1),
        ("00000fff" + "f" * 24, 1 << 20, 0),
        ("00001000" + "0" * 24, 1 << 20, 1),
    ],
)
def test_the_shard_of_a_key_is_its_top_bits(key: str, shards: int, shard: int) -> None:
    assert layout.shard_of(key, shards) == shard


def test_names_are_those_that_readers_of_webdataset_expect() -> None:
    assert [layout.shard_stem(index) for index in (0, 7, 99_999, 100_000)] == ["00000", "00007", "99999", "100000"]
    assert layout.member_name("abc", "000.jpg") == "abc.000.jpg"
    assert [layout.image_field(index, "png") for index in (0, 12, 1000)] == ["000.png", "012.png", "1000.png"]


@pytest.mark.parametrize(
    ("field", "extension"), [("000.jpg", "jpg"), ("json", "json"), ("a.b.PNG", "png"), ("regions.npz", "npz")]
)
def test_the_extension_is_what_follows_the_last_dot(field: str, extension: str) -> None:
    assert layout.extension_of(field) == extension


@pytest.mark.parametrize(
    ("name", "kind"), [("ledger/select.parquet", "ledger"), ("scores/a/b.parquet", "scores"), ("x", "x")]
)
def test_the_kind_of_a_table_is_its_folder(name: str, kind: str) -> None:
    assert layout.table_kind(name) == kind


def test_no_extension_can_hold_code() -> None:
    assert set(layout.IMAGE_EXTENSIONS) < set(layout.EXTENSIONS)
    assert not set(layout.EXTENSIONS) & {"pkl", "pickle", "pth", "pt", "pyd", "npy"}
    assert (layout.MANIFEST, layout.SIZES, layout.FORMAT_VERSION) == ("manifest.json", "sizes.json", 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_read_with_and_without_a_mark(encoding: str) -> None:
    assert layout.decode_text("a grün ☃ cat\n".encode(encoding)) == "a grün ☃ cat\n"
    assert layout.decode_text("".encode(encoding)) == ""


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea", b"\x80"])
def test_bytes_that_are_no_text_raise(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        layout.decode_text(data)
