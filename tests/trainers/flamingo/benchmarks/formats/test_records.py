"""Benchmarks of rows, each from a tiny file in its published layout."""

from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import read_items
from tests.trainers.flamingo.benchmarks.folders import table, write

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "vatex",
        "vatex_public_test_english_v1.1.json",
        {"vatex_public_test_english_v1.1.json": [{"videoID": "a_1_2", "enCap": ["A dog.", "Dogs."], "chCap": ["x"]}]},
        {"key": "a_1_2", "references": ("A dog.", "Dogs."), "prompt": "Output:", "media": "videos/a_1_2"},
    ),
    (
        "textvqa",
        "TextVQA_0.5.1_val.json",
        {
            "TextVQA_0.5.1_val.json": {
                "data": [{"question_id": 5, "image_id": "f0", "question": "Q?", "answers": ["a", "b"]}]
            }
        },
        {"key": 5, "references": ("a", "b"), "prompt": "Question: Q? Answer:", "media": "train_images/f0.jpg"},
    ),
    (
        "vizwiz",
        "test.json",
        {"test.json": [{"image": "VizWiz_test_0.jpg", "question": "Q?"}]},
        {"key": "VizWiz_test_0.jpg", "references": (), "media": "test/VizWiz_test_0.jpg"},
    ),
    (
        "msvdqa",
        "test_qa.json",
        {
            "test_qa.json": [{"answer": "man", "id": 3, "question": "who?", "video_id": 1}],
            "youtube_mapping.txt": "abc_1_2 vid1",
        },
        {"key": 3, "references": ("man",), "media": "videos/abc_1_2"},
    ),
    (
        "msrvttqa",
        "test_qa.json",
        {"test_qa.json": [{"answer": "man", "category_id": 9, "id": 3, "question": "who?", "video_id": 7010}]},
        {"key": 3, "references": ("man",), "media": "videos/video7010"},
    ),
    (
        "ivqa",
        "test.csv",
        {
            "test.csv": table(
                [
                    {"video_id": "v", "start": "5", "end": "15.5", "question": "Q?"}
                    | {f"answer{n}": f"a{n}" for n in range(1, 6)}
                ]
            )
        },
        {"key": "v", "references": ("a1", "a2", "a3", "a4", "a5"), "start": 5.0, "end": 15.5, "media": "videos/v"},
    ),
    (
        "star",
        "STAR_test.json",
        {
            "STAR_test.json": [
                {"question_id": "Interaction_T1_13", "question": "Q?", "video_id": "6H78U", "start": 11.1, "end": 19.6}
                | {
                    "answer": "The clothes.",
                    "choices": [{"choice_id": 0, "choice": "The shoe."}, {"choice_id": 1, "choice": "The clothes."}],
                }
            ]
        },
        {
            "key": "Interaction_T1_13",
            "candidates": ("The shoe.", "The clothes."),
            "own": 1,
            "start": 11.1,
            "references": (),
        },
    ),
    (
        "nextqa",
        "test.csv",
        {
            "test.csv": table([{"video": "123", "question": "why", "answer": "to eat", "qid": "4", "type": "CW"}]),
            "map_vid_vidorID.json": {"123": "1164/123"},
            "add_reference_answer_test.json": {"123": {"4": "eating", "5": "no"}, "9": {"4": "x"}},
        },
        {"key": "123_4", "references": ("to eat", "eating"), "media": "videos/1164/123"},
    ),
    (
        "hatefulmemes",
        "test_seen.jsonl",
        {"test_seen.jsonl": '{"id": 42, "img": "img/42.png", "label": 1, "text": "words"}'},
        {"key": 42, "candidates": ("no", "yes"), "own": 1, "gains": (0.0, 1.0), "media": "img/42.png"},
    ),
]


@pytest.mark.parametrize(("name", "file", "files", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_a_record_is_read_as_its_benchmark_publishes_it(
    name: str, file: str, files: dict[str, Any], wanted: dict[str, Any], tmp_path: Path
) -> None:
    for path, value in files.items():
        write(tmp_path, path, value)
    (item,) = read_items(find(name), str(tmp_path), find(name).query)
    found = {field: getattr(item, field) for field in wanted}
    if "media" in wanted:
        found["media"] = item.media[0].removeprefix(f"{tmp_path}/")
    assert found == wanted


def test_a_record_without_a_field_is_named(tmp_path: Path) -> None:
    write(tmp_path, "test_qa.json", [{"answer": "man", "id": 3, "video_id": 7}])
    with pytest.raises(InputError, match=r"test_qa\.json: record 0: no field 'question'"):
        read_items(find("msrvttqa"), str(tmp_path), "test")
