"""The arguments of a command, read from its dataclass: for the checks of argv, the help and shell completion."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tyro

from corpusloom.schemas.config import field_docs

WORDS = {int: "NUMBER", float: "NUMBER", str: "TEXT"}
"""Type of a value -> its word in the help, for an argument that has no word of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One argument of a command as a user types it; a positional argument has no dashes."""

    name: str
    required: bool
    text: str
    """Its line in the help."""
    value: str
    """Word for its value in the help, such as FOLDER; "" if it takes none."""
    many: bool
    """Whether it takes several values."""
    choices: tuple[str, ...]
    default: Any

    @property
    def positional(self) -> bool:
        """Return whether the argument is positional."""
        return not self.name.startswith("--")

    @property
    def spelled(self) -> str:
        """Return the argument with its value as the help shows it, such as `--warc PATH ...`."""
        if self.positional:
            return self.value
        return " ".join(filter(None, (self.name, self.value, "..." if self.many else "")))


def flags_of(command: type) -> Iterator[Flag]:
    """Yield the arguments of a command's config, including those of its groups of flags."""
    hints = typing.get_type_hints(command, include_extras=True)
    for item in dataclasses.fields(command):
        hint = hints[item.name]
        kind, *marks = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        if dataclasses.is_dataclass(kind):
            yield from flags_of(typing.cast(type, kind))
        elif tyro.conf.Suppress not in marks:
            yield _flag(command, item, kind, marks)


def _flag(command: type, item: "dataclasses.Field[Any]", kind: Any, marks: list[Any]) -> Flag:
    """Return the flag of one field."""
    positional = tyro.conf.Positional in marks
    name = next((mark.name for mark in marks if getattr(mark, "name", None)), item.name.replace("_", "-"))
    word = next((mark.metavar for mark in marks if getattr(mark, "metavar", None)), None)
    many = typing.get_origin(kind) is tuple
    inner = _value_type(kind)
    choices = typing.get_args(inner) if typing.get_origin(inner) is typing.Literal else ()
    value = "" if inner is bool else word or "|".join(choices) or (name.upper() if positional else WORDS[inner])
    return Flag(
        name=name if positional else f"--{name}",
        required=item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING,
        text=_text_of(command, item.name),
        value=value,
        many=many,
        choices=choices,
        default=None if item.default is dataclasses.MISSING else item.default,
    )


def _value_type(kind: Any) -> Any:
    """Return the type of one value of `T`, `T | None` or `tuple[T, ...]`."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return typing.get_args(kind)[0]
    if origin in (types.UnionType, typing.Union):
        return next(option for option in typing.get_args(kind) if option is not type(None))
    return kind


def _text_of(command: type, field: str) -> str:
    """Return the docstring of a field, from the class that defines it last."""
    return next((docs[field] for cls in command.__mro__ if field in (docs := _docs(cls))), "")


def _docs(cls: type) -> dict[str, str]:
    return field_docs(cls) if dataclasses.is_dataclass(cls) else {}
