"""Tags and attributes in raw HTML, and what of a page is not part of it."""

import pytest

from corpusloom.pipelines.net.html_tags import attribute_pattern, tag_pattern, value_of, without_hidden


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        (b'content="a b"', "a b"),
        (b"content='a \"b'", 'a "b'),
        (b"x=1 content=a", "a"),
        (b"content = \n ' a '", "a"),
        (b'content="a &amp; b"', "a & b"),
        (b"CONTENT=A", "A"),
        (b'content="', ""),
        (b'data-content="no"', None),
        (b"content", None),
    ],
)
def test_an_attribute_has_its_value(attributes: bytes, value: str | None) -> None:
    assert value_of(attribute_pattern("content"), attributes) == value


def test_a_tag_is_found_by_its_whole_name() -> None:
    found = tag_pattern("a|area").findall(b"<a x><abbr y><AREA\nz><area/w>")
    assert found == [b"x", b"z", b"w"]


@pytest.mark.parametrize(
    ("html", "visible"),
    [
        (b"a<!-- b -->c", b"ac"),
        (b"a<!-->b", b"ab"),
        (b"a<!-- b", b"a"),
        (b"a<SCRIPT src=x>b</Script>c", b"a</Script>c"),
        (b"a<script>b", b"a"),
        (b"<style>b</style><p>", b"</style><p>"),
        (b"<styled>b", b"<styled>b"),
        (b"<script><!-- </script>b<!-- c -->", b"</script>b"),
        (b"<noscript>b</noscript>", b"<noscript>b</noscript>"),
    ],
)
def test_comments_scripts_and_styles_are_hidden(html: bytes, visible: bytes) -> None:
    assert without_hidden(html) == visible
