"""Hypernyms of names by WordNet's files (Debian's package wordnet-base), in the format that wndb(5WN) describes."""

import hashlib
import threading
from functools import lru_cache

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, LoomError

VERSION = 1
WHERE = "filters.conceptual.wordnet"
_INSTANCE = "@i"
_READING = threading.Lock()


class WordNetNouns:
    """The nouns of a WordNet, held in memory (20 MB)."""

    def __init__(self, folder: str) -> None:
        """Read a folder; ConfigError if it lacks WordNet's files."""
        try:
            index, self._data = (storage.read_bytes(storage.join(folder, f"{name}.noun")) for name in ("index", "data"))
        except LoomError as error:
            what = f"{error.where or folder} cannot be read"
            raise ConfigError(what, where=WHERE, remedy="apt-get install wordnet-base, or give its folder") from None
        self.sha256 = hashlib.sha256(index + self._data).hexdigest()
        self._index = {line.partition(b" ")[0]: line for line in index.splitlines() if not line.startswith(b" ")}

    def _senses(self, words: str) -> list[list[str]]:
        """Return the fields of each synset of a noun or name, the most frequent sense first."""
        line = self._index.get("_".join(words.lower().split()).encode())
        if line is None:
            return []
        fields = line.decode().split()
        return [self._fields(int(offset)) for offset in fields[-int(fields[2]) :]]

    def _fields(self, offset: int) -> list[str]:
        line = self._data[offset : self._data.find(b"\n", offset)]
        return line.partition(b"|")[0].decode().split()

    def hypernym(self, name: str) -> str | None:
        """Return the noun of which a name is an instance: "Paris" is a national capital. None for any other text."""
        for fields in self._senses(name):
            if _INSTANCE in fields:
                target = self._fields(int(fields[fields.index(_INSTANCE) + 1]))
                return target[4].replace("_", " ")
        return None

    def is_noun(self, word: str) -> bool:
        """Return whether a word has a sense that is no name."""
        return any(_INSTANCE not in fields for fields in self._senses(word))


def load_wordnet(folder: str) -> WordNetNouns:
    """Return the WordNet of a folder, read once per process."""
    with _READING:
        return _load(folder)


@lru_cache(maxsize=2)
def _load(folder: str) -> WordNetNouns:
    return WordNetNouns(folder)
