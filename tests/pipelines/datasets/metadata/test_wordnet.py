"""Names of synsets, from lines in WordNet's format."""

from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.metadata.wordnet import synset_files, synset_names
from corpusloom.schemas.errors import InputError

LINES = {
    "noun": "  1 the licence\n00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that\n"
    "00001741 03 n 02 New_York 0 Big_Apple 0 000 | city\n00001742 15 n 01 St._Louis 0 000 | city\n",
    "verb": "00001740 29 v 01 breathe 0 000 | draw air\n",
    "adj": "00001740 00 a 01 able(p) 0 000 | having\n00001741 00 a 01 .22_caliber 0 000 | of a bore\n",
    "adv": "00001740 02 r 01 a_cappella 0 000 | without\n",
}


def write_wordnet(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for part, lines in LINES.items():
        (folder / f"data.{part}").write_text(lines)
    return str(folder)


def test_a_name_is_the_first_word_in_lower_case_without_marker_cut_at_a_dot(tmp_path: Path) -> None:
    names = list(synset_names(write_wordnet(tmp_path)))
    assert names == ["entity", "new york", "st", "breathe", "able", "a cappella"]


def test_a_file_of_another_format_is_an_input_error(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    Path(synset_files(folder)[1]).write_text("breathe v 1\n")
    with pytest.raises(InputError, match=r"data.verb: line 1 is no synset"):
        list(synset_names(folder))
