"""Captions lose markup and control characters once; what only looks like markup stays."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.extract.caption_cleaning import MAX_CHARACTERS, CleanCaption, clean_caption

TAGS, ENTITIES, CONTROLS, MOJIBAKE = "html_tags", "html_entities", "control_characters", "mojibake"
PARTS = (
    "&",
    "amp;",
    "lt;",
    "gt;",
    "#38;",
    "<",
    ">",
    "b",
    "script",
    "!--",
    "-->",
    "/",
    " ",
    "'",
    '"',
    "\0",
    "\u200b",
    "Ã",
    "©",
    "é",
    "\x92",
)


@pytest.mark.parametrize(
    ("text", "clean", "removed"),
    [
        ("a grey\tcat\r\nin  the sun ", "a grey cat in the sun", ()),
        ("a <b>bold</b> cat<br/>asleep", "a bold cat asleep", (TAGS,)),
        ("<o:p>a cat</o:p>", "a cat", (TAGS,)),
        ("\u200ba\u2060 c\u00adat\u200f \u202easleep\u202c", "a cat asleep", (CONTROLS,)),
        (
            "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e",
            "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e",
            (),
        ),
        ("<p>One</p><p class='x'>Two</p>", "One Two", (TAGS,)),
        ('<a href="http://a/?x=1&y=2" title="a > b">a link</a>', "a link", (TAGS,)),
        ("<IMG SRC=x ALT='y'>cat", "cat", (TAGS,)),
        ("<b it's>x</b>", "x", (TAGS,)),
        ("a<!-- hidden <b> --> b", "a b", (TAGS,)),
        ("a<script>if (1 < 2) alert('x')</script >b<style>p{}</STYLE>c", "a b c", (TAGS,)),
        ("Tom &amp; Jerry&#39;s &quot;house&quot;", 'Tom & Jerry\'s "house"', (ENTITIES,)),
        ("Tom &amp;amp; Jerry &amp;lt;3", "Tom & Jerry <3", (ENTITIES,)),
        ("caf&eacute; &#x2603; &nbsp;&#150;", "café ☃ –", (ENTITIES,)),
        ("&lt;b&gt;bold&lt;/b&gt; &amp;lt;br&amp;gt; cat", "bold cat", (ENTITIES, TAGS)),
        ("a brown dog\x00 runs\x07 over\x1b[31m\x81", "a brown dog runs over[31m", (CONTROLS,)),
        ("\ufeffa\u2028small\x0bboat here\ud800", "a small boat here", (CONTROLS,)),
        ("\u2067abc\u2069 \u061cd\ufdd0", "abc d", (CONTROLS,)),
        ("a boat\x85 don\x92t", "a boat… don’t", (MOJIBAKE,)),
        ("caf&Atilde;&copy; &amp;lt;b&amp;gt;", "café", (ENTITIES, MOJIBAKE, TAGS)),
        ("&amp;amp;amp;amp;#38;AMP;lt;3", "<3", (ENTITIES,)),
        ("<<b>b>a cat", "a cat", (TAGS,)),
        ("&am\0p;lt;3", "<3", (CONTROLS, ENTITIES)),
        ("a &#0;&#27;cat", "a \ufffdcat", (ENTITIES,)),
        ("AT&T, R&D; a < b > c, <3, <name>, x<y>z", "AT&T, R&D; a < b > c, <3, <name>, x<y>z", ()),
        ("&copy 2020 &notit; &unknown; &;", "&copy 2020 &notit; &unknown; &;", ()),
        ("<!-- open, <script> too", "<!-- open, too", (TAGS,)),
        ("नमस्ते क्‍ष 👩‍👧 שלום", "नमस्ते क्‍ष 👩‍👧 שלום", ()),
    ],
)
def test_markup_goes_and_text_stays(text: str, clean: str, removed: tuple[str, ...]) -> None:
    assert clean_caption(text) == CleanCaption(clean, tuple(sorted(removed)))


@pytest.mark.parametrize(
    ("text", "reason", "removed"),
    [
        (None, "no_caption", ()),
        (" \n\u2003", "no_caption", ()),
        ("<br>", "caption_without_text", (TAGS,)),
        ("\0\u202e&zwnj;\u200d", "caption_without_text", (CONTROLS, ENTITIES)),
        ("a" * (MAX_CHARACTERS + 1), "caption_too_long", ()),
        ("<" * 50 + "b>" * 50, "caption_of_nested_markup", (TAGS,)),
    ],
)
def test_a_text_of_which_nothing_is_left_has_a_reason(text: str | None, reason: str, removed: tuple[str, ...]) -> None:
    assert clean_caption(text) == CleanCaption("", tuple(sorted(removed)), reason)


def test_the_longest_caption_is_kept() -> None:
    assert clean_caption("a" * MAX_CHARACTERS).text == "a" * MAX_CHARACTERS


@given(st.one_of(st.text(), st.lists(st.sampled_from(PARTS)).map("".join)))
def test_a_clean_caption_is_not_changed_again(text: str) -> None:
    once = clean_caption(text)
    assert bool(once.text) == (once.reason is None)
    if once.text:
        assert clean_caption(once.text) == CleanCaption(once.text)


@pytest.mark.parametrize(
    "part",
    [
        "<b ", "<!--", "<script>", "&amp;", "<b '", '<a "', "<b a='x' ", "<", "<!-->", "''", "&#", "&am", "Ã", "Ã©",
        "â€", "ÃƒÂ", "<script></script", "<b \"\" ", "é ", "\u202e<b>", "ðŸ˜", "Ã ",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(part: str) -> None:
    started = time.process_time()
    clean_caption(("<b " + part * MAX_CHARACTERS)[:MAX_CHARACTERS])
    clean_caption(part * 1_000_000)
    assert time.process_time() - started < 1, "a quadratic pattern takes minutes"
