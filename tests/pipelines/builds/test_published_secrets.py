"""A dataset of pages and images whose URLs have passwords and signatures: none of them is in its files or messages."""

import contextlib
import gzip
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import identity
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.urls.redaction import redacted
from tests.pipelines.store.store_maker import DATE, png

SECRET = "s3cr3t"
PAGE = f"http://me:{SECRET}@site.example/page?id=1&access_token={SECRET}"
KEPT = f"http://cdn.example/a.png?w=9&X-Amz-Signature={SECRET}"
LOST = f"http://u:{SECRET}@127.0.0.1/b.png?sig={SECRET}&w=9"
RECIPE = """
name = "all"
format = 2
kind = "interleaved"
description = "every page"
[images]
min_per_page = 0
"""


def write_warc(path: Path) -> None:
    """Write a page with two images, one of them in the WARC, and a page of an unknown coding."""
    html = f"<p>{'A boat lay at the quay. ' * 9}</p><img src='{KEPT}'><img src='{LOST}'>".encode()
    answers = [
        (PAGE, "text/html", "", html),
        (PAGE.replace("page", "coded"), "text/html", "Content-Encoding: compress\r\n", b"\x1f\x9d\x90"),
        (KEPT, "image/png", "", png(1, 200)),
    ]
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=True)
        for url, kind, extra, body in answers:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{extra}\r\n".encode()
            writer.exchange(url, b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None)


def texts_of(folder: Path) -> dict[str, str]:
    """Return path -> text of each file below a folder: the rows of tables, the members of tars."""
    found: dict[str, str] = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            found[path.relative_to(folder).as_posix()] = str(pq.read_table(path).to_pylist())
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found[path.relative_to(folder).as_posix()] = str(
                    [(item.name, tar.extractfile(item).read()) for item in tar]
                )  # type: ignore[union-attr]
        else:
            data = path.read_bytes()
            found[path.relative_to(folder).as_posix()] = (
                gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            ).decode("latin-1")
    return found


def test_no_secret_is_in_a_dataset_its_logs_and_its_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_warc(tmp_path / "x.warc.gz")
    (tmp_path / "all.toml").write_text(RECIPE)
    config = BuildConfig(
        recipe=load_recipe(str(tmp_path / "all.toml")),
        out=str(tmp_path / "out"),
        work=str(tmp_path / "work"),
        store=str(tmp_path / "store"),
        warcs=(str(tmp_path / "x.warc.gz"),),
        fetch=FetchConfig(contact="t@example.org"),
        workers=0,
    )
    manifest = build.build(config, Reporter()).manifest
    assert manifest
    assert manifest.samples == 1
    texts = texts_of(tmp_path / "out")
    assert "X-Amz-Signature=..." in texts["00000.tar"]
    assert "127.0.0.1/b.png?sig=...&w=9" in texts["ledger/images.parquet"]
    assert "site.example/coded?id=1&access_token=..." in texts["ledger/extract.parquet"]
    assert {name for name, text in texts.items() if SECRET in text} == set()
    for name in (KEPT, redacted(KEPT), PAGE):
        assert why(config.out, name)
    with contextlib.suppress(LoomError):
        build.build(config, Reporter(json=True))
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err


@pytest.mark.parametrize("url", [KEPT, redacted(KEPT)])
def test_a_take_down_may_name_a_url_as_it_was_fetched_or_as_it_is_shown(url: str) -> None:
    stones = Tombstones(keys=frozenset({identity.image_key(url), identity.image_key(redacted(url))}))
    assert stones.has_image(KEPT)
    assert stones.has_image(redacted(KEPT))
