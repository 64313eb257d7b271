"""Taggers by name."""

import threading
from collections.abc import Callable
from functools import lru_cache

from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import Tagger
from corpusloom.pipelines.filters.pairs.conceptual.textblob_tagger import TextblobTagger
from corpusloom.schemas.errors import ConfigError

VERSION = 1
WHERE = "filters.conceptual.tagger"
TAGGERS: dict[str, Callable[[str], Tagger]] = {"textblob": TextblobTagger}
"""Name -> constructor, which takes what follows a colon after the name: a model, or ""."""
_LOADING = threading.Lock()
"""Held while tables are read: textblob's are global, and another thread would see them half read."""


def load_tagger(name: str) -> Tagger:
    """Return the tagger of a name, read once per process; one that is unknown or not installed is a ConfigError."""
    with _LOADING:
        return _load(name)


@lru_cache(maxsize=2)
def _load(name: str) -> Tagger:
    kind, _, model = name.partition(":")
    if kind not in TAGGERS:
        raise ConfigError(f"no tagger is called {kind!r}", where=WHERE, remedy=f"known: {', '.join(sorted(TAGGERS))}")
    try:
        return TAGGERS[kind](model)
    except ImportError as error:
        raise ConfigError(
            f"{kind} needs {error.name}", where=WHERE, remedy="pip install 'corpusloom[captions]'"
        ) from None
