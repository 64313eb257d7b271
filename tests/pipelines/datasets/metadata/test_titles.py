"""Titles with their views."""

from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.metadata.titles import read_titles
from corpusloom.schemas.errors import InputError


def test_views_of_one_title_are_added_and_other_kinds_of_page_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "titles.tsv"
    path.write_text("New_York\t40\nTalk:Cat\t900\n\nNew York\t31\n  Cat \t2\n_\t5\n")
    assert read_titles(str(path)) == {"New York": 71, "Cat": 2}


@pytest.mark.parametrize("line", ["Cat", "Cat\tmany", "Cat\t-3"])
def test_a_line_without_views_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "titles.tsv"
    path.write_text(f"Dog\t3\n{line}\n")
    with pytest.raises(InputError, match="line 2 is not TITLE, tab, VIEWS"):
        read_titles(str(path))
