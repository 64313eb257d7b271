"""Lines become lists, cells become rows and tables, and separate texts stay separate."""

from corpusloom.pipelines.extract.content import assembly
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig

CONFIG = ExtractConfig()


def blocks(html: str) -> list[tuple[str, str]]:
    page = fast_walk(f"<body>{html}".encode(), "https://a.example/", CONFIG)
    made = assembly.blocks_of(assembly.join_rows(page), page.tables)
    return [(block.kind, block.text or (block.image.url if block.image else "")) for block in made]


def test_lists_nest_by_two_spaces_and_number_from_start() -> None:
    html = "<ul><li>a<ol start=3><li>b<li>c<br>d</ol><li><p>e</p><p>f</p></ul>"
    assert blocks(html) == [("list", "- a\n  3. b\n  4. c\n     d\n- e\n  f")]


def test_terms_and_definitions_become_a_list() -> None:
    assert blocks("<dl><dt>Line</dt><dd>A rope.</dd></dl>") == [("list", "Line\n  A rope.")]


def test_a_card_in_a_list_item_keeps_its_heading_and_image() -> None:
    html = "<ul><li><h3>T</h3><img src=i.jpg><p>Text</p></li></ul>"
    assert blocks(html) == [("heading", "T"), ("image", "https://a.example/i.jpg"), ("list", "- Text")]


def test_a_data_table_keeps_its_rows_and_cells() -> None:
    html = "<table><caption>C</caption><tr><th>a<th>b<tr><td>1<td><p>2</p><tr><td><td>4</table>"
    assert blocks(html) == [("caption", "C"), ("table", "a\tb\n1\t2\n4")]


def test_layout_table_is_walked_as_sections() -> None:
    html = "<table><tr><td><h2>T</h2><p>one</p><p>two</p><td><ul><li>x</ul></table>"
    assert blocks(html) == [("heading", "T"), ("other", "one"), ("other", "two"), ("list", "- x")]


def test_sections_still_span_their_candidates_after_joining() -> None:
    page = fast_walk(
        b"<body><div><table><tr><th>a<th>b<tr><td>1<td>2</table></div><p>end", "https://a.example/", CONFIG
    )
    joined = assembly.join_rows(page)
    div = next(section for section in page.sections if section.tag == "div")
    assert [item.text for item in joined[div.first : div.last]] == ["a\tb", "1\t2"]
    assert page.sections[0].last == len(joined) == 3
