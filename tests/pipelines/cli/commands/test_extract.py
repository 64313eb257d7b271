"""`loom extract` prints pages of HTML files and WARCs in input order, judged by a recipe or not."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.small_web import SmallWeb
from tests.pipelines.store.warc import test_arc, warc_files

SENTENCE = "The lighthouse keeper wrote down the weather of each day in a book that is kept in the museum. "
PAGE = f"<html><head><title>Log</title></head><body><h1>Log</h1><p>{SENTENCE}</p></body></html>"


@pytest.fixture
def page(tmp_path: Path) -> str:
    (tmp_path / "page.html").write_text(PAGE)
    return str(tmp_path / "page.html")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict[str, object]]:
    """Run the command in this process and return its lines as JSON."""
    assert main.run(["extract", "--workers", "0", *argv]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_page_that_the_recipe_rejects_is_left_out(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["extract", "--workers", "0", page]) == 0
    ended = capsys.readouterr()
    assert ended.out == ""
    assert ended.err == "no page to show, 1 read (--no-filters prints them all)\n"
    (found,) = printed(capsys, page, "--no-filters")
    assert SENTENCE.strip() in json.dumps(found)


def test_people_see_rejected_pages_as_well(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["extract", "--workers", "0", page, "--format", "md"]) == 0
    assert "# Log" in capsys.readouterr().out
    assert main.run(["extract", "--workers", "0", page, "--format", "html"]) == 0
    assert "<h1>" in capsys.readouterr().out


def test_pages_of_a_warc_come_in_its_order_up_to_the_limit(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    warc = str(next((web.folder / "crawl").glob("*.warc.gz")))
    every = [row["url"] for row in printed(capsys, warc, "--no-filters")]
    assert len(every) > 2
    assert [row["url"] for row in printed(capsys, warc, "--no-filters", "--limit", "2")] == every[:2]
    assert [row["url"] for row in printed(capsys, warc, "--no-filters", "--url", str(every[1]))] == [every[1]]
    assert main.run(["extract", "--workers", "0", warc, "--url", "http://nobody.example/"]) == 0
    assert "no page to show, 0 read (is it in these files?)" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--limit", "0"], ["--workers", "-1"], []])
def test_wrong_numbers_and_missing_files_are_refused(flags: list[str], page: str) -> None:
    with pytest.raises(ConfigError):
        main.run(["extract", *([page] if flags else []), *flags])


@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz", "x.data"])
def test_pages_of_an_arc_are_printed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE.encode()
    test_arc.write(tmp_path / name, test_arc.record("http://a.example/1", block))
    assert [row["url"] for row in printed(capsys, str(tmp_path / name), "--no-filters")] == ["http://a.example/1"]


@pytest.mark.parametrize(
    ("kind", "block", "message"),
    [
        ("request", b"GET / HTTP/1.1\r\n\r\n", "holds no response, only records such as requests"),
        ("conversion", b"words", "is a WET file"),
    ],
)
@pytest.mark.parametrize("name", ["x.warc", "x.wet"])
def test_a_file_without_pages_says_why(kind: str, block: bytes, message: str, name: str, tmp_path: Path) -> None:
    path = warc_files.write_records(tmp_path / name, (kind, {"WARC-Target-URI": "http://a.example/"}, block))
    with pytest.raises(InputError, match=message):
        main.run(["extract", "--workers", "0", path])
