"""Captions lose markup and control characters once; what only looks like markup stays."""

import time

import pytest

from corpusloom.pipelines.extract.caption_cleaning import CleanCaption, clean_caption

TAGS, ENTITIES, CONTROLS = "html_tags", "html_entities", "control_characters"


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
        ("a brown dog\x00 runs\x07 over\x1b[31m\x9f", "a brown dog runs over[31m", (CONTROLS,)),
        ("\ufeffa\u2028small\x0bboat\x85here\ud800", "a small boat here", (CONTROLS,)),
        ("a &#0;&#27;cat", "a \ufffdcat", (ENTITIES,)),
        ("AT&T, R&D; a < b > c, <3, <name>, x<y>z", "AT&T, R&D; a < b > c, <3, <name>, x<y>z", ()),
        ("&copy 2020 &notit; &unknown; &;", "&copy 2020 &notit; &unknown; &;", ()),
        ("<!-- open, <script> too", "<!-- open, too", (TAGS,)),
        ("नमस्ते क्‍ष 👩‍👧 שלום", "नमस्ते क्‍ष 👩‍👧 שלום", ()),
        ("<br>", "", (TAGS,)),
        ("", "", ()),
    ],
)
def test_markup_goes_and_text_stays(text: str, clean: str, removed: tuple[str, ...]) -> None:
    assert clean_caption(text) == CleanCaption(clean, tuple(sorted(removed)))


def test_a_clean_caption_is_not_changed_again() -> None:
    for text in ("Tom &amp;amp; Jerry", "a <b>cat</b>", "a\x00b", "plain"):
        once = clean_caption(text).text
        assert clean_caption(once) == CleanCaption(once)


@pytest.mark.parametrize("part", ["<b ", "<!--", "<script>", "&amp;", "<b '", '<a "', "<b a='x' ", "<", "<!-->", "''"])
def test_hostile_text_takes_linear_time(part: str) -> None:
    started = time.process_time()
    clean_caption("<b " + part * (100_000 // len(part)))
    assert time.process_time() - started < 2, "a quadratic pattern takes minutes"
