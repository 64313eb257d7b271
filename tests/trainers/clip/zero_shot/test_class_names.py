"""Names of classes from text, JSON, folders and captions, and names that cannot be told apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.trainers.clip.zero_shot import class_names
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, from_folders, load_classes
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs


def written(tmp_path: Path, content: Any, name: str = "names.txt") -> str:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_line_is_a_class_with_synonyms_between_commas_or_tabs(tmp_path: Path) -> None:
    found = load_classes(written(tmp_path, "cat, house cat\n\ndog\thound,dog\n"))
    assert found == (ClassName(("cat", "house cat")), ClassName(("dog", "hound")))
    assert [name.shown for name in found] == ["cat", "dog"]
    assert found[1].labels == {"dog", "hound"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["cat", ["dog", "hound"]], (ClassName(("cat",)), ClassName(("dog", "hound")))),
        ({"n01": "cat, tabby", "n02": ["dog"]}, (ClassName(("cat, tabby",), "n01"), ClassName(("dog",), "n02"))),
    ],
)
def test_json_has_a_list_of_classes_or_an_object_from_folders_to_classes(
    tmp_path: Path, content: Any, expected: tuple[ClassName, ...]
) -> None:
    assert load_classes(written(tmp_path, content, "names.json")) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.txt", "", "no class"),
        ("names.txt", "cat\n,\n", "names.txt, line 2: a line names no class"),
        ("names.txt", "cat\ndog\nCat, puss\n", "line 1 and line 3 are both the class 'Cat'"),
        ("names.json", "[", "not JSON"),
        ("names.json", "3", "neither a list nor an object"),
        ("names.json", "[]", "no class"),
        ("names.json", '["cat", 3]', "3 is no name of a class"),
        ("names.json", '["cat", []]', r"\[\] is no name"),
        ("names.json", '["cat", "a_b", "A b"]', "entry 2 and entry 3 are both"),
        ("names.json", '{"n1": "cat", "n2": "cat"}', "'n1' and 'n2' are both"),
    ],
)
def test_a_file_of_classes_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(LoomError, match=message):
        load_classes(written(tmp_path, content, name))


def test_underscores_in_the_names_of_folders_are_spaces() -> None:
    assert from_folders(["red_cat", "dog"]) == (ClassName(("red cat",), "red_cat"), ClassName(("dog",), "dog"))
    with pytest.raises(ConfigError, match="folder 'Cat' and folder 'cat' are both the class 'cat'"):
        from_folders(["Cat", "cat"])


def test_a_datasets_most_frequent_short_captions_are_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [pair.image for pair in coloured_pairs(6)]
    texts = ["a dog", "A  cat", "a cat", "zebra", "one two three four five six seven", "one two three four five six"]
    data = write_pairs(tmp_path, [Pair(image, text) for image, text in zip(pictures, texts, strict=True)])
    found = [name.shown for name in load_classes(data)]
    assert found[0].lower().split() == ["a", "cat"]
    assert found[1:] == ["a dog", "one two three four five six", "zebra"]
    monkeypatch.setattr(class_names, "MOST_CAPTIONS", 2)
    assert [name.shown for name in load_classes(data)][1:] == ["a dog"]


def test_a_dataset_with_long_captions_alone_is_refused(tmp_path: Path) -> None:
    data = write_pairs(tmp_path, [Pair(coloured_pairs(1)[0].image, "one two three four five six seven")])
    with pytest.raises(InputError, match="fewer than two captions have 6 words or less"):
        load_classes(data)
