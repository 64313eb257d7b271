"""Image scorers by name: those that ship, and those that other packages register as entry points.

An entry point of the group `corpusloom.image_scorers` names a class, or a function without arguments, that returns an
`ImageScorer`.
"""

from collections.abc import Callable
from importlib.metadata import entry_points

from corpusloom.pipelines.models.image_scorer import ImageScorer
from corpusloom.pipelines.models.open_nsfw import OpenNsfw
from corpusloom.schemas.errors import ConfigError

GROUP = "corpusloom.image_scorers"
SCORERS: dict[str, Callable[[], ImageScorer]] = {"open_nsfw": OpenNsfw}
"""Name -> constructor of each scorer that ships."""


def load_scorer(name: str) -> ImageScorer:
    """Return the scorer of a name; a name that is unknown or whose package is not installed is a ConfigError."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    known = {*SCORERS, *points}
    if name not in known:
        raise ConfigError(
            f"no image scorer is called {name!r}",
            where="filters.images.nsfw_model",
            remedy=f"known: {', '.join(sorted(known))}; others are entry points of the group {GROUP}",
        )
    try:
        construct: Callable[[], ImageScorer] = SCORERS[name] if name in SCORERS else points[name].load()
        return construct()
    except ImportError as error:
        raise ConfigError(
            f"{name} needs {error.name}", where="filters.images.nsfw_model", remedy="pip install 'corpusloom[safety]'"
        ) from error
