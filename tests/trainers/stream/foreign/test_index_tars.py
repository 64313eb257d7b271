"""Foreign tars: indexed by their headers, then streamed like our own."""

import base64
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import webdataset

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.foreign.index_tars import check_tar, guess_kind, index_tars
from tests.trainers.stream.datasets import make_image


def foreign(folder: Path, shards: int = 3, extension: str = "jpeg") -> list[str]:
    folder.mkdir()
    tars = []
    for shard in range(shards):
        tars.append(str(folder / f"part-{shard}.tar"))
        with webdataset.TarWriter(tars[-1], encoder=False) as writer:
            for number in range(7):
                key = f"{'long/' * 30 if number == 3 else ''}s{shard}_{number}"
                writer.write({"__key__": key, extension: make_image(number), "txt": key.encode(), "pickle": b"no"})
    return tars


def test_tars_of_webdataset_are_indexed_and_streamed(tmp_path: Path) -> None:
    tars = foreign(tmp_path / "tars")
    before = [Path(tar).read_bytes() for tar in tars]
    found = index_tars(tars, str(tmp_path / "index"))
    assert (found.samples, found.shards, found.kind, found.ignored) == (21, 3, "pairs", {"pickle": 21})
    stream = StreamingDataset(str(tmp_path / "index"), 0, 0, 1, on_error="raise")
    samples = list(stream)
    assert {sample.text for sample in samples} == {sample.key for sample in samples}
    assert len(samples) == 21
    assert [Path(tar).read_bytes() for tar in tars] == before


def test_a_repeated_key_and_a_broken_tar_are_errors(tmp_path: Path) -> None:
    tars = foreign(tmp_path / "tars", shards=1)
    shutil.copy(tars[0], tmp_path / "tars" / "again.tar")
    with pytest.raises(InputError, match="occurs twice"):
        index_tars([str(tmp_path / "tars")], str(tmp_path / "index"))
    (tmp_path / "bad.tar").write_bytes(b"x" * 2048)
    with pytest.raises(DamageError, match=r"bad\.tar"):
        index_tars([str(tmp_path / "bad.tar")], str(tmp_path / "index"))
    tarfile.open(tmp_path / "empty.tar", "w").close()
    with pytest.raises(InputError, match="no samples"):
        index_tars([str(tmp_path / "empty.tar")], str(tmp_path / "index"))
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_the_kind_of_samples_is_guessed_from_their_fields() -> None:
    assert guess_kind(["jpg", "txt", "json"]) == "pairs"
    assert guess_kind(["000.jpg", "txt"]) == "clips"
    assert guess_kind(["000.jpg", "json"]) == "interleaved"
    assert guess_kind(["jpg", "txt", "regions.npz"]) == "regions"
    with pytest.raises(InputError):
        guess_kind(["jpg"])


