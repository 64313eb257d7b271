"""Similarity of words by WordNet's hierarchy (Wu and Palmer 1994), from the files of WordNet's folder `dict`.

A word stands for its first sense: of a noun, else a verb, an adjective, an adverb. Values are those of NLTK's
`wup_similarity`, which evaluation codes such as NExT-QA's call.
"""

from collections.abc import Iterator, Mapping
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
Sense = tuple[str, str]
"""(part of speech, offset of the synset)."""
ROOT: Sense = ("", "")
"""Stands above all synsets of a pair other than two nouns, which have one top."""


@dataclass(frozen=True)
class WordNet:
    """Senses of words, and the synsets above them."""

    senses: dict[tuple[str, str], tuple[str, ...]]
    """(part of speech, word) -> offsets of its senses."""
    irregular: dict[tuple[str, str], tuple[str, ...]]
    """(part of speech, inflected word) -> words."""
    above: dict[Sense, tuple[Sense, ...]]
    """Synset -> the synsets directly above it; none of one at the top."""
    first_words: dict[Sense, tuple[str, str]]
    """Synset -> its first word and the letter of its part of speech."""

    def lemma(self, word: str) -> str:
        """Return the word whose inflected form this is, as a noun if there is one; itself if WordNet has none."""
        return next((form for _, form in self._known(word)), word)

    def sense(self, word: str) -> Sense | None:
        """Return a word's first sense; None if WordNet does not have it."""
        return next(((part, self.senses[part, form][0]) for part, form in self._known(word)), None)

    def _known(self, word: str) -> Iterator[tuple[str, str]]:
        """Yield the part of speech and the word, for each form of a word that WordNet has."""
        for part in PARTS:
            forms = self.irregular.get((part, word))
            if forms is None:
                forms = tuple(word[: -len(end)] + other for end, other in ENDINGS[part] if word.endswith(end))
            yield from ((part, form) for form in (word, *forms) if (part, form) in self.senses)

    def similarity(self, one: str, other: str) -> float:
        """Return 2 d / (d1 + d2): d is the depth of the deepest common synset, d1 and d2 are d and the steps to it.

        A synset's depth, from 1, is that of its shortest path to a top where synsets are compared, and in d that of the
        longest. Steps may lead over any common synset. Equal words have similarity 1, unknown ones 0.
        """
        if one == other:
            return 1.0
        first, second = self.sense(one), self.sense(other)
        if first is None or second is None:
            return 0.0
        rooted = not first[0] == second[0] == "noun"
        up, across = self._steps(first, rooted), self._steps(second, rooted)
        common = {sense: self._depths(sense)[0] for sense in up.keys() & across.keys()}
        if not common:
            return 0.0
        deepest = [sense for sense, depth in common.items() if depth == max(common.values())]
        lowest = first if first in deepest else min(deepest, key=self._name)
        depth, down = self._depths(lowest)[1] + 1, self._steps(lowest, rooted)
        return 2 * depth / (_distance(up, down) + _distance(across, down) + 2 * depth)

    def _steps(self, sense: Sense, rooted: bool) -> dict[Sense, int]:
        """Return the synsets above one, and itself, each with the fewest steps to it; with a root, also that."""
        found, level = {sense: 0}, [sense]
        while level:
            level = [parent for below in level for parent in self.above.get(below, ()) if parent not in found]
            found |= dict.fromkeys(level, max(found.values()) + 1)
        return {ROOT: max(found.values()) + 1} | found if rooted else found

    def _depths(self, sense: Sense) -> tuple[int, int]:
        """Return the fewest and the most steps from a top to a synset."""
        depths = [self._depths(parent) for parent in self.above.get(sense, ())]
        return (1 + min(low for low, _ in depths), 1 + max(high for _, high in depths)) if depths else (0, 0)

    def _name(self, sense: Sense) -> str:
        """Return a name such as dog.n.01, by which the first of equally deep synsets is chosen; the root's is empty."""
        if sense == ROOT:
            return ""
        word, letter = self.first_words[sense]
        return f"{word}.{letter}.{self.senses[sense[0], word].index(sense[1]) + 1:02}"


def _distance(one: Mapping[Sense, int], other: Mapping[Sense, int]) -> int:
    """Return the fewest steps between two synsets over one above both, given the steps from each to those above it."""
    return min(one[sense] + other[sense] for sense in one.keys() & other.keys())


def read_wordnet(folder: str) -> WordNet:
    """Read a folder with index.noun, data.noun, noun.exc and so on; InputError names a file that cannot be read."""
    found = WordNet({}, {}, {}, {})
    letters = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
    for part in PARTS:
        for name in (f"index.{part}", f"data.{part}", f"{part}.exc"):
            for line in _lines(storage.join(folder, name)):
                words = line.split(" | ")[0].split()
                try:
                    if name.startswith("index"):
                        found.senses[part, words[0]] = tuple(words[-int(words[2]) :])
                    elif name.startswith("data"):
                        sense = part, words[0]
                        found.above[sense] = tuple((letters[p], at) for at, p in _hypernyms(words))
                        found.first_words[sense] = words[4].lower().partition("(")[0], words[2]
                    else:
                        found.irregular[part, words[0]] = tuple(words[1:])
                except (IndexError, ValueError, KeyError) as error:
                    what = f"not a line of WordNet: {line[:60]!r}"
                    raise InputError(what, where=storage.join(folder, name), remedy="copy the file again") from error
    return found


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
