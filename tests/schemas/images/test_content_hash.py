"""Hashes of images: their columns, their form, their value."""

import hashlib

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.content_hash import HashColumn, hash_column


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("md5", HashColumn("md5", "md5")),
        ("image_SHA256", HashColumn("image_SHA256", "sha256")),
        ("digest:sha512", HashColumn(["digest", "sha512"][0], "sha512")),
        ("md5:sha256", HashColumn("md5", "sha256")),
        ("a:b:md5", HashColumn("a:b", "md5")),
        ("x:md5sum", HashColumn("x:md5sum", "md5")),
    ],
)
def test_the_type_follows_the_column_or_is_in_its_name(text: str, column: HashColumn) -> None:
    assert hash_column(text) == column


@pytest.mark.parametrize("text", ["digest", "md5_or_sha256", "", "digest:crc32"])
def test_a_column_of_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"does not say which hash it has.*:md5"):
        hash_column(text)


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha512"])
def test_a_hash_is_hex_of_its_length_in_any_case(kind: str) -> None:
    column, digest = HashColumn("h", kind), hashlib.new(kind, b"image").hexdigest()
    assert column.hash_of(b"image") == digest
    assert column.parse(f" {digest.upper()}\n") == digest
    for wrong in ("", digest[1:], digest + "0", "g" + digest[1:], "0x" + digest[2:]):
        assert column.parse(wrong) is None
