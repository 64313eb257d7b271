"""docs/recipes.md lists every key of a recipe as in the code."""

from pathlib import Path

from corpusloom.pipelines.recipes.key_table import END, START, main, table, with_table
from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe

PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"
COMMAND = "run: make generated"


def test_the_page_holds_the_table_of_today() -> None:
    text = PAGE.read_text("utf-8")
    assert text.count(START) == text.count(END) == 1
    assert with_table(text) == text, COMMAND


def test_every_key_has_a_row_with_its_docstring() -> None:
    rows = table().splitlines()[2:]
    assert len(rows) == len(list(keys_of(Recipe)))
    assert all(len(row.split(" | ")[-1]) > 10 for row in rows)


def test_rows_say_what_holds_where_a_key_is_left_out() -> None:
    rows = {row.split("`")[1]: row for row in table().splitlines()[2:]}
    assert (
        "| threshold | whole number or { above = ... } | off | interleaved, pairs |" in rows["filters.images.min_side"]
    )
    assert "| setting | whole number | `95` |" in rows["images.quality"]
    assert "| setting | text | required | all |" in rows["kind"]
    assert "| threshold | table | off | interleaved |" in rows["dedup.minhash"]


def test_the_command_writes_between_the_markers_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}old\n{END}after\n")
    main(str(page))
    assert page.read_text() == f"before\n{START}{table()}{END}after\n"
