"""Evaluation images and texts are found; everyday captions and recoloured drawings are not."""

import json

import numpy as np
import pytest

from corpusloom.pipelines.dedup.decontamination import (
    BenchmarkItem,
    Benchmarks,
    DecontaminationConfig,
    Match,
    cut_blocks,
    read_items,
    reason_of,
)
from corpusloom.pipelines.dedup.image_hashes import hash_image
from corpusloom.schemas.errors import InputError
from tests.pipelines.dedup.test_image_hashes import drawing, noise

QUESTION = "What is the name of the river that flows through the old town and under seven stone bridges"
SENTENCE = "The ninth bridge was built of glass"
FILLER = " ".join(f"Filler sentence number {number} says nothing of interest." for number in range(40))
BENCHMARKS = Benchmarks(
    [
        BenchmarkItem(benchmark="quiz", item="1", text=QUESTION),
        BenchmarkItem(benchmark="quiz", item="2", text="The ninth bridge of them was built of blue glass"),
        BenchmarkItem(benchmark="captions", item="3", text="a dog on a beach"),
        BenchmarkItem(benchmark="pictures", item="4", sha256="ab" * 32),
    ]
)


def image_item(rgb: np.ndarray, item: str = "5", with_grid: bool = True) -> BenchmarkItem:
    found = hash_image(rgb)
    grid = found.grid.hex() if with_grid else None
    return BenchmarkItem(benchmark="pictures", item=item, dhash=found.dhash, phash=found.phash, grid=grid)


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (f"{FILLER} {QUESTION.upper()}!", "1"),
        ("he asked: the river that flows through the old town, and under seven stone bridges", "1"),
        ("the river that flows through the old town and under six stone bridges", None),
        ("Well. The ninth bridge of them was built of blue glass.", "2"),
        ("a dog on a beach", None),
        (SENTENCE, None),
        ("", None),
    ],
)
def test_a_text_with_13_words_of_an_item_matches_it(text: str, item: str | None) -> None:
    matches = BENCHMARKS.match_text(text)
    assert (matches[0].item if matches else None) == item
    assert all(match.kind == "ngram" for match in matches)


def test_a_match_has_its_place_in_the_text() -> None:
    text = f"Before. {QUESTION}? After."
    matches = BENCHMARKS.match_text(text)
    assert text[matches[0].start :].startswith("What is the name")
    assert text[: matches[-1].end].endswith("stone bridges")


def test_pages_lose_the_window_around_a_match() -> None:
    text = f"{FILLER} {QUESTION} {FILLER}"
    texts, _ = cut_blocks([text], BENCHMARKS)
    cut = (texts or ("",))[0] or ""
    assert BENCHMARKS.match_text(cut) == ()
    assert len(text) - len(cut) >= len(QUESTION) + 2 * 200 - len("\n\n")
    assert cut.startswith("Filler sentence number 0")
    assert cut.endswith("number 39 says nothing of interest.")
    assert cut_blocks([FILLER], BENCHMARKS) == ((FILLER,), ())


def test_pages_left_too_short_or_in_too_many_pieces_are_dropped() -> None:
    assert cut_blocks([QUESTION], BENCHMARKS)[0] is None
    text = f" {FILLER} ".join([QUESTION] * 12)
    assert cut_blocks([text], BENCHMARKS)[0] is None


def test_images_match_by_bytes_and_by_look() -> None:
    assert BENCHMARKS.match_image("ab" * 32) == Match("pictures", "4", "sha256")
    assert BENCHMARKS.match_image("cd" * 32) is None
    picture = noise(3)
    benchmarks = Benchmarks([image_item(picture)])
    near = picture.copy()
    near[:10, :10] = 0
    assert benchmarks.match_image(None, hash_image(picture)) == Match("pictures", "5", "twin", 0)
    assert benchmarks.match_image(None, hash_image(near)) is not None
    assert benchmarks.match_image(None, hash_image(noise(4))) is None


def test_colour_counts_where_the_list_has_it() -> None:
    red, green = drawing((200, 40, 40)), hash_image(drawing((40, 120, 40)))
    assert Benchmarks([image_item(red)]).match_image(None, green) is None
    assert Benchmarks([image_item(red, with_grid=False)]).match_image(None, green) is not None


def test_captions_match_by_long_texts_never_by_short_ones() -> None:
    assert BENCHMARKS.match_text("a dog on a beach") == ()
    assert BENCHMARKS.match_image("ab" * 32) == Match("pictures", "4", "sha256")
    assert [found.item for found in BENCHMARKS.match_text(QUESTION)][:1] == ["1"]


def test_the_order_of_the_list_does_not_matter() -> None:
    items = [image_item(noise(3), str(number)) for number in range(4)]
    items += [BenchmarkItem(benchmark="b", item=str(number), text=QUESTION) for number in range(4)]
    first, second = Benchmarks(items), Benchmarks(items[::-1])
    hashes = hash_image(noise(3))
    assert first.match_image(None, hashes) == second.match_image(None, hashes)
    assert first.match_text(QUESTION) == second.match_text(QUESTION)


def test_lists_are_read_and_mistakes_named(tmp_path: object) -> None:
    path = f"{tmp_path}/list.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps({"benchmark": "b", "item": "1", "text": QUESTION}) + "\n\n")
    assert read_items(path) == [BenchmarkItem(benchmark="b", item="1", text=QUESTION)]
    for line in ('{"benchmark": "b"}', "[1]", "not json", '{"benchmark": "b", "item": "1", "colour": "x"}'):
        with open(path, "w", encoding="utf-8") as file:
            file.write(line)
        with pytest.raises(InputError, match="line 1"):
            read_items(path)


LONG = " ".join(f"word{number}" for number in range(60))
TAKEN = "the quick brown fox jumps over the lazy dog near the river bank today"


def test_blocks_lose_the_match_and_its_surroundings_and_no_others() -> None:
    index = Benchmarks([BenchmarkItem(benchmark="set", item="1", text=TAKEN)])
    config = DecontaminationConfig(window=20)
    texts, matches = cut_blocks([LONG, None, f"{LONG} {TAKEN} {LONG}", LONG], index, config)
    assert texts is not None
    assert (texts[0], texts[1], texts[3]) == (LONG, None, LONG)
    assert "fox" not in (texts[2] or "")
    assert (texts[2] or "").count("\n\n") == 1
    assert len(matches) == 2


def test_a_match_over_two_blocks_is_found_and_a_page_of_matches_goes() -> None:
    index = Benchmarks([BenchmarkItem(benchmark="A set", item="1", text=TAKEN)])
    texts, matches = cut_blocks([TAKEN[:30], TAKEN[30:]], index)
    assert texts is None
    assert reason_of(matches[0]) == "benchmark_a_set"
    assert cut_blocks(["nothing here"], index) == (("nothing here",), ())
