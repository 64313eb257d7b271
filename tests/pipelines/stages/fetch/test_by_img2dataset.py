"""img2dataset as fetcher: the URLs handed over and the outcomes returned.

A stand-in for the program writes its layout here; `make interop` runs the program itself.
"""

import stat
import sys
from pathlib import Path

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.stages.fetch import by_img2dataset
from corpusloom.pipelines.stages.fetch.by_img2dataset import arguments, check_url, fetch_by_img2dataset
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError, LoomError, ShortageError
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.store_maker import png

STAND_IN = """#!{python}
import io, json, os, sys, tarfile
import pyarrow as pa, pyarrow.parquet as pq
options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
assert options["disable_all_reencoding"] == "True" and "http_proxy" not in os.environ
rows = pq.read_table(options["url_list"]).to_pylist()
if any("crash" in row["url"] for row in rows):
    sys.exit("cannot go on")
os.makedirs(options["output_folder"])
made = []
with tarfile.open(options["output_folder"] + "/00000.tar", "w") as tar:
    for number, row in enumerate(rows):
        key = f"00000{{number:04d}}"
        if "lost" in row["url"]:
            continue
        why = "HTTP Error 404" if "gone" in row["url"] else None
        why = "<urlopen error [Errno 24] Too many open files>" if "many" in row["url"] else why
        why = "Use of image disallowed by X-Robots-Tag directive" if "noai" in row["url"] else why
        made.append({{"url": row["url"], "key": key, "status": "failed_to_download" if why else "success",
                      "error_message": why}})
        for extension, data in () if why else (("jpg", open("{image}", "rb").read()),):
            info = tarfile.TarInfo(f"{{key}}.{{extension}}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
pq.write_table(pa.Table.from_pylist(made), options["output_folder"] + "/00000.parquet")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "image").write_bytes(png(1))
    path = tmp_path / "img2dataset"
    path.write_text(STAND_IN.format(python=sys.executable, image=tmp_path / "image"))
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(by_img2dataset, "find_program", lambda: str(path))
    monkeypatch.setenv("http_proxy", "http://proxy.example:1")
    return path


def test_each_url_ends_once(program: Path, tmp_path: Path) -> None:
    names = ("a", "gone", "noai", "lost")
    urls = [*(f"http://example.org/{name}" for name in names), "file:///etc/passwd", "http://127.0.0.1/x"]
    found: list[tuple[str, ImageOutcome]] = []
    fetch_by_img2dataset(urls, FetchConfig(), str(tmp_path / "work"), lambda *pair: found.append(pair))
    assert sorted(url for url, _ in found) == sorted(urls)
    outcomes = {url.rsplit("/", 1)[-1]: outcome for url, outcome in found}
    first = outcomes.pop("a")
    assert isinstance(first, FetchedImage)
    assert first.body == png(1)
    assert outcomes == {
        "gone": Dead("failed_to_download", "HTTP Error 404"),
        "noai": Rejected("opt_out_x_robots_tag"),
        "lost": Dead("not_fetched"),
        "passwd": Rejected("scheme_not_allowed"),
        "x": Rejected("address_not_public"),
    }


def test_a_program_without_descriptors_is_no_fault_of_the_urls(program: Path, tmp_path: Path) -> None:
    urls, found = ["http://example.org/gone", "http://example.org/many"], []
    with pytest.raises(ShortageError, match="img2dataset: Too many open files"):
        fetch_by_img2dataset(urls, FetchConfig(), str(tmp_path / "work"), lambda url, _: found.append(url))
    assert found == urls[:1]


def test_a_program_that_fails_is_named_with_its_last_words(program: Path, tmp_path: Path) -> None:
    with pytest.raises(LoomError, match="cannot go on"):
        fetch_by_img2dataset(["http://example.org/crash"], FetchConfig(), str(tmp_path / "work"), lambda *_: None)


def test_nothing_to_hand_over_starts_nothing(program: Path, tmp_path: Path) -> None:
    program.unlink()
    fetch_by_img2dataset(["gopher://x"], FetchConfig(), str(tmp_path / "work"), lambda *_: None)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/a.jpg", None),
        ("http://127.0.0.1:9/a.jpg", None),
        ("http://127.0.0.1:8/a.jpg", "port_not_allowed"),
        ("http://[::ffff:10.0.0.1]/", "address_not_public"),
        ("http://169.254.169.254/", "address_not_public"),
        ("ftp://example.org/", "scheme_not_allowed"),
        ("http://example.org:22/", "port_not_allowed"),
    ],
)
def test_urls_are_checked_before_they_are_handed_over(url: str, reason: str | None) -> None:
    verdict = check_url(url, AddressPolicy(("127.0.0.0/8:9",)))
    assert (verdict.reason if verdict else None) == reason


def test_the_program_reads_our_list_and_writes_images_as_they_were_fetched() -> None:
    words = arguments("list", "folder", FetchConfig(connections=7, retries=3, header_timeout=9.5, honour=()))
    assert set(words) >= {
        "--url_list=list",
        "--input_format=parquet",
        "--url_col=url",
        "--output_folder=folder",
        "--output_format=webdataset",
        "--disable_all_reencoding=True",
        "--extract_exif=False",
        "--thread_count=7",
        "--retries=3",
        "--timeout=9",
        "--disallowed_header_directives=[]",
        "--enable_wandb=False",
    }


def test_signals_that_are_not_honoured_are_not_passed_on() -> None:
    words = arguments("list", "folder", FetchConfig(honour=("noai",)))
    assert '--disallowed_header_directives=["noai"]' in words


def test_without_the_program_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConfigError, match="pip install img2dataset"):
        by_img2dataset.find_program()
