"""The benchmarks of arXiv 2204.14198 (Table 2) as rows of benchmarks.toml: files, splits, prompt and metric."""

from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from corpusloom.schemas import config as tables
from corpusloom.schemas.config import nearest_key
from corpusloom.schemas.errors import ConfigError

TABLE = "benchmarks.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShotBenchmark:
    """A benchmark: where its files are in a folder, and how a model is asked.

    Patterns are filled with the fields of a record, with `split`, and with `images` (see `image_splits`).
    """

    reader: str
    """Format of the files: a key of `formats.readers.READERS`."""
    file: str
    """Pattern of the file of records (questions, captions)."""
    answers: str | None = None
    """Pattern of a second file, with the answers to the questions, second references, or relevances."""
    records: str = ""
    """Key of the list of records in a JSON file; empty: the file is the list."""
    media: tuple[str, ...]
    """Patterns of an image, a video file without its ending, or a folder of frames; the first that exists is taken."""
    names: str | None = None
    """File with names of videos: a JSON object, or lines with a name and an id."""
    image_splits: dict[str, str] = field(default_factory=dict)
    """Split -> `images` in `media`, where they differ."""
    query: str
    """Split of the queries (Table 2 of the paper)."""
    support: str | None = None
    """Split of the shots; None: the benchmark is for zero shots alone."""
    key: str = "id"
    """Pattern of a record's name in the submission."""
    text: str = "question"
    """Field of the question, or of the words on the image."""
    references: tuple[str, ...] = ()
    """Fields of the answers: lists, lists of objects with `answer`, or one text each."""
    candidates: tuple[str, ...] = ()
    """Texts of which the model chooses one; the references of a record are then their numbers."""
    choices: str | None = None
    """Field of a record's own candidates, instead of `candidates`."""
    prompt: str = "Output:"
    """Text between an image and its answer, with {text} (section 4.1.3)."""
    metric: str
    """Figure: a key of `metrics.WRITTEN` or `metrics.SCORED`."""
    submission: str
    """Format of the outputs: a key of `submission.FORMS`."""


@cache
def benchmarks() -> dict[str, FewShotBenchmark]:
    """Return all benchmarks by name."""
    rows = tables.load_toml(str(resources.files(__package__) / TABLE))
    return {name: tables.build(FewShotBenchmark, row, where=f"{TABLE}: {name}") for name, row in rows.items()}


def find(name: str) -> FewShotBenchmark:
    """Return a benchmark; ConfigError with the nearest name for another."""
    known = benchmarks()
    if name not in known:
        nearest = nearest_key(name, list(known))
        remedy = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
        raise ConfigError(f"no benchmark {name!r}", where="--benchmark", remedy=remedy)
    return known[name]
