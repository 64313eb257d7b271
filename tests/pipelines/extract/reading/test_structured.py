"""JSON-LD: the main text and images of a page drawn by script; invalid JSON is ignored."""

import json

from corpusloom.pipelines.extract.reading.structured import image_urls, main_text, nodes

PRODUCT = json.dumps({"@graph": [{"@type": "Product", "description": "A kite.", "image": ["a.jpg", {"url": "b.jpg"}]}]})
ARTICLE = json.dumps(
    {"@type": "Article", "articleBody": "One.\n\nTwo <b>bold</b>.", "description": "Short", "image": "c.jpg"}
)


def test_the_article_body_comes_before_descriptions() -> None:
    assert main_text([PRODUCT, ARTICLE]) == ["One.", "Two bold ."]
    assert main_text([PRODUCT]) == ["A kite."]


def test_images_of_all_entities_are_read() -> None:
    assert image_urls([PRODUCT, ARTICLE]) == ["a.jpg", "b.jpg", "c.jpg"]


def test_damaged_and_deep_json_is_nothing() -> None:
    assert list(nodes(["{", "[" * 200_000, "", '"text"'])) == []


def test_nodes_are_capped() -> None:
    assert len(list(nodes([json.dumps([{}] * 9000)]))) < 9000
