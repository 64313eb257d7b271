"""Tasks on one page return the results of the extractors, and workers need no Beam."""

import pickle
import subprocess
import sys

import pytest

from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.page_task import HtmlPage, extract_page, extract_page_images, html_bytes
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
from corpusloom.schemas.verdicts import Rejected

HTML = "<p>Zwölf Drachen über dem Strand.<img src=a.jpg alt='A kite'><div class=advert><p>Buy a kite.</div>"
PAGE = HtmlPage(HTML.encode("latin-1"), "http://a.example/b/", "text/html; charset=iso-8859-1")


def test_the_task_extracts_with_url_content_type_and_config() -> None:
    found = extract_page(PAGE)
    assert found == extract(PAGE.html, PAGE.url, content_type=PAGE.content_type)
    assert isinstance(found, Extracted)
    assert (found.charset, found.blocks[0].text) == ("cp1252", "Zwölf Drachen über dem Strand.")
    all_visible = extract_page(PAGE, config=ExtractConfig(main_content=False))
    assert isinstance(all_visible, Extracted)
    assert len(all_visible.blocks) > len(found.blocks)


def test_the_task_of_images_reads_them_with_their_texts() -> None:
    found = extract_page_images(PAGE)
    assert isinstance(found, PageImages)
    assert found == extract_images(PAGE.html, PAGE.url, content_type=PAGE.content_type)
    assert [(image.url, image.alt_text) for image in found.images] == [("http://a.example/b/a.jpg", "A kite")]


@pytest.mark.parametrize("task", [extract_page, extract_page_images])
def test_bytes_that_hold_no_page_are_rejected(task: object) -> None:
    assert callable(task)
    assert task(HtmlPage(b" ", "http://a.example/")) == Rejected("empty_page")
    assert pickle.loads(pickle.dumps(task)) is task


def test_a_page_costs_the_bytes_of_its_body() -> None:
    assert html_bytes(HtmlPage(b"12345", "http://a.example/")) == 5


def test_a_worker_imports_no_beam() -> None:
    program = "import sys, corpusloom.pipelines.extract.page_task; print('apache_beam' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