def write_tar(path: Path, members: dict[str, bytes]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def differences(index: Path, hashes: bool = True) -> list[str]:
    """Return the differences between an index and its tars."""
    found: list[str] = []
    for shard in read_manifest(str(index)).shards:
        rows = tables.read_records(str(index / shard.sidecar.name), SidecarRow)
        found += check_tar(storage.resolve(str(index), shard.tar.name), rows, hashes)
    return found


def stream_of(tars: list[str], out: Path, **options: Any) -> dict[str, Any]:
    index_tars(tars, str(out), **options)
    assert differences(out) == []
    return {sample.key: sample for sample in StreamingDataset(str(out), 0, 0, 1, on_error="raise")}


def test_an_img2dataset_folder_is_not_overwritten(tmp_path: Path) -> None:
    image = make_image(1)
    folder = tmp_path / "laion"
    write_tar(folder / "00000.tar", {"000000000.jpg": image, "000000000.txt": b"a", "000000000.json": b"{}"})
    (folder / "00000.parquet").write_bytes(b"theirs")
    with pytest.raises(InputError, match="would overwrite"):
        index_tars([str(folder)], str(folder))
    found = stream_of([str(folder)], tmp_path / "index")
    assert found["000000000"].text == "a"
    assert index_tars([str(folder)], str(tmp_path / "index")).samples == 1
    assert (folder / "00000.parquet").read_bytes() == b"theirs"


def test_tars_whose_keys_all_count_from_zero_are_indexed_with_prefixed_keys(tmp_path: Path) -> None:
    for shard in range(3):
        write_tar(tmp_path / f"{shard:05d}.tar", {f"0.{name}": make_image(shard) for name in ("jpg", "JPEG")})
    pattern = f"{tmp_path}/{{00000..00002}}.tar"
    with pytest.raises(InputError, match="--prefix-keys"):
        index_tars([pattern], str(tmp_path / "index"), kind="pairs")
    found = index_tars([pattern], str(tmp_path / "index"), kind="pairs", prefix_keys=True)
    assert (found.samples, found.ignored) == (3, {"repeated jpg": 3})
    stream = StreamingDataset(str(tmp_path / "index"), 0, 0, 1)
    assert sorted(key for key, _ in stream.raw()) == ["00000/0", "00001/0", "00002/0"]


def test_a_tar_cut_off_inside_its_last_member_is_an_error(tmp_path: Path) -> None:
    tar = Path(write_tar(tmp_path / "a.tar", {"1.jpg": bytes(5000), "1.txt": b"a"}))
    tar.write_bytes(tar.read_bytes()[:3000])
    with pytest.raises(DamageError, match=r"a\.tar"):
        index_tars([str(tar)], str(tmp_path / "index"))


def test_energons_splits_and_exclusions_apply_to_the_stream(tmp_path: Path) -> None:
    folder = tmp_path / "energon"
    for shard in range(4):
        names = [f"s{shard}_{number}" for number in range(3)]
        write_tar(folder / f"{shard}.tar", {f"{n}.{e}": d for n in names for e, d in (("jpg", b"x"), ("txt", b"t"))})
    (folder / ".nv-meta").mkdir()
    (folder / ".nv-meta" / "split.yaml").write_text(
        "split_parts: {train: ['{0..2}.tar'], val: [3.tar], test: []}\nexclude: [1.tar, 0.tar/s0_1]\n"
    )
    found = index_tars([str(folder)], str(tmp_path / "index"))
    assert (found.samples, found.excluded) == (8, 1)
    keys = {split: {k for k, _ in StreamingDataset(str(tmp_path / "index"), split=split).raw()} for split in SPLITS}
    assert keys == {"train": {"s0_0", "s0_2", "s2_0", "s2_1", "s2_2"}, "val": {"s3_0", "s3_1", "s3_2"}}
    (folder / ".nv-meta" / "split.yaml").write_text("split_parts: {train: [../../secret.tar]}")
    with pytest.raises(InputError, match="outside"):
        index_tars([str(folder)], str(tmp_path / "index"))


SPLITS = ("train", "val")


def test_mmc4_pages_in_the_tars_of_open_flamingo_are_read(tmp_path: Path) -> None:
    images = [make_image(number) for number in range(3)]
    info = [
        {"matched_text_index": at, "image_base64": base64.b64encode(image).decode()}
        for at, image in zip((1, 0, 1), images, strict=True)
    ]
    info.append({"matched_text_index": 0})
    body = {"text_list": ["first.", "second."], "image_info": info, "similarity_matrix": []}
    tar = write_tar(tmp_path / "000000000.tar", {"ab12.json": json.dumps(body).encode()})
    sample = stream_of([tar], tmp_path / "index")["ab12"]
    assert sample.texts == (None, "first.", None, None, "second.")
    assert sample.images == (images[1], None, images[0], images[2], None)


@pytest.mark.parametrize(
    ("tokens", "names"),
    [
        ([None, "0.jpeg", None, "1.png"], ["0.jpeg", "1.png"]),  # energon's documented example: fields
        ([None, "doc.0.jpg", None, "doc.1.png"], ["0.jpg", "1.png"]),  # NeMo Curator: whole names
        ([None, "http://a/x.jpg", None, "http://a/y"], ["000.jpg", "001.png"]),  # OBELICS: URLs, in order
    ],
)
def test_pages_of_energon_nemo_curator_and_obelics_keep_their_order(
    tmp_path: Path, tokens: list[str | None], names: list[str]
) -> None:
    images = [make_image(1), make_image(2, format="PNG")]
    body = json.dumps({"texts": ["a", None, "b", None], "images": tokens}).encode()
    members = {f"part/doc.{name}": image for name, image in zip(names, images, strict=True)}
    sample = stream_of([write_tar(tmp_path / "t.tar", {**members, "part/doc.json": body})], tmp_path / "i")["part/doc"]
    assert sample.texts == ("a", None, "b", None)
    assert sample.images == (None, images[0], None, images[1])


def test_hashes_find_a_member_that_changed(tmp_path: Path) -> None:
    tar = Path(write_tar(tmp_path / "a.tar", {"1.jpg": b"before", "1.txt": b"a", "2.jpg": b"x", "2.txt": b"b"}))
    index_tars([str(tar)], str(tmp_path / "index"), hashes=True)
    tar.write_bytes(tar.read_bytes().replace(b"before", b"behind"))
    stream = StreamingDataset(str(tmp_path / "index"), 0, 0, 1, verify=True)
    assert [key for key, _ in stream.raw()] == ["2"]
    assert list(stream.skipped_keys) == [("1", "hash_differs")]


def test_members_that_moved_or_changed_are_reported_and_others_are_not(tmp_path: Path) -> None:
    tars = foreign(tmp_path / "tars", shards=1)
    index_tars(tars, str(tmp_path / "index"), hashes=True)
    assert differences(tmp_path / "index") == []  # long names, .jpeg, and members that are not read
    data = Path(tars[0]).read_bytes()
    Path(tars[0]).write_bytes(data.replace(make_image(1), make_image(1)[::-1]))
    assert differences(tmp_path / "index", hashes=False) == []
    (changed,) = differences(tmp_path / "index")
    assert changed.startswith("1 of 14 members")
    assert changed.endswith("the bytes of s0_1.jpeg have changed since they were indexed")
    write_tar(Path(tars[0]), {"s0_0.jpeg": make_image(0), "s0_9.txt": b"s0_1"})
    assert "of 14 members differ from the index; the first: no" in differences(tmp_path / "index")[0]


def test_a_pair_without_txt_has_the_caption_of_its_json(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"1.png": make_image(1, format="PNG"), "1.json": b'{"caption": "told"}'})
    assert stream_of([tar], tmp_path / "index")["1"].text == "told"


