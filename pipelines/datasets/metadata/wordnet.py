"""Names of WordNet's synsets, from the data files of WordNet 3 (Debian's wordnet-base: /usr/share/wordnet)."""

import re
from collections.abc import Iterator

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

PARTS = ("noun", "verb", "adj", "adv")
_MARKER = re.compile(r"\(\w+\)$")
_FIRST_WORD = 4
"""Place of a synset's first word in its line, after offset, file, type and number of words (wndb(5))."""


def synset_files(folder: str) -> list[str]:
    """Return the paths of the data files."""
    return [storage.join(folder, f"data.{part}") for part in PARTS]


def synset_names(folder: str) -> Iterator[str]:
    """Yield the name of each synset: its first word in lower case, cut at the first dot, with blanks for `_`.

    NLTK calls the synset NAME.n.01, and MetaCLIP's code cuts this at its first dot (metaclip1/build_metadata.py), so
    that "st._louis" gives "st". Names repeat; an empty one is left out. Raises InputError for a file of another format.
    """
    for path in synset_files(folder):
        for number, line in enumerate(storage.read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
            if line.startswith("  "):  # the licence
                continue
            fields = line.split(" ", _FIRST_WORD + 1)
            if len(fields) <= _FIRST_WORD or not fields[0].isdigit():
                raise InputError(f"line {number} is no synset", where=path, remedy="give the folder of WordNet 3")
            word = _MARKER.sub("", fields[_FIRST_WORD]).lower()
            name = word.partition(".")[0].replace("_", " ")
            if name:
                yield name
