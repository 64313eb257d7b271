"""Lists and img2dataset's folders as inputs of a build: pairs without WARCs, images without a second fetch."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.img2dataset import find_shards, read_shard
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.verdicts import Dead
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.pipelines.image_server import ImageServer, image_server
from tests.pipelines.small_web import QUIET
from tests.pipelines.store.store_maker import DATE, png

SIDE = 256
Output = Literal["webdataset", "files", "parquet"]
OUTPUTS: tuple[Output, ...] = ("webdataset", "files", "parquet")


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def run(folder: Path, name: str, **changes: object) -> Manifest:
    values: dict[str, object] = {
        "recipe": load_recipe("align"),
        "out": str(folder / name),
        "work": str(folder / f"{name}.work"),
        "store": str(folder / f"{name}.store"),
        "warcs": (),
        "fetch": FetchConfig(),
        "workers": 0,
    }
    report = build.build(BuildConfig(**values | changes), QUIET)  # type: ignore[arg-type]
    assert report.manifest is not None
    return report.manifest


def text_of(number: int) -> str:
    return f"a photo of the old house number {number}"


def sample(number: int) -> dict[str, object]:
    """Return a row as in img2dataset's Parquet; every fifth has failed."""
    failed = number % 5 == 4
    return {
        "url": f"http://example.org/{number}.png",
        "caption": text_of(number),
        "key": f"0000{number:05d}",
        "status": "failed_to_download" if failed else "success",
        "error_message": "HTTP Error 404: Not Found" if failed else None,
        "width": None if failed else SIDE,
    }


def write_folder(folder: Path, output: Output, count: int = 10) -> Path:
    """Write one shard in one of img2dataset's layouts (its writer.py, version 1.47)."""
    folder.mkdir()
    rows = [sample(number) for number in range(count)]
    good = [row for row in rows if row["status"] == "success"]
    table = pa.Table.from_pylist(rows)
    if output == "parquet":
        images = [png(n, SIDE) if rows[n]["status"] == "success" else None for n in range(count)]
        table = table.append_column("png", pa.array(images, pa.binary()))
        table = table.append_column("txt", table["caption"])
    pq.write_table(table, folder / "00000.parquet", row_group_size=3)
    members = [
        (f"{row['key']}.{extension}", data)
        for row in good
        for extension, data in (
            ("json", json.dumps(row, indent=4).encode()),
            ("png", png(int(str(row["key"])), SIDE)),
            ("txt", str(row["caption"]).encode()),
        )
    ]
    if output == "webdataset":
        with tarfile.open(folder / "00000.tar", "w") as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    if output == "files":
        (folder / "00000").mkdir()
        for name, data in members:
            (folder / "00000" / name).write_bytes(data)
    (folder / "00000_stats.json").write_text("{}")
    return folder


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_row_of_a_folder_is_read_once(output: Output, tmp_path: Path) -> None:
    (entry,) = find_shards(str(write_folder(tmp_path / "in", output)))
    found = {item.key: item for item in read_shard(entry.name)}
    assert sorted(found) == [f"0000{n:05d}" for n in range(10)]
    for number in range(10):
        item = found[f"0000{number:05d}"]
        assert (item.url, item.caption) == (f"http://example.org/{number}.png", text_of(number))
        if number % 5 == 4:
            assert item.verdict == Dead("failed_to_download", "HTTP Error 404: Not Found")
        else:
            assert (item.image, item.verdict) == (png(number, SIDE), None)


def test_the_layouts_build_the_same_samples_without_a_fetch(tmp_path: Path) -> None:
    manifests = {}
    for output in ("webdataset", "parquet"):  # the layout `files` is read above, and built from in `make interop`
        folder = str(write_folder(tmp_path / f"in-{output}", output))  # type: ignore[arg-type]
        manifests[output] = run(tmp_path, output, from_img2dataset=(folder,))
    assert not list(verify(str(tmp_path / "parquet"), "deep"))
    tars = {tuple(entry.tar.sha256 for entry in manifest.shards) for manifest in manifests.values()}
    assert len(tars) == 1
    assert [manifest.samples for manifest in manifests.values()] == [8, 8]
    extract = next(row for row in manifests["parquet"].counts if (row.stage, row.unit) == ("extract", "record"))
    assert (extract.records_in, extract.kept, extract.dead) == (10, 8, {"failed_to_download": 2})