def test_keys_with_dots_and_members_apart_are_streamed(tmp_path: Path) -> None:
    names = [f"Track {number}.0 (Clean)" for number in range(3)]
    members = {f"{name}.jpg": make_image(1) for name in names} | {f"{name}.txt": name.encode() for name in names}
    found = stream_of([write_tar(tmp_path / "a.tar", members)], tmp_path / "index")
    assert {key: sample.text for key, sample in found.items()} == {name: name for name in names}


def test_names_that_are_not_utf8_are_streamed_and_hidden_members_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        for name, data in (("é.jpg", make_image(1)), ("é.txt", b"a cat"), ("._é.jpg", b"x"), ("README", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = index_tars([str(tmp_path / "a.tar")], str(tmp_path / "index"))
    assert found.ignored == {"without key or extension": 2}
    assert stream_of([str(tmp_path / "a.tar")], tmp_path / "index")[r"\xe9"].text == "a cat"
    assert differences(tmp_path / "index") == []


def test_a_member_whose_pax_header_alone_has_its_name_is_streamed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for at, (name, data) in enumerate((("cat.jpg", make_image(1)), ("cat.txt", b"a cat"))):
            info = tarfile.TarInfo(f"member-{at}")
            info.size, info.pax_headers = len(data), {"path": name, "comment": "x" * 2_000}
            archive.addfile(info, io.BytesIO(data))
    assert stream_of([str(tmp_path / "a.tar")], tmp_path / "index")["cat"].text == "a cat"
