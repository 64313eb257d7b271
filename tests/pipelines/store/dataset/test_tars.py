"""Tars are byte for byte what webdataset writes, and every offset points at its member."""

import hashlib
import io
import tarfile
from pathlib import Path

import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.store.dataset import tars

samples = st.lists(
    st.tuples(
        st.text("0123456789abcdef", min_size=32, max_size=32),
        st.dictionaries(
            st.sampled_from(("jpg", "json", "txt", "000.png", "001.webp", "regions.npz")),
            st.binary(max_size=2000),
            min_size=1,
        ),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair[0],
)


@settings(deadline=None, max_examples=40)
@given(samples)
def test_the_bytes_are_those_of_webdataset(tmp_path_factory: object, pairs: list[tuple[str, dict[str, bytes]]]) -> None:
    folder: Path = tmp_path_factory.mktemp("tar")  # type: ignore[attr-defined]
    written = tars.write_shard(str(folder / "ours.tar"), pairs)
    with webdataset.TarWriter(str(folder / "theirs.tar"), mtime=0, encoder=False) as writer:
        for key, fields in pairs:
            writer.write({"__key__": key, **fields})
    ours = (folder / "ours.tar").read_bytes()
    assert ours == (folder / "theirs.tar").read_bytes()
    assert written.sha256 == hashlib.sha256(ours).hexdigest()
    assert written.bytes == len(ours)
    for (key, fields), (written_key, places) in zip(pairs, written.samples, strict=True):
        assert key == written_key
        for field, offset, size, sha256 in places:
            assert ours[offset : offset + size] == fields[field]
            assert sha256 == hashlib.sha256(fields[field]).hexdigest()


@settings(deadline=None, max_examples=20)
@given(samples)
def test_webdataset_reads_each_sample_back(tmp_path_factory: object, pairs: list[tuple[str, dict[str, bytes]]]) -> None:
    path = tmp_path_factory.mktemp("tar") / "ours.tar"  # type: ignore[attr-defined]
    tars.write_shard(str(path), pairs)
    read = [
        (sample["__key__"], {field: data for field, data in sample.items() if not field.startswith("__")})
        for sample in webdataset.WebDataset(str(path), shardshuffle=False)
    ]
    assert read == pairs


def test_long_and_odd_names_still_read(tmp_path: Path) -> None:
    key = "k" * 120
    tars.write_shard(str(tmp_path / "a.tar"), [(key, {"txt": b"x"})])
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "a.tar").read_bytes())) as tar:
        assert tar.getnames() == [f"{key}.txt"]


def test_no_sample_writes_nothing(tmp_path: Path) -> None:
    assert tars.write_shard(str(tmp_path / "a.tar"), []).samples == ()
    assert not (tmp_path / "a.tar").exists()
