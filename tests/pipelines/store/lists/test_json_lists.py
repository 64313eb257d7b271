"""Lists of JSON: lines, arrays and columns."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.store.lists.json_lists import read_json, read_objects
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.schemas.errors import InputError

CONFIG = ListConfig(caption_column="caption")
ROWS = [{"url": f"http://a/{n}", "caption": f"text {n}, [{n}]"} for n in range(3)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("url", "caption")}


def found(folder: Path, text: str, config: ListConfig = CONFIG) -> list[Any]:
    (folder / "a.json").write_text(text, "utf-8")
    return list(read_json(str(folder / "a.json"), config))


def of(rows: list[dict[str, str]]) -> list[tuple[None, dict[str, str]]]:
    return [(None, row) for row in rows]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_gives_its_objects(tmp_path: Path, indent: int | None) -> None:
    assert found(tmp_path, " \n" + json.dumps(ROWS, indent=indent) + "\n") == of(ROWS)
    assert found(tmp_path, "[]") == []


@pytest.mark.parametrize(
    "columns",
    [COLUMNS, {name: dict(enumerate(values)) for name, values in COLUMNS.items()}],
    ids=["lists", "as pandas writes"],
)
def test_columns_give_rows(tmp_path: Path, columns: dict[str, Any]) -> None:
    assert found(tmp_path, json.dumps(columns | {"n": 7, "other": [1]})) == of(ROWS)


def test_values_of_columns_are_joined_by_their_index(tmp_path: Path) -> None:
    text = '{"url": {"4": "u4", "9": "u9"}, "caption": {"9": "c9", "4": "c4"}}'
    assert found(tmp_path, text) == of([{"url": "u4", "caption": "c4"}, {"url": "u9", "caption": "c9"}])


def test_json_lines_are_read_under_the_name_of_json_too(tmp_path: Path) -> None:
    text = "\n".join(map(json.dumps, ROWS))
    assert found(tmp_path, text) == [(n + 1, row) for n, row in enumerate(ROWS)]
    assert found(tmp_path, json.dumps(ROWS[0])) == [(1, ROWS[0])]


def test_a_long_array_is_read_in_parts_and_numbers_are_no_rows(tmp_path: Path) -> None:
    rows = [{"url": "u" * 999, "caption": str(n)} for n in range(300)]
    text = json.dumps([*rows, *[1234567890123] * 30_000])
    values = [value for _, value in found(tmp_path, text)]
    assert values == [*rows, *[None] * 30_000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(ROWS)[:-9], "no JSON after row 2"),
        ('[{"url": "u"}, {"url" "v"}]', "no JSON after row 1"),
        ('[{"url": "' + "x" * (3 << 20) + '"}]', "no JSON after row 0"),
        ('{"url": ["a", "b"], "caption": ["c"]}', "its columns have 1 to 2 values"),
        ('{"url": ["a"], "caption": ["c"}', "no JSON: Expecting"),
    ],
)
def test_json_of_another_form_is_an_error_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        found(tmp_path, text)


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    assert found(tmp_path, '{"images": [1], "annotations": [2]}') == [(None, {"images": None, "annotations": None})]


def test_a_line_that_holds_no_object_is_a_row_without_values(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"url": "u"}\n\n[1]\n{"url"\n')
    assert list(read_objects(str(tmp_path / "a.jsonl"), CONFIG)) == [(1, {"url": "u"}), (3, None), (4, None)]
