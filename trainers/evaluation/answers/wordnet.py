"""Similarity of words by WordNet's hierarchy (Wu and Palmer 1994), from the files of WordNet's folder `dict`.

As in NExT-QA's evaluation code a word stands for its first sense: of a noun, else a verb, an adjective, an adverb.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

PARTS = ("noun", "verb", "adj", "adv")
"""Parts of speech: ends of the names of their files."""
ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"))
    + (("men", "man"), ("ies", "y")),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}
"""Endings of inflected words, and what replaces them (WordNet's morphy)."""
_ROOT = "root"
"""Stands above all verbs, which have many roots."""

Sense = tuple[str, str]
"""(part of speech, offset of the synset)."""


@dataclass(frozen=True)
class WordNet:
    """First senses of words, and the synsets above them."""

    senses: dict[tuple[str, str], str]
    """(part of speech, word) -> offset of its first sense."""
    irregular: dict[tuple[str, str], str]
    """(part of speech, inflected word) -> word."""
    above: dict[Sense, tuple[Sense, ...]]
    """Synset -> the synsets directly above it; those at the top are left out."""

    def sense(self, word: str) -> Sense | None:
        """Return a word's first sense; None if WordNet does not have it."""
        forms = ((part, form) for part in PARTS for form in self._forms(part, word))
        return next(((part, self.senses[part, form]) for part, form in forms if (part, form) in self.senses), None)

    def _forms(self, part: str, word: str) -> Iterator[str]:
        yield word
        if (part, word) in self.irregular:
            yield self.irregular[part, word]
        yield from (word[: -len(end)] + other for end, other in ENDINGS[part] if word.endswith(end))

    def similarity(self, one: str, other: str) -> float:
        """Return 2 d / (d1 + d2): the depth of the deepest common synset, and those of both words through it."""
        if one == other:
            return 1.0
        first, second = self.sense(one), self.sense(other)
        if first is None or second is None or first[0] != second[0]:
            return 0.0
        up, across = self._steps(first), self._steps(second)
        common = up.keys() & across.keys()
        if not common:
            return 0.0
        lowest = min(common, key=lambda sense: (-self._depths(sense)[0], sense))
        depth = self._depths(lowest)[1] + 1
        return 2 * depth / (up[lowest] + across[lowest] + 2 * depth)

    def _steps(self, sense: Sense) -> dict[Sense, int]:
        """Return the synsets above one, and itself, each with the fewest steps to it; of a verb also the root."""
        found, level = {sense: 0}, [sense]
        while level:
            level = [parent for below in level for parent in self.above.get(below, ()) if parent not in found]
            found |= dict.fromkeys(level, max(found.values()) + 1)
        if sense[0] == "verb":
            found["verb", _ROOT] = max(found.values()) + 1
        return found

    def _depths(self, sense: Sense) -> tuple[int, int]:
        """Return the fewest and the most steps from a top to a synset."""
        depths = [self._depths(parent) for parent in self.above.get(sense, ())]
        return (1 + min(low for low, _ in depths), 1 + max(high for _, high in depths)) if depths else (0, 0)


def read_wordnet(folder: str) -> WordNet:
    """Read a folder with index.noun, data.noun, noun.exc and so on; InputError names a file that cannot be read."""
    senses, irregular, above = (
        dict[tuple[str, str], str](),
        dict[tuple[str, str], str](),
        dict[Sense, tuple[Sense, ...]](),
    )
    letters = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
    for part in PARTS:
        for name in (f"index.{part}", f"data.{part}", f"{part}.exc"):
            for line in _lines(storage.join(folder, name)):
                words = line.split(" | ")[0].split()
                try:
                    if name.startswith("index"):
                        senses[part, words[0]] = words[-int(words[2])]
                    elif name.startswith("data"):
                        above[part, words[0]] = tuple((letters[p], at) for at, p in _hypernyms(words))
                    else:
                        irregular[part, words[0]] = words[1]
                except (IndexError, ValueError, KeyError) as error:
                    what = f"not a line of WordNet: {line[:60]!r}"
                    raise InputError(what, where=storage.join(folder, name), remedy="copy the file again") from error
    return WordNet(senses, irregular, above)


def _hypernyms(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield offset and part of speech of the synsets above that of a line of data: pointers @ and @i."""
    first = 4 + 2 * int(words[3], 16)
    for number in range(int(words[first])):
        symbol, offset, part, _ = words[first + 1 + 4 * number : first + 5 + 4 * number]
        if symbol in ("@", "@i"):
            yield offset, part


def _lines(path: str) -> list[str]:
    if not storage.exists(path):
        raise InputError("no such file", where=path, remedy="give the folder dict of WordNet 3.0")
    return [
        line
        for line in storage.read_bytes(path).decode("utf-8", "replace").splitlines()
        if line.strip() and line[0] != " "
    ]
