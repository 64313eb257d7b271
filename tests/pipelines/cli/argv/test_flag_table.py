"""The flags of a command are read from its dataclass, with the word for a value, the choices and the text."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.argv.flag_table import flags_of
from corpusloom.pipelines.cli.command_table import COMMANDS


@dataclass(frozen=True, kw_only=True)
class Group:
    """Flags that commands share."""

    contact: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """Who."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Flags of several commands."""

    out: str
    """Where, in the base."""


@dataclass(frozen=True, kw_only=True)
class Command(Base):
    """A command."""

    recipe: Annotated[Literal["m3w", "align"], tyro.conf.Positional]
    """Which."""
    source: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """From
    where."""
    warc: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH")] = ()
    """What."""
    limit: int | None = None
    """How many."""
    retry: Literal["dead"] | None = None
    """Which again."""
    dry_run: bool = False
    """Whether."""
    hidden: tyro.conf.Suppress[tuple[str, ...]] = ()
    group: Group = field(default_factory=Group)


def test_flags_are_spelled_as_the_help_shows_them() -> None:
    assert {flag.spelled for flag in flags_of(Command)} == {
        "--out TEXT", "m3w|align", "--from TEXT", "--warc PATH ...", "--limit NUMBER", "--retry dead", "--dry-run",
        "--contact URL",
    }  # fmt: skip


def test_a_flag_has_its_text_and_whether_it_is_required() -> None:
    flags = {flag.name: flag for flag in flags_of(Command)}
    assert flags["--from"].text == "From where."
    assert flags["--out"].text == "Where, in the base."
    assert [name for name, flag in flags.items() if flag.required] == ["--out", "recipe"]
    assert (flags["recipe"].positional, flags["recipe"].choices) == (True, ("m3w", "align"))
    assert flags["--retry"].choices == ("dead",)


def test_every_flag_of_every_command_has_a_text() -> None:
    flags = [(name, flag) for name, entry in COMMANDS.items() for flag in flags_of(entry.load())]
    assert len(flags) > 100
    assert [(name, flag.name) for name, flag in flags if not flag.text] == []
