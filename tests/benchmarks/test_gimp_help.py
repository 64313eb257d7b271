"""The counts of the manual benchmark, on a small generated manual: equal, nearly equal and untranslated pages."""

from pathlib import Path

import pytest

from benchmarks.gimp_help import HelpConfig, english, main, near_pairs, same_bytes, same_text
from corpusloom.pipelines.dedup.minhash import MinHashConfig

ENGLISH = (
    "The tool fills the chosen part of the picture with the colour that you have picked before, and with no other. "
)
GERMAN = (
    "Das Werkzeug füllt den gewählten Teil des Bildes mit der Farbe, die zuvor gewählt wurde, und mit keiner anderen. "
)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"<html><body><article><h1>{name}</h1><p>{text}</p></article></body></html>")
    return path


def test_copies_are_counted_once_each(tmp_path: Path) -> None:
    paths = [write(tmp_path / part, "a.html", ENGLISH) for part in ("1", "2", "3")]
    assert same_bytes(paths) == 2
    assert same_text({"x": "one  two", "y": "one two", "z": "three"}) == (1, 1)
    words = " ".join(f"word{number}" for number in range(300))
    pairs = near_pairs({"x": words, "y": f"{words} more", "z": ENGLISH}, MinHashConfig())
    assert pairs[:2] == (1, 1)


def test_an_untranslated_page_is_english_whatever_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "en", "a.html", ENGLISH * 4)
    write(tmp_path / "en", "b.html", ENGLISH * 4)
    write(tmp_path / "de", "a.html", GERMAN * 4)
    write(tmp_path / "de", "b.html", ENGLISH * 4)
    assert english(tmp_path / "de", tmp_path / "en", 1) == (2, 1, 1)
    assert english(tmp_path / "en", tmp_path / "en", 1) == (2, 2, 2)


def test_without_the_manual_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(HelpConfig(help_folder=tmp_path)) == 0
    assert "not measured" in capsys.readouterr().out
