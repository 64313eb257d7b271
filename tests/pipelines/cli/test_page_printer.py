"""`loom extract` prints a page with the verdict of a recipe, or leaves it out of JSON lines."""

import json

import pytest

from corpusloom.pipelines.cli.page_printer import PagePrinter, drop_boilerplate, judge
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas.records import Block, ImageRef
from corpusloom.schemas.verdicts import Rejected

URL = "https://a.example/x"
SENTENCE = "The lighthouse keeper wrote down the weather of each day in a book that is kept in the museum. "
SHORT = Extracted(title=None, blocks=(Block(kind="paragraph", text=SENTENCE),), canonical_link="https://b.example/")


def response(url: str, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> HtmlResponse:
    return HtmlResponse(
        url=url, record_id="", offset=0, fetched_at="", status=200, headers=headers, content_type=None, body=body
    )


RESPONSE = response(URL)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def test_without_a_recipe_every_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    printer = PagePrinter("jsonl", None)
    assert printer.print(SHORT, RESPONSE)
    line = printed(capsys)
    assert (line["url"], line["outcome"], line["language"]) == (URL, "kept", "en")
    assert printer.print(Rejected("not_html"), RESPONSE)
    line = printed(capsys)
    assert (line["outcome"], line["reason"], line["language"]) == ("rejected", "not_html", None)


def test_json_lines_hold_the_kept_pages_and_markdown_all(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = load_recipe("m3w")
    for page in (SHORT, Rejected("not_html")):
        assert not PagePrinter("jsonl", recipe).print(page, RESPONSE)
        assert capsys.readouterr().out == ""
        assert PagePrinter("md", recipe).print(page, RESPONSE)
        assert "rejected" in capsys.readouterr().out


def test_a_page_from_a_file_is_shown_under_its_canonical_link(capsys: pytest.CaptureFixture[str]) -> None:
    PagePrinter("jsonl", None).print(SHORT, response("file:///tmp/x.html"))
    assert printed(capsys)["url"] == "https://b.example/"


def test_the_recipes_rules_judge_a_page() -> None:
    recipe = load_recipe("m3w")
    image = Block(kind="image", image=ImageRef(url="https://a.example/i.jpg"))
    assert judge(SHORT, RESPONSE, recipe)[1] is not None
    texts = tuple(Block(kind="paragraph", text=f"On day {n} {SENTENCE.lower()}") for n in range(12))
    refused = judge(Extracted(title=None, blocks=(image, *texts)), RESPONSE, load_recipe("m3w"))[1]
    assert refused != judge(SHORT, RESPONSE, recipe)[1]


def test_blocks_that_a_recipe_drops_are_listed_as_dropped() -> None:
    cookies = Block(kind="paragraph", text="This site uses cookies. Accept all cookies?")
    page = Extracted(title=None, blocks=(Block(kind="paragraph", text=SENTENCE), cookies))
    left = drop_boilerplate(page, load_recipe("obelics"))
    assert len(left.blocks) + len(left.dropped) == 2
    assert {block for block, _ in left.dropped} | set(left.blocks) == set(page.blocks)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b'<meta name="robots" content="noai">', (), "opt_out_noai"),
        (b"", (("X-Robots-Tag", "noai"),), "opt_out_noai"),
        (b"", (("tdm-reservation", "1"),), "opt_out_tdm_reservation"),
    ],
)
def test_an_opted_out_page_is_rejected_as_by_a_build(
    body: bytes, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    assert judge(SHORT, response(URL, body, headers), load_recipe("m3w"))[1] == reason


def test_images_that_are_opted_out_are_listed_as_dropped() -> None:
    image = Block(kind="image", image=ImageRef(url="https://a.example/i.jpg"))
    page = Extracted(title=None, blocks=(image, *SHORT.blocks))
    left, _ = judge(page, response(URL, headers=(("X-Robots-Tag", "noimageai"),)), load_recipe("m3w"))
    assert (left.blocks, left.dropped) == (SHORT.blocks, ((image, "opt_out"),))
