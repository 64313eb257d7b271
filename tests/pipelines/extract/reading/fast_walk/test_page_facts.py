"""The fast walk reads the facts of a page."""

from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from tests.pipelines.extract.reading import walk_cases


def test_the_facts_of_a_page_are_read() -> None:
    walk_cases.check_facts(fast_walk)


def test_facts_of_the_page_are_read_inside_a_footer() -> None:
    html = (
        "<footer><a rel=license href=https://creativecommons.org/licenses/by/4.0/>CC</a>"
        "<script type=application/ld+json>{}</script></footer>"
    )
    page = walk_cases.walked(fast_walk, html)
    assert page.licenses == [("https://creativecommons.org/licenses/by/4.0/", True)]
    assert page.json_ld == ["{}"]
