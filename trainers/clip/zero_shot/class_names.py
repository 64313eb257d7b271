"""Names of the classes of a zero-shot classification, from a file, from folders, or from the captions of a dataset."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines
from corpusloom.trainers.stream.captions import captions

MOST_CAPTIONS = 1000
"""Classes from a dataset, at most."""
MOST_WORDS = 6
"""Words of a caption that is taken as the name of a class, at most."""
_FORMS = 'give one name per line, a JSON list, or a JSON object {"folder": "name"}'


@dataclass(frozen=True, slots=True)
class ClassName:
    """One class: the names that are embedded, and the label by which pictures refer to it."""

    names: tuple[str, ...]
    """Synonyms; the first one is shown."""
    label: str | None = None
    """Name of the class's folder; None: any of its names."""

    @property
    def shown(self) -> str:
        """The name that results show."""
        return self.names[0]

    @property
    def labels(self) -> set[str]:
        """The names of folders, as `folded` writes them, whose pictures are of this class."""
        return {folded(name) for name in ((self.label,) if self.label is not None else self.names)}


def folded(name: str) -> str:
    """Return a name in the form in which names are compared: letter case, underscores and spaces do not matter."""
    return " ".join(name.replace("_", " ").casefold().split())


def load_classes(path: str) -> tuple[ClassName, ...]:
    """Return the classes in a file, or of a dataset's captions if the path is a folder.

    A text file has one class per line, with synonyms between commas or tabs. A JSON file has a list of classes, each a
    name or a list of synonyms, or an object: name of a folder -> class. Raises InputError or ConfigError for a file
    without a class, and for two classes of one name.
    """
    if storage.is_folder(path):
        return from_captions(path)
    places = _from_json(path) if path.lower().endswith(".json") else _from_lines(path)
    if not places:
        raise InputError("no class", where=path, remedy=_FORMS)
    check_distinct(places, path)
    return tuple(name for _, name in places)


def from_folders(names: Iterable[str]) -> tuple[ClassName, ...]:
    """Return a class per folder; underscores in a folder's name are spaces of the class's."""
    places = [(f"folder {name!r}", ClassName((name.replace("_", " ").strip() or name,), name)) for name in names]
    check_distinct(places, "the class folders")
    return tuple(name for _, name in places)


def from_captions(dataset: str) -> tuple[ClassName, ...]:
    """Return a dataset's most frequent captions of at most MOST_WORDS words, MOST_CAPTIONS at most, as classes."""
    counts: Counter[str] = Counter()
    spelling: dict[str, str] = {}
    for caption in captions([dataset]):
        text = " ".join(caption.split())
        if text and text.count(" ") < MOST_WORDS:
            counts[folded(text)] += 1
            spelling.setdefault(folded(text), text)
    if len(counts) < 2:
        what = f"fewer than two captions have {MOST_WORDS} words or less"
        raise InputError(what, where=dataset, remedy="write the names of the classes into a file")
    most = sorted(counts, key=lambda text: (-counts[text], text))[:MOST_CAPTIONS]
    return tuple(ClassName((spelling[text],)) for text in most)


def check_distinct(places: Sequence[tuple[str, ClassName]], where: str) -> None:
    """Raise ConfigError if two classes are shown by one name; `places` says where each class stands."""
    seen: dict[str, str] = {}
    for place, name in places:
        text = folded(name.shown)
        if text in seen:
            what = f"{seen[text]} and {place} are both the class {name.shown!r}"
            raise ConfigError(what, where=where, remedy="name them apart, or join them")
        seen[text] = place


def _from_lines(path: str) -> list[tuple[str, ClassName]]:
    found = []
    for number, line in numbered_lines(path):
        names = tuple(part.strip() for part in line.replace("\t", ",").split(",") if part.strip())
        if not names:
            raise InputError("a line names no class", where=f"{path}, line {number}", remedy=_FORMS)
        found.append((f"line {number}", ClassName(tuple(dict.fromkeys(names)))))
    return found


def _from_json(path: str) -> list[tuple[str, ClassName]]:
    try:
        value = json.loads(storage.read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", where=path, remedy=_FORMS) from error
    if isinstance(value, dict):
        return [(f"{label!r}", ClassName(_names(name, path), label)) for label, name in value.items()]
    if isinstance(value, list):
        return [(f"entry {number}", ClassName(_names(name, path))) for number, name in enumerate(value, 1)]
    raise InputError("neither a list nor an object", where=path, remedy=_FORMS)


def _names(value: object, path: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    names = [name.strip() for name in values if isinstance(name, str) and name.strip()]
    if not values or len(names) != len(values):
        raise InputError(f"{json.dumps(value)[:80]} is no name of a class", where=path, remedy=_FORMS)
    return tuple(dict.fromkeys(names))
