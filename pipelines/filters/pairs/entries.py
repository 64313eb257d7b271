"""MetaCLIP's rules: a text has an entry of the metadata, and pairs of frequent entries are drawn (arXiv 2309.16671).

The pairs of an entry that matches n texts are kept with probability min(1, t / n), and a pair is kept if one of its
entries keeps it (section 3.3). A draw is a hash of pair, entry and seed, so that the same input gives the same pairs.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpusloom.schemas.config import threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

VERSION = 1
LANGUAGE = "{language}"
"""Part of a path that stands for the language of a text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntriesConfig:
    """The list of entries, and thresholds of matching and balancing."""

    metadata: str | None = None
    """List of entries by path or URL: a JSON list of texts, or one per line. `{language}` in the path stands for each
    wanted language, whose texts are matched and counted apart (MetaCLIP 2, arXiv 2507.22062)."""
    min_entries: int | Above | None = threshold()
    """Different entries in the text, at least (§3.2: 1)."""
    max_pairs: int | Below | None = threshold()
    """t: pairs per entry that balancing keeps on average where an entry has more (§3.3: 20,000 for 400 M pairs)."""
    rng_seed: int = 0
    """Seed of the draws of balancing."""

    def paths(self, languages: Sequence[str]) -> Mapping[str, str]:
        """Return language -> path of its list; the language is empty for a list of all texts.

        Raises ConfigError if there is no list, or one per language without wanted languages.
        """
        if self.metadata is None:
            raise ConfigError("no list of entries", where="filters.entries.metadata", remedy="give its path or URL")
        if LANGUAGE not in self.metadata:
            return {"": self.metadata}
        if not languages:
            what = f"{self.metadata} needs languages"
            raise ConfigError(what, where="filters.entries.metadata", remedy="set filters.language.languages")
        return {language: self.metadata.replace(LANGUAGE, language) for language in languages}


def entry_keys(found: Sequence[str], language: str) -> tuple[str, ...]:
    """Return the keys of entries, by which they are counted over all pairs; `language` is that of their list."""
    return tuple(make_key("entry", language, entry) for entry in found)


def measure_entries(found: Sequence[str]) -> Scores:
    """Return the number of entries of a text."""
    return {"entries": float(len(found))}


def draw(pair: str, entry: str, count: int, seed: int) -> float:
    """Return a draw between 0 and `count` of a pair for one of its entries, which `count` pairs have.

    It is at most t with probability min(1, t / count).
    """
    digest = hashlib.blake2b(f"{seed} {pair} {entry}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 * count


def rules(config: EntriesConfig) -> tuple[Rule, ...]:
    """Return the rule on a text alone."""
    return (at_least("no_entry", "entries", config.min_entries),)


def balance_rules(config: EntriesConfig) -> tuple[Rule, ...]:
    """Return the rule on the smallest draw of a pair's entries, which are counted over the pairs kept so far."""
    return (at_most("frequent_entries", "entry_draw", config.max_pairs),)
