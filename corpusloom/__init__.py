"""Build multimodal corpora from the web, read them, and stream them into training.

    >>> from corpusloom import StreamingDataset, load_recipe
    >>> load_recipe("m3w").kind
    'interleaved'

A name is imported from its module when it is first used, so `import corpusloom` loads neither torch nor Beam.
docs/api.md describes each name.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Static imports for type checkers and editors: the same names as in MODULES below.
    from corpusloom.pipelines.builds.build import build
    from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
    from corpusloom.pipelines.datasets.damage import Damage
    from corpusloom.pipelines.datasets.explain.event import Event
    from corpusloom.pipelines.datasets.stats.summary import StatsSummary, summarise
    from corpusloom.pipelines.datasets.verify import verify
    from corpusloom.pipelines.datasets.why import why
    from corpusloom.pipelines.engine.progress import Reporter
    from corpusloom.pipelines.extract.extractor import extract
    from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
    from corpusloom.pipelines.net.config import FetchConfig
    from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe, recipe_names
    from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError, VersionError
    from corpusloom.schemas.manifest import Manifest, read_manifest
    from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow, SidecarRow
    from corpusloom.schemas.tables import read_records
    from corpusloom.schemas.verdicts import Dead, Rejected
    from corpusloom.trainers.stream.dataset import StreamingDataset
    from corpusloom.trainers.stream.order.mixing import Mixture
    from corpusloom.trainers.stream.reading.cache import CacheConfig
    from corpusloom.trainers.stream.reading.remote_files import RetryConfig

__version__ = "0.1.0"

MODULES = {
    "extract": "corpusloom.pipelines.extract.extractor",
    "ExtractConfig": "corpusloom.pipelines.extract.reading.types",
    "Extracted": "corpusloom.pipelines.extract.reading.types",
    "Rejected": "corpusloom.schemas.verdicts",
    "Dead": "corpusloom.schemas.verdicts",
    "load_recipe": "corpusloom.pipelines.recipes.recipe",
    "recipe_names": "corpusloom.pipelines.recipes.recipe",
    "Recipe": "corpusloom.pipelines.recipes.recipe",
    "build": "corpusloom.pipelines.builds.build",
    "BuildConfig": "corpusloom.pipelines.builds.config",
    "BuildReport": "corpusloom.pipelines.builds.config",
    "FetchConfig": "corpusloom.pipelines.net.config",
    "Reporter": "corpusloom.pipelines.engine.progress",
    "read_manifest": "corpusloom.schemas.manifest",
    "Manifest": "corpusloom.schemas.manifest",
    "read_records": "corpusloom.schemas.tables",
    "SidecarRow": "corpusloom.schemas.records",
    "LedgerRow": "corpusloom.schemas.records",
    "ScoreRow": "corpusloom.schemas.records",
    "ProvenanceRow": "corpusloom.schemas.records",
    "summarise": "corpusloom.pipelines.datasets.stats.summary",
    "StatsSummary": "corpusloom.pipelines.datasets.stats.summary",
    "verify": "corpusloom.pipelines.datasets.verify",
    "Damage": "corpusloom.pipelines.datasets.damage",
    "why": "corpusloom.pipelines.datasets.why",
    "Event": "corpusloom.pipelines.datasets.explain.event",
    "StreamingDataset": "corpusloom.trainers.stream.dataset",
    "Mixture": "corpusloom.trainers.stream.order.mixing",
    "CacheConfig": "corpusloom.trainers.stream.reading.cache",
    "RetryConfig": "corpusloom.trainers.stream.reading.remote_files",
    "LoomError": "corpusloom.schemas.errors",
    "ConfigError": "corpusloom.schemas.errors",
    "InputError": "corpusloom.schemas.errors",
    "DamageError": "corpusloom.schemas.errors",
    "VersionError": "corpusloom.schemas.errors",
}
"""Public name -> the module that defines it. A name that moves changes here and in the imports above."""

__all__ = [
    "BuildConfig", "BuildReport", "CacheConfig", "ConfigError", "Damage", "DamageError", "Dead", "Event",
    "ExtractConfig", "Extracted", "FetchConfig", "InputError", "LedgerRow", "LoomError", "Manifest", "Mixture",
    "ProvenanceRow", "Recipe", "Rejected", "Reporter", "RetryConfig", "ScoreRow", "SidecarRow", "StatsSummary",
    "StreamingDataset", "VersionError", "__version__", "build", "extract", "load_recipe", "read_manifest",
    "read_records", "recipe_names", "summarise", "verify", "why",
]  # fmt: skip


if not TYPE_CHECKING:  # hidden from type checkers, which would otherwise accept names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names as well as the ones that were used before."""
    return sorted({*globals(), *__all__})
