"""Titles are read once per drawing, and the counts with which a build is compared are those of hand-made titles."""

from pathlib import Path

from benchmarks.openclipart import MOST_IMAGES, RAREST, expected, read_titles


def test_each_file_with_a_title_counts_once_and_links_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<svg><dc:title>\n Fish &amp;  Chips\n</dc:title></svg>")
    (tmp_path / "b.svg").write_text("<svg><dc:title></dc:title></svg>")
    (tmp_path / "c.svg").symlink_to(tmp_path / "a.svg")
    assert list(read_titles(tmp_path).values()) == ["Fish & Chips"]


def test_counts_of_hand_made_titles() -> None:
    shared = {f"u{number}": "a cat" if number else "A cat" for number in range(MOST_IMAGES + 1)}
    found = expected({**shared, "v": "a dog, "})
    assert found["texts of at most 10 images"] == MOST_IMAGES + 2
    assert found["the same, case folded"] == 1
    assert found["no rare token"] == MOST_IMAGES + 1 >= RAREST
    assert found["an entry"] == MOST_IMAGES + 2  # "a" stands in the last title, "dog," does not
