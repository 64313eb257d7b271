"""Parts of speech, famous names and polarity by textblob, whose data for English are part of its package.

The tagger is Brill's with a lexicon of 94,000 words; names are those of a list of 600 persons, places and companies.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import ORGANISATION, PERSON, PLACE
from corpusloom.schemas.errors import ConfigError

VERSION = 1
FILES = ("en-lexicon.txt", "en-morphology.txt", "en-context.txt", "en-entities.txt", "en-sentiment.xml")
"""Files of the package that shape tags and polarity."""
_KINDS = {"PERS": PERSON, "LOC": PLACE, "ORG": ORGANISATION}


class TextblobTagger:
    """A Tagger by textblob. Its tables are read when it is made, so that threads share them safely."""

    def __init__(self, model: str = "") -> None:
        """Read the tables; ConfigError for a model, ImportError if textblob is not installed."""
        if model:
            raise ConfigError("textblob has one model", where="filters.conceptual.tagger", remedy="write textblob")
        self._english = load_english()
        self.identity = f"textblob {version('textblob')} {_hash_files(self._english)}"
        self(["Barack", "Obama", "blorks"])

    def __call__(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Return tag and entity of each word."""
        tagged = self._english.lexicon.entities.apply(self._english.parser.find_tags(list(words)))
        return [_split(tag) for _, tag in tagged]


def _split(tag: str) -> tuple[str, str]:
    """Return ("NNP", "PERSON") for "NNP-PERS"; other tags have no kind."""
    name, _, kind = tag.partition("-")
    return (name, _KINDS[kind]) if kind in _KINDS else (tag, "")


def load_english() -> ModuleType:
    """Return textblob's module for English; ImportError if it is not installed."""
    import textblob.en  # takes 0.5 s

    return textblob.en


def _hash_files(english: ModuleType) -> str:
    """Return 16 digits of a hash of the package's data."""
    folder = Path(str(english.__file__)).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()[:16]
