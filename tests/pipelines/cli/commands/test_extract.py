"""`loom extract` prints pages of HTML files and WARCs in input order, judged by a recipe or not."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.small_web import SmallWeb

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
