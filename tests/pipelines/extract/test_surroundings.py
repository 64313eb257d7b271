"""The text around an image: the nearest before and after it, in the smallest element that has one."""

import pytest

from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.pipelines.extract.surroundings import MAX_CHARACTERS
from corpusloom.schemas.verdicts import Rejected

WALKS = ("fast", "reference")
LONG = " ".join(f"word{number:03d}" for number in range(100))


def around(body: str, walk: str = "fast") -> dict[str, str]:
    """Return file name -> surrounding text of the images of a page."""
    page = extract_images(
        f"<html><body>{body}</body></html>".encode(),
        "http://a.example/",
        config=ExtractConfig(surroundings=True, walk=walk),
    )
    assert isinstance(page, PageImages)
    return {url.rpartition("/")[2]: text for url, text in page.surroundings.items()}


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>Far away text.</p><p>The text before.</p><img src=a><p>The text after.</p><p>Far away again.</p>",
         {"a": "The text before. The text after."}),
        ("<article><p>The first text.</p><figure><img src=a><figcaption>A caption of it.</figcaption></figure>"
         "<p>The second text.</p></article>", {"a": "The first text. The second text."}),
        ("<div><div><img src=a><p>Of the first card.</p></div><div><img src=b><p>Of the second card.</p></div></div>",
         {"a": "Of the first card.", "b": "Of the second card."}),
        ("<p>Before the link</p><img src=a><p><a href=x>Read all about it here</a></p><p>short</p>"
         "<pre>code and code</pre><p>After the code</p>", {"a": "Before the link After the code"}),
        ("<nav><p>Menu of the site</p><img src=a></nav><p>A text of the page.</p>", {}),
        ("<nav><p>Menu of the site</p></nav><img src=a><p>A text of the page.</p>"
         "<footer><p>The footer here</p></footer>",
         {"a": "A text of the page."}),
        ("<h2>A heading of it</h2><img src=a><img src=b>", {"a": "A heading of it", "b": "A heading of it"}),
        ("<table><tr><td><img src=a></td><td>The cell beside.</td></tr><tr><td><img src=b></td><td>Another cell.</td>"
         "</tr></table>", {"a": "The cell beside.", "b": "Another cell."}),
        ("<img src=a alt='x'>", {}),
    ],
)  # fmt: skip
def test_the_nearest_texts_of_the_smallest_element_are_taken(walk: str, body: str, expected: dict[str, str]) -> None:
    assert around(body, walk) == expected


def test_long_texts_are_cut_between_words_near_the_image() -> None:
    text = around(f"<p>{LONG}</p><img src=a><p>{LONG}</p>")["a"]
    before, after = text.split("word099 ")
    words = LONG.split()
    count = MAX_CHARACTERS // len("word000 ")
    assert before.split() == words[-count:-1]
    assert after.split() == words[:count]


def test_a_text_without_blanks_is_cut_at_its_length() -> None:
    text = around(f"<p>{'字' * 999}</p><img src=a>")["a"]
    assert text == "字" * MAX_CHARACTERS


def test_surroundings_are_found_only_if_asked_for() -> None:
    page = extract_images(b"<p>The text before.</p><img src=http://a.example/a>", "http://a.example/")
    assert not isinstance(page, Rejected)
    assert page.surroundings == {}  # type: ignore[union-attr]
