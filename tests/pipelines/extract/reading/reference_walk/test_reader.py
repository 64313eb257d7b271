"""The reader's recursion: depth, lines of menus, and nodes without text."""

import pytest

from corpusloom.pipelines.extract.reading.reference_walk.walk import reference_walk
from tests.pipelines.extract.reading import walk_cases


def test_below_the_depth_cap_the_text_alone_counts() -> None:
    html = "<body>" + "<div>" * 8 + "deep <p>text</p><script>no text</script><!-- nor this -->"
    runs = walk_cases.walked(reference_walk, html, max_depth=6).runs
    assert [(run.kind, run.text) for run in runs] == [("other", "deep text")]


def test_comments_and_processing_instructions_are_no_text() -> None:
    assert walk_cases.shown(reference_walk, "a<!-- b --><?php c ?>d") == [("other", "ad")]


@pytest.mark.parametrize("tag", ["nav", "footer"])
def test_a_menu_is_one_run_with_one_line_per_entry(tag: str) -> None:
    html = f"<{tag}><ul><li><a href=x>Home</a></li><li>About <b>us</b></li></ul><img src=i.jpg></{tag}><p>text</p>"
    runs = walk_cases.walked(reference_walk, html).runs
    assert [(run.kind, run.text, run.link_chars) for run in runs] == [
        ("other", "Home\nAbout us", 4),
        ("paragraph", "text", 0),
    ]
