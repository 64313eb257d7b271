"""Caps on hostile sources: bytes, tags and attributes that are cut, and content that is not a page."""

import pytest

from corpusloom.pipelines.extract.reading.source import looks_like_html, prepare
from corpusloom.pipelines.extract.reading.types import ExtractConfig


@pytest.mark.parametrize(
    ("html", "is_page"),
    [
        (b"<p>text", True),
        (b"\xef\xbb\xbf<!DOCTYPE html>", True),
        (b"plain words", False),
        (b"a < b and c > d", False),
        (b"%PDF-1.4 <p>", False),
        (b"\x89PNG\r\n", False),
        (b"GIF89a<html>", False),
        (b'{"html": "<p>"}', False),
        (b"<?xml version='1.0'?><rss><item/></rss>", False),
        ("<p>".encode("utf-16"), True),
        ("<p>".encode("utf-16-le"), True),
        ("<!doctype html>".encode("utf-16-be"), True),
    ],
)
def test_html_is_told_from_other_content(html: bytes, is_page: bool) -> None:
    assert looks_like_html(html) is is_page


def test_bytes_and_tags_are_cut() -> None:
    source, _charset, cut = prepare(b"<p>" * 100, None, ExtractConfig(max_bytes=30))
    assert (source, cut) == (b"<p>" * 10, True)
    source, _charset, cut = prepare(b"<b>x" * 100, None, ExtractConfig(max_tags=10))
    assert (source, cut) == (b"<b>x" * 10, True)


def test_a_tag_with_too_many_attributes_is_removed_and_its_text_stays() -> None:
    html = b"<p>before<div " + b"a=1 " * 1000 + b">inside</div><p>after"
    source, _charset, cut = prepare(html, None, ExtractConfig(max_tag_bytes=500))
    assert (source, cut) == (b"<p>beforeinside</div><p>after", True)


def test_nuls_go_and_long_texts_stay() -> None:
    html = b"<p>a\x00b" + b"word " * 1000
    source, _charset, cut = prepare(html, None, ExtractConfig(max_tag_bytes=500))
    assert source == b"<p>ab" + b"word " * 1000
    assert not cut
