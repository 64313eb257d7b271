"""The three renderings of `loom extract`."""

import json

from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.extract.render import parallel_lists, to_html, to_jsonl, to_markdown
from corpusloom.schemas.records import Block, ImageRef
from corpusloom.schemas.verdicts import Dead, Rejected

URL = "https://a.example/x--y"
IMAGE = ImageRef(url="https://a.example/i.jpg", alt_text='An "alt" ]', caption="A <caption>")
PAGE = Extracted(
    title="T & U",
    blocks=(
        Block(kind="heading", text="Head", level=2),
        Block(kind="paragraph", text="One <b> & two"),
        Block(kind="image", image=IMAGE),
        Block(kind="table", text="a\tb\nc|d"),
        Block(kind="code", text="x = 1"),
        Block(kind="quote", text="q1\nq2"),
    ),
    dropped=((Block(kind="list", text="- Home"), "navigation"),),
)


def test_parallel_lists_join_neighbouring_texts() -> None:
    texts, images = parallel_lists(PAGE.blocks)
    assert texts == ["Head\n\nOne <b> & two", None, "a\tb\nc|d\n\nx = 1\n\nq1\nq2"]
    assert images == [None, IMAGE, None]


def test_jsonl_is_one_line_a_page_whatever_its_verdict() -> None:
    line = json.loads(to_jsonl(PAGE, URL, "en"))
    assert (line["url"], line["language"], line["outcome"], line["reason"]) == (URL, "en", "kept", None)
    assert line["images"] == [None, "https://a.example/i.jpg", None]
    assert line["image_info"][1]["caption"] == "A <caption>"
    assert json.loads(to_jsonl(Rejected("not_html"), URL))["reason"] == "not_html"
    assert json.loads(to_jsonl(Dead("worker_died"), URL))["outcome"] == "dead"
    assert "\n" not in to_jsonl(PAGE, URL)


def test_markdown_shows_kept_and_dropped_blocks() -> None:
    page = to_markdown(PAGE, URL, "en")
    assert "## Head" in page
    assert '![An "alt" \\]](<https://a.example/i.jpg>)\n\n*A <caption>*' in page
    assert "| a | b |\n| --- | --- |\n| c\\|d |  |" in page
    assert "> q1\n> q2" in page
    assert "> **navigation**\n> - Home" in page
    assert to_markdown(Rejected("frameset"), URL).endswith("rejected · frameset -->\n")


def test_html_escapes_everything_of_the_page() -> None:
    page = to_html(PAGE, "https://a.example/<script>", "en")
    assert "One &lt;b&gt; &amp; two" in page
    assert "<script" not in page
    assert 'alt="An &quot;alt&quot; ]"' in page
    assert '<span class="reason">navigation</span>' in page
    assert "dead · MemoryError" in to_html(Dead("MemoryError"), URL)
