"""Deterministic tars against webdataset's own writer, and what they refuse."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.tars import member_header, write_shard
from schemas.errors import InputError

KEYS = st.text("0123456789abcdef/é", min_size=1, max_size=60).filter(lambda key: not key.startswith("/"))
FIELDS = st.dictionaries(
    st.sampled_from(["jpg", "json", "txt", "000.jpg", "001.png"]), st.binary(max_size=1500), min_size=1
)


def by_webdataset(samples: list[tuple[str, dict[str, bytes]]]) -> bytes:
    sink = io.BytesIO()
    with webdataset.TarWriter(sink, mtime=0, encoder=False) as writer:
        for key, fields in samples:
            writer.write({"__key__": key, **fields})
    return sink.getvalue()


@settings(max_examples=40, deadline=None)
@given(samples=st.lists(st.tuples(KEYS, FIELDS), min_size=1, max_size=6, unique_by=lambda sample: sample[0]))
def test_bytes_are_those_of_webdataset(tmp_path_factory: pytest.TempPathFactory, samples: list) -> None:
    path = tmp_path_factory.mktemp("tar") / "00000.tar"
    written, sha256, size = write_shard(str(path), samples)
    data = path.read_bytes()
    assert data == by_webdataset(samples)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (sha256, size)
    for (key, members), (expected, fields) in zip(written, samples, strict=True):
        assert key == expected
        assert [member.field for member in members] == sorted(fields)
        for field, offset, length, digest in members:
            assert data[offset : offset + length] == fields[field]
            assert hashlib.sha256(fields[field]).hexdigest() == digest


def test_a_name_too_long_for_one_field_has_an_extended_header(tmp_path: Path) -> None:
    key = "a" * 90 + "/" + "b" * 60
    samples = [(key, {"txt": b"x"})]
    write_shard(str(tmp_path / "t.tar"), samples)
    assert (tmp_path / "t.tar").read_bytes() == by_webdataset(samples)
    assert tarfile.open(tmp_path / "t.tar").getnames() == [f"{key}.txt"]


def test_header_equals_tarfiles() -> None:
    info = tarfile.TarInfo("00ff.jpg")
    info.size, info.mode, info.uname, info.gname = 36_000, 0o444, "bigdata", "bigdata"
    assert member_header("00ff.jpg", 36_000) == info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [("a.b", {"txt": b""})],
        [("", {"txt": b""})],
        [("a", {"txt": b""}), ("a", {"txt": b""})],
        [("a", {})],
        [("a", {"_x": b""})],
        [("a", {"JPG": b""})],
        [("\udc80", {"txt": b""})],
    ],
    ids=["empty", "dot", "no key", "repeat", "no members", "underscore", "upper case", "surrogate"],
)
def test_refuses_what_readers_cannot_read_and_leaves_nothing(tmp_path: Path, samples: list) -> None:
    with pytest.raises(InputError):
        write_shard(str(tmp_path / "t.tar"), samples)
    assert list(tmp_path.iterdir()) == []
