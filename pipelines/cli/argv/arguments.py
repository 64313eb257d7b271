"""Parsing of a command's arguments: argv -> the command's dataclass, or an error of one line.

tyro parses, but shows errors as boxes of several lines; so repeated and unknown options are checked first, and all
missing arguments are named at once. Unknown options are reported before missing ones, since a missing option is often a
misspelt one.
"""

import contextlib
import difflib
import io
import itertools
import math
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Protocol, TypeVar, runtime_checkable

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from corpusloom.pipelines.cli.argv.flag_table import WORDS, Flag, flags_of
from corpusloom.schemas.errors import ConfigError

Parsed = TypeVar("Parsed")
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
RENAMED = {"--waves": "--passes"}
"""Name of an option in an earlier version -> its present name."""
NUMBERS = {int: "a whole number", float: "a number"}


@runtime_checkable
class NeedsMore(Protocol):
    """A command that needs one of several options, or an option that depends on others."""

    @staticmethod
    def missing(given: Set[str]) -> Mapping[str, str]:
        """Return what is missing, as a user types it, with advice, when these options are given."""


def given(argv: Sequence[str]) -> Iterator[str]:
    """Yield the names of the options in argv, with dashes for underscores."""
    for word in argv:
        if word.startswith("--") and len(word) > 2:
            yield word.split("=", 1)[0].replace("_", "-")


def check_repeats(argv: Sequence[str]) -> None:
    """Raise ConfigError for a flag that is given twice; argparse would silently use the last value."""
    seen: set[str] = set()
    for name in given(argv):
        if name in seen:
            raise ConfigError(f"{name} is given twice", remedy=f"give {name} once; lists take several values")
        seen.add(name)


def check_names(command: type, argv: Sequence[str], where: str) -> None:
    """Raise ConfigError for an option that the command does not have."""
    flags = list(flags_of(command))
    known = ["--help", "--help-all", *(flag.name for flag in flags if not flag.positional)]
    bare = {f"--{flag.name}": flag.value for flag in flags if flag.positional}
    for name in given(argv):
        if name in bare:
            raise ConfigError(
                f"no option {name}", where=where, remedy=f"{bare[name]} stands alone: {where} {bare[name]}"
            )
        if name not in known:
            near = [RENAMED[name]] if RENAMED.get(name) in known else difflib.get_close_matches(name.lower(), known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"{where} --help-all lists them"
            raise ConfigError(f"no option {name}", where=where, remedy=remedy)


def check_values(command: type, argv: Sequence[str], where: str) -> None:
    """Raise ConfigError for an option whose value is missing or empty, such as `--out ""`."""
    takes = {flag.name for flag in flags_of(command) if flag.value}
    for word, following in itertools.zip_longest(argv, argv[1:]):
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if name in takes:
            value = value if equals else (following or "")
            if not value.strip() or (not equals and value.startswith("--") and len(value) > 2):
                raise ConfigError(f"{name} needs a value", where=where, remedy=f"see {where} --help")


def parse(command: type[Parsed], argv: Sequence[str], where: str) -> Parsed:
    """Parse argv into a command's dataclass; wrong arguments are a ConfigError of one line."""
    check_repeats(argv)
    check_names(command, argv, where)
    check_values(command, argv, where)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = tyro.cli(command, prog=where, args=list(argv), config=CONFIG, registry=_registry())
    except SystemExit as ended:
        box = said.getvalue()
        if "Missing from" not in box:
            raise ConfigError(gist(box), where=where, remedy=f"see {where} --help") from ended
        check_present(command, argv, where)
        raise ConfigError("arguments are missing", where=where, remedy=f"see {where} --help") from ended
    check_present(command, argv, where)
    return parsed


def check_present(command: type, argv: Sequence[str], where: str) -> None:
    """Raise ConfigError that names everything that is missing."""
    flags, names = list(flags_of(command)), set(given(argv))
    positional = [flag.spelled for flag in flags if flag.positional and flag.required]
    absent = positional[_free_words(flags, argv) :]
    absent += [flag.spelled for flag in flags if flag.required and not flag.positional and flag.name not in names]
    more = command.missing(names) if isinstance(command, NeedsMore) else {}
    absent += more
    if absent:
        *first, last = absent
        what = f"{', '.join(first)} and {last} are missing" if first else f"{last} is missing"
        advice = [text for text in more.values() if text]
        raise ConfigError(what, where=where, remedy="; ".join((*advice, f"{where} --help shows an example")))


def _free_words(flags: Sequence[Flag], argv: Sequence[str]) -> int:
    """Return the number of words that are no option and no value of one."""
    takes = {flag.name: (len(argv) if flag.many else 1) if flag.value else 0 for flag in flags}
    free = taken = 0
    for word in argv:
        if word.startswith("--") and len(word) > 2:
            name, equals, _ = word.partition("=")
            taken = 0 if equals else takes.get(name.replace("_", "-"), 0)
        elif taken:
            taken -= 1
        else:
            free += 1
    return free


def _registry() -> ConstructorRegistry:
    """Return the tyro rule that reads numbers and texts, which may be optional, with errors that name the value."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def value(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        union = isinstance(info.type, types.UnionType)
        kinds = [kind for kind in typing.get_args(info.type) if kind is not type(None)] if union else [info.type]
        if len(kinds) != 1 or kinds[0] not in WORDS:
            return None
        kind = typing.cast(type, kinds[0])
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar=WORDS[kind],
            instance_from_str=lambda words: _read(kind, words[0]),
            is_instance=lambda value: value is None or isinstance(value, kind),
            str_from_instance=lambda value: ["none" if value is None else str(value)],
        )

    return registry


def _read(kind: type, word: str) -> Any:
    """Return a word as a value of a type."""
    try:
        value = kind(word)
    except ValueError:
        value = math.nan
    if kind is not str and not (math.isfinite(value) and abs(value) <= sys.maxsize):
        raise ValueError(f"{word!r} is not {NUMBERS[kind]}") from None
    return value


def gist(box: str) -> str:
    """Return the first paragraph of tyro's error box as one line, in plain words; the box is drawn by lines or dashes.

    Where standard output is not UTF-8, the box has dashes, and its title is a paragraph.
    """
    paragraphs: list[list[str]] = [[]]
    for line in box.splitlines():
        inside = line.strip(" │")
        if inside and not set(inside) - set("─-"):
            paragraphs.append([])
        elif not inside.startswith(("╭", "╰")):
            paragraphs[-1] += inside.split()
    titled = "╭" not in box and len(paragraphs) > 1
    text = " ".join(paragraphs[1 if titled else 0]).rstrip(". ") or "the options cannot be read"
    for pattern, better in REWORDED.items():
        text = re.sub(pattern, better, text)
    return text


REWORDED = {
    r"^Error parsing (\S+): (.*)$": r"\1: \2",
    r"^invalid choice ('.*?') for argument '(.*?)'\. Expected one of \((.*?),?\)$": r"\2 is \1, not one of \3",
    r"not one of 'None', ": "not one of ",
    r"^Missing value for argument '(.*?)'\. Expected 1 values?$": r"\1 needs a value",
    r"^Unrecognized options: (.*)$": r"too many arguments: \1",
}
"""Pattern of tyro's text -> the same in plain words."""