def test_a_shard_that_was_killed_gives_what_it_holds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", "webdataset")
    (folder / "00000.parquet").write_bytes(b"PAR1 and no footer")
    tar = folder / "00000.tar"
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    found = list(read_shard(str(folder / "00000")))
    good = [item for item in found if item.verdict is None]
    assert 0 < len(good) < 8
    assert all(item.image == png(int(item.key), SIDE) for item in good)
    assert [item.verdict.error for item in found if isinstance(item.verdict, Dead)][-1] == "damaged_shard"


def test_pairs_of_a_list_are_fetched_and_built(server: ImageServer, tmp_path: Path) -> None:
    rows = [{"u": f"{server.base}/{n}.png", "t": text_of(n)} for n in range(6)]
    rows += [{"u": f"{server.base}/nothing", "t": text_of(9)}, {"u": "", "t": "x"}, {"u": rows[0]["u"], "t": None}]
    rows.append(rows[1])
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "list.parquet")
    columns = PairListConfig(url_column="u", caption_column="t")
    changes = {"lists": (str(tmp_path / "list.parquet"),), "columns": columns, "fetch": server.fetch}
    manifest = run(tmp_path, "first", **changes)
    assert manifest.samples == 6
    extract = next(row for row in manifest.counts if (row.stage, row.unit) == ("extract", "record"))
    assert (extract.records_in, extract.rejected) == (10, {"no_caption": 1, "no_url": 1})
    select = next(row for row in manifest.counts if row.stage == "select")
    assert select.rejected == {"duplicate_pair": 1}
    again = run(tmp_path, "second", store=str(tmp_path / "first.store"), **changes)
    assert again.digest == manifest.digest
    assert set(server.asked.values()) == {1}


