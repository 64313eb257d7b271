"""Licences that pages state, as SPDX names."""

import json

import pytest

from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.licenses import (
    of_headers,
    of_json_ld,
    of_metas,
    of_page,
    spdx_of,
    spdx_of_text,
)
from corpusloom.pipelines.extract.reading.types import Extracted

BY, ZERO = "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/publicdomain/zero/1.0/"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by-nc-nd/3.0/de/deed.en", "CC-BY-NC-ND-3.0"),
        ("//creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0", "CC-PDM-1.0"),
        ("https://creativecommons.org/about", None),
        ("https://www.apache.org/licenses/LICENSE-2.0.html", "Apache-2.0"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("https://opensource.org/license/mit", "MIT"),
        ("https://example.org/license", None),
        ("x" * 500 + BY, None),
    ],
)
def test_each_address_of_a_licence_has_its_spdx_name(url: str, name: str | None) -> None:
    assert spdx_of(url) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC BY-NC 3.0 Unported", "CC-BY-NC-3.0"),
        ("CC0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        (f" {BY} ", "CC-BY-4.0"),
        ("mit", "MIT"),
        ("CC BY 4.0, but for the images", None),
        ("All rights reserved", None),
        ("", None),
    ],
)
def test_a_licence_name_counts_only_as_the_whole_text(text: str, name: str | None) -> None:
    assert spdx_of_text(text) == name


def test_the_marked_link_decides_and_disagreement_is_no_licence() -> None:
    assert of_page([(ZERO, False), (BY, True)], {}, []) == "CC-BY-4.0"
    assert of_page([(BY, False), (BY, False)], {}, []) == "CC-BY-4.0"
    assert of_page([(BY, False), (ZERO, False)], {}, []) is None
    assert of_page([], {}, []) is None


def test_meta_elements_stand_before_json_ld_and_unmarked_links_come_last() -> None:
    metas, json_ld = {"dc.rights": "CC BY-SA 4.0"}, [json.dumps({"license": ZERO})]
    assert of_page([(BY, True)], metas, json_ld) == "CC-BY-4.0"
    assert of_page([(BY, False)], metas, json_ld) == "CC-BY-SA-4.0"
    assert of_page([(BY, False)], {}, json_ld) == "CC0-1.0"


def test_the_most_exact_meta_element_decides() -> None:
    assert of_metas({"rights": "CC0", "dcterms.license": BY}) == "CC-BY-4.0"
    assert of_metas({"dcterms.license": "ours", "rights": "CC0"}) == "CC0-1.0"
    assert of_metas({"copyright": "2020"}) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([{"@type": "Article", "license": BY}], "CC-BY-4.0"),
        ([{"license": {"@type": "CreativeWork", "url": BY}}], "CC-BY-4.0"),
        ([{"license": {"@id": BY}}], "CC-BY-4.0"),
        ([{"license": [BY, BY]}], "CC-BY-4.0"),
        ([{"@graph": [{"license": BY}]}], "CC-BY-4.0"),
        ([{"license": BY}, {"image": {"license": ZERO}}], None),
        ([{"license": 4}], None),
        ([{"license": [[BY]]}], None),
        ([], None),
    ],
)
def test_the_licence_of_json_ld_is_read(values: list[object], name: str | None) -> None:
    assert of_json_ld([json.dumps(value) for value in values]) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f'<{BY}>; rel="license"', "CC-BY-4.0"),
        (f'<https://a.example/>; rel="canonical", <{BY}>; rel=license', "CC-BY-4.0"),
        (f'<{BY}>; type="text/html"; rel="license noopener"', "CC-BY-4.0"),
        (f'<{BY}>; rel="help"', None),
        (f'<{BY}>; title="rel=license"', None),
        ("<" * 10_000, None),
    ],
)
def test_the_licence_of_a_link_header_is_read(header: str, name: str | None) -> None:
    assert of_headers([("Content-Type", "text/html"), ("link", header)]) == name


@pytest.mark.parametrize(
    "head",
    [
        f'<link rel="license" href="{BY}">',
        '<meta name="DCTERMS.license" content="CC BY 4.0">',
        f'<script type="application/ld+json">{{"license": "{BY}"}}</script>',
    ],
)
def test_a_page_and_its_images_state_the_same_licence(head: str) -> None:
    html = (
        f"<head>{head}</head><body><p>A text of some words, long enough to be content.<img src='/a.jpg' alt='b'></body>"
    )
    page, images = extract(html.encode(), "http://a.example/"), extract_images(html.encode(), "http://a.example/")
    assert isinstance(page, Extracted)
    assert isinstance(images, PageImages)
    assert (page.license, images.license) == ("CC-BY-4.0", "CC-BY-4.0")
