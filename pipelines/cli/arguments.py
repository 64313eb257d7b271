"""Parsing of a command's arguments: argv -> the command's dataclass, or an error of one line.

tyro parses, but shows errors as boxes of several lines; so repeated, unknown and missing options are checked first.
Unknown options are reported before missing ones, since a missing option is often a misspelt one.
"""

import contextlib
import dataclasses
import difflib
import inspect
import io
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from corpusloom.schemas.errors import ConfigError

Parsed = TypeVar("Parsed")
RENAMED = {"--waves": "--passes"}
"""Name of an option in an earlier version -> its present name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """One option of a command as a user types it; a positional argument has no dashes."""

    name: str
    required: bool

    @property
    def positional(self) -> bool:
        """Return whether the argument is positional."""
        return not self.name.startswith("--")


def flags_of(command: type) -> Iterator[Flag]:
    """Yield the arguments of a command's config, including those of its groups of flags."""
    hints = typing.get_type_hints(command, include_extras=True)
    for item in dataclasses.fields(command):
        hint = hints[item.name]
        kind, *marks = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        if dataclasses.is_dataclass(kind):
            yield from flags_of(typing.cast(type, kind))
            continue
        if tyro.conf.Suppress in marks:
            continue
        named = next((mark.name for mark in marks if getattr(mark, "name", None)), item.name.replace("_", "-"))
        dashes = "" if tyro.conf.Positional in marks else "--"
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        yield Flag(f"{dashes}{named}", required)


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
    """Raise ConfigError for an option that the command does not have, then for a required one that is missing."""
    flags = list(flags_of(command))
    known = ["--help", *(flag.name for flag in flags if not flag.positional)]
    for name in given(argv):
        if name not in known:
            near = [RENAMED[name]] if RENAMED.get(name) in known else difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"{where} --help lists them"
            raise ConfigError(f"no option {name}", where=where, remedy=remedy)
    for flag in flags:
        if flag.required and not flag.positional and flag.name not in given(argv):
            raise ConfigError(f"{flag.name} is missing", where=where, remedy=f"{where} --help shows an example")


def parse(command: type[Parsed], argv: Sequence[str], where: str) -> Parsed:
    """Parse argv into a command's dataclass; wrong arguments are a ConfigError of one line.

    `--help` prints the help and raises SystemExit.
    """
    if not {"-h", "--help"} & set(argv):
        check_repeats(argv)
        check_names(command, argv, where)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                command,
                prog=where,
                description=inspect.getdoc(command),
                args=list(argv),
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
                registry=_registry(),
            )
    except SystemExit as ended:
        if ended.code:
            what = gist(said.getvalue())
            if what.startswith("Missing"):
                what = "needs " + " ".join(flag.name.upper() for flag in flags_of(command) if flag.positional)
            raise ConfigError(what, where=where, remedy=f"see {where} --help") from ended
        raise


def _registry() -> ConstructorRegistry:
    """Return the tyro rule by which help shows an optional number or text as INT, not {None}|INT."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        kinds = [kind for kind in typing.get_args(info.type) if kind is not type(None)]
        if not isinstance(info.type, types.UnionType) or len(kinds) != 1 or kinds[0] not in (int, float, str):
            return None
        kind = kinds[0]
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar=kind.__name__.upper(),
            instance_from_str=lambda words: kind(words[0]),
            is_instance=lambda value: value is None or isinstance(value, kind),
            str_from_instance=lambda value: ["none" if value is None else str(value)],
        )

    return registry


def gist(box: str) -> str:
    """Return the first paragraph of tyro's error box as one line."""
    words: list[str] = []
    for line in box.splitlines():
        inside = line.strip().strip("│").strip()
        if inside.startswith("─"):
            break
        if not line.startswith(("╭", "╰")):
            words += inside.split()
    return " ".join(words).rstrip(".") or "the options cannot be read"