def samples_of(out: Path) -> list[dict[str, bytes]]:
    """Return field -> bytes of each sample, in the order of the tars."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                key, _, field = name.partition(".")
                member = tar.extractfile(name)
                assert member
                found.setdefault(key, {})[field] = member.read()
    return list(found.values())


def test_a_list_of_urls_alone_makes_samples_without_texts(server: ImageServer, tmp_path: Path) -> None:
    lines = [*(f"{server.base}/{n}.png" for n in range(4)), f"{server.base}/1.png", "", f"{server.base}/nothing"]
    (tmp_path / "urls.txt").write_text("\n".join(lines) + "\n")
    recipe = load_recipe("images")
    manifest = run(tmp_path, "out", recipe=recipe, lists=(str(tmp_path / "urls.txt"),), fetch=server.fetch)
    assert manifest.samples == 4
    record = next(row for row in manifest.counts if (row.stage, row.unit) == ("extract", "record"))
    assert (record.records_in, record.kept, record.rejected) == (7, 6, {"no_url": 1})
    samples = samples_of(tmp_path / "out")
    assert [set(sample) for sample in samples] == [{"png", "json"}] * 4
    assert {(body["caption"], body["text_source"]) for sample in samples for body in [json.loads(sample["json"])]} == {
        (None, "")
    }
    sidecar = pq.read_table(tmp_path / "out" / "00000.parquet")
    assert (set(sidecar["caption"].to_pylist()), set(sidecar["text_length"].to_pylist())) == ({None}, {0})
    assert not list(verify(str(tmp_path / "out"), "deep"))
    streamed = list(StreamingDataset(str(tmp_path / "out")))
    assert sorted(sample.image for sample in streamed) == sorted(sample["png"] for sample in samples)  # type: ignore[union-attr]
    assert {sample.text for sample in streamed} == {""}  # type: ignore[union-attr]


def test_a_recipe_that_needs_no_text_keeps_the_texts_that_there_are(server: ImageServer, tmp_path: Path) -> None:
    texts = [text_of(0), "", "<br/>"]
    rows = [{"url": f"{server.base}/{n}.png", "caption": text} for n, text in enumerate(texts)]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    values = {"lists": (str(tmp_path / "list.jsonl"),), "columns": PairListConfig(caption_column="caption")}
    manifest = run(tmp_path, "out", recipe=load_recipe("images"), fetch=server.fetch, **values)
    assert manifest.samples == 3
    assert sorted(sample.get("txt", b"") for sample in samples_of(tmp_path / "out")) == [b"", b"", text_of(0).encode()]


def provenance(out: Path) -> dict[str, str]:
    """Return name of each row -> message, for rows that have one."""
    rows = pq.read_table(out / "provenance" / "extract.parquet").to_pylist()
    return {row["record_id"]: row["message"] for row in rows if row["message"]}


def test_bad_rows_name_their_lines_and_captions_are_cleaned_once_and_counted(
    server: ImageServer, tmp_path: Path
) -> None:
    lines = [
        f"{server.base}/0.png,{text_of(0)}",
        f"{server.base}/1.png,a grey cat in the garden, asleep on the sofa",
        f'{server.base}/2.png,"a brown dog &amp;amp; a <b>cat</b>\x00, in the rain"',
        f'{server.base}/3.png,"{text_of(3)}',
        f"{server.base}/4.png,<br/>",
        f"{server.base}/5.png",
    ]
    (tmp_path / "list.csv").write_text("\n".join(["url,caption", *lines]) + "\n")
    columns = PairListConfig(caption_column="caption")
    manifest = run(tmp_path, "out", lists=(str(tmp_path / "list.csv"),), columns=columns, fetch=server.fetch)
    record, pair = (next(row for row in manifest.counts if row.unit == unit) for unit in ("record", "pair"))
    assert (record.records_in, record.kept) == (6, 2)
    assert record.rejected == {
        "too_many_cells": 1,
        "unbalanced_quote": 1,
        "caption_without_text": 1,
        "too_few_cells": 1,
    }
    assert pair.remarks == {"control_characters": 1, "html_entities": 1, "html_tags": 1}
    assert provenance(tmp_path / "out") == {"1": "line 3", "3": "line 5", "4": "line 6", "5": "line 7"}
    captions = pq.read_table(tmp_path / "out" / "00000.parquet")["caption"].to_pylist()
    assert set(captions) == {text_of(0), "a brown dog & a cat, in the rain"}


def test_the_text_beside_an_image_is_used_and_the_difference_is_counted_and_listed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", "files")
    (folder / "00000" / "000000002.txt").write_text("\ufeffa new text of the second old house", "utf-8")
    manifest = run(tmp_path, "out", from_img2dataset=(str(folder),))
    record = next(row for row in manifest.counts if row.unit == "record")
    assert (record.kept, record.remarks) == (8, {"caption_differs": 1})
    assert provenance(tmp_path / "out")["000000002"] == f"caption_differs: the Parquet has {text_of(2)!r}"
    captions = pq.read_table(tmp_path / "out" / "00000.parquet")["caption"].to_pylist()
    assert "a new text of the second old house" in captions
    assert text_of(2) not in captions


def test_rows_of_a_list_state_no_licence(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("url,caption\nhttp://example.org/1.png,a photo of the old house\n")
    columns, recipe = PairListConfig(caption_column="caption"), load_recipe("align", ('honour.licenses=["CC0-1.0"]',))
    manifest = run(tmp_path, "none", lists=(str(path),), columns=columns, recipe=recipe)
    record = next(row for row in manifest.counts if (row.stage, row.unit) == ("extract", "record"))
    assert record.rejected == {"license_unknown": 1}


def test_inputs_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("url,caption\n")
    for changes in (
        {"lists": (str(path),)},
        {"lists": (str(path),), "warcs": ("x.warc",), "columns": PairListConfig(caption_column="caption")},
        {"lists": (str(path),), "recipe": load_recipe("m3w"), "columns": PairListConfig(caption_column="caption")},
        {},
    ):
        with pytest.raises(ConfigError):
            run(tmp_path, "out", **changes)


def test_a_recipe_that_resizes_says_so_in_sidecar_and_json(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "in", "webdataset"))
    recipe = load_recipe("align", ("images.resize=64", "images.resize_mode=border", "images.quality=90"))
    manifest = run(tmp_path, "out", from_img2dataset=(folder,), recipe=recipe)
    assert manifest.samples == 8
    with tarfile.open(tmp_path / "out" / manifest.shards[0].tar.name) as tar:
        members = {name.partition(".")[2]: name for name in tar.getnames()[:3]}
        picture = tar.extractfile(members["jpg"])
        facts = tar.extractfile(members["json"])
        assert picture
        assert facts
        header, values = read_header(picture.read()), json.load(facts)
    assert (header.width, header.height) == (64, 64)
    assert (values["width"], values["original_width"]) == (64, SIDE)


def write_image_warc(path: Path) -> None:
    """Write a WARC of a page and the three images that it shows."""
    html = "".join(f'<p>text</p><img src="/{n}.png" alt="{text_of(n)}">' for n in range(3)).encode()
    answers = {"page": ("text/html", html)} | {f"{n}.png": ("image/png", png(n, SIDE)) for n in range(3)}
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=True)
        for name, (kind, body) in answers.items():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
            url = f"http://example.org/{name}"
            writer.exchange(url, b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None)


def test_a_warc_that_holds_its_images_builds_without_a_fetch(tmp_path: Path) -> None:
    write_image_warc(tmp_path / "all.warc.gz")
    (tmp_path / "warc.paths").write_text("all.warc.gz\n")
    manifest = run(tmp_path, "out", warcs=(str(tmp_path / "warc.paths"),))  # without a contact a fetch is refused
    assert manifest.samples == 3
    assert not list(verify(str(tmp_path / "out"), "deep"))


def test_columns_of_a_list_are_kept_and_judged(server: ImageServer, tmp_path: Path) -> None:
    rows = [{"u": f"{server.base}/{n}.png", "t": text_of(n), "similarity": n / 10, "tag": f"é{n}"} for n in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "list.parquet")
    columns = PairListConfig(url_column="u", caption_column="t", keep_columns=("similarity", "tag"))
    changes = {"lists": (str(tmp_path / "list.parquet"),), "columns": columns, "fetch": server.fetch}
    recipe = load_recipe("align", ['filters.columns.bounds=["similarity >= 0.3"]'])
    manifest = run(tmp_path, "out", recipe=recipe, **changes)
    assert manifest.samples == 3
    select = next(row for row in manifest.counts if row.stage == "select")
    assert select.rejected == {"column_similarity": 3}
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        bodies = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    assert {json.loads(body["columns"])["tag"] for body in bodies} == {"é3", "é4", "é5"}
    scores = [dict(row) for row in pq.read_table(tmp_path / "out" / "00000.parquet")["scores"].to_pylist()]
    assert {row["column_similarity"] for row in scores} == {0.3, 0.4, 0.5}


def test_columns_of_img2dataset_are_kept_and_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", "webdataset")
    kept = PairListConfig(keep_columns=("width",))
    assert run(tmp_path, "out", from_img2dataset=(str(folder),), columns=kept).samples
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        bodies = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    assert {json.loads(body["columns"])["width"] for body in bodies} == {str(SIDE)}
    with pytest.raises(InputError, match=r"no column 'punsafe'.*its columns are"):
        run(tmp_path, "other", from_img2dataset=(str(folder),), columns=PairListConfig(keep_columns=("punsafe",)))


def hash_of(number: int) -> str:
    return hashlib.md5(png(number, SIDE)).hexdigest()


def test_images_with_another_hash_are_rejected_and_of_two_rows_the_right_one_stays(
    server: ImageServer, tmp_path: Path
) -> None:
    hashes = [(0, hash_of(0)), (1, hash_of(2)), (2, hash_of(2).upper()), (2, hash_of(0)), (3, "x"), (4, None)]
    rows = [{"url": f"{server.base}/{n}.png", "caption": text_of(n), "md5": value} for n, value in hashes]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changes = {"lists": (str(tmp_path / "list.jsonl"),), "columns": PairListConfig(caption_column="caption")}
    recipe = load_recipe("images", ["images.verify_hash=md5"])
    manifest = run(tmp_path, "out", recipe=recipe, fetch=server.fetch, **changes)
    record, pair = (
        next(row for row in manifest.counts if (row.stage, row.unit) == found)
        for found in (("extract", "record"), ("shards", "pair"))
    )
    assert record.rejected == {"bad_hash": 1, "no_hash": 1}
    assert pair.rejected == {"hash_mismatch": 2}
    assert {sample["png"] for sample in samples_of(tmp_path / "out")} == {png(0, SIDE), png(2, SIDE)}
    asked = dict(server.asked)
    plain = load_recipe("images", ["images.verify_hash=md5", "images.resize=64"])
    again = run(tmp_path, "again", recipe=plain, store=str(tmp_path / "out.store"), fetch=server.fetch, **changes)
    assert (again.samples, dict(server.asked)) == (2, asked)


FACES = [[[0.25, 0.25, 0.5, 0.5], [0.7, 0.7, 1.01, 1.0]], [], None, [[0.5, 0.5, 0.4, 0.9]], [[10, 10, 90, 90]], "x"]


def test_faces_of_a_column_are_blurred_and_a_row_without_sound_boxes_is_rejected(
    server: ImageServer, tmp_path: Path
) -> None:
    rows = [{"url": f"{server.base}/{n}.png", "face_bboxes": boxes} for n, boxes in enumerate(FACES)]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    recipe = load_recipe("images", ["images.face_boxes=face_bboxes"])
    manifest = run(tmp_path, "out", recipe=recipe, lists=(str(tmp_path / "list.json"),), fetch=server.fetch)
    record = next(row for row in manifest.counts if (row.stage, row.unit) == ("extract", "record"))
    assert record.rejected == {"no_face_boxes": 1, "bad_face_boxes": 3}
    found = {body["blurred_faces"]: sample for sample in samples_of(tmp_path / "out")
             for body in [json.loads(sample["json"])]}  # fmt: skip
    assert sorted(found) == [0, 2]
    assert found[0]["png"] == png(1, SIDE)
    changed = (decode_rgb(found[2]["png"]) != decode_rgb(png(0, SIDE))).any(axis=2)
    assert changed[SIDE // 4 : SIDE // 2, SIDE // 4 : SIDE // 2].mean() > 0.9
    assert changed[-SIDE // 4 :, -SIDE // 4 :].mean() > 0.9
    assert not changed[: SIDE // 8].any()
    assert set(server.asked) == {"/0.png", "/1.png"}
    assert not list(verify(str(tmp_path / "out"), "deep"))


def test_hashes_and_boxes_are_refused_for_pages_and_with_a_list_that_lacks_them(tmp_path: Path) -> None:
    recipe = load_recipe("images", ["images.verify_hash=md5"])
    with pytest.raises(ConfigError, match=r"pages have no columns"):
        run(tmp_path, "out", recipe=recipe, warcs=("x.warc",))
    (tmp_path / "urls.txt").write_text("http://a/\n")
    with pytest.raises(ConfigError, match=r"a text list has only URLs.*md5"):
        run(tmp_path, "out", recipe=recipe, lists=(str(tmp_path / "urls.txt"),))
    (tmp_path / "list.csv").write_text("url,sha256\nhttp://a/,b\n")
    with pytest.raises(InputError, match=r"no column 'md5'"):
        run(tmp_path, "out", recipe=recipe, lists=(str(tmp_path / "list.csv"),))


def test_a_bound_on_a_column_that_is_not_kept_is_refused_before_any_work(tmp_path: Path) -> None:
    recipe = load_recipe("align", ['filters.columns.bounds=["similarity >= 0.3"]'])
    (tmp_path / "list.csv").write_text("url,caption,similarity\nhttp://a/1.png,a cat,1\n")
    columns = PairListConfig(caption_column="caption")
    with pytest.raises(ConfigError, match=r"similarity, which is not kept.*--keep-columns similarity"):
        run(tmp_path, "out", recipe=recipe, lists=(str(tmp_path / "list.csv"),), columns=columns)
