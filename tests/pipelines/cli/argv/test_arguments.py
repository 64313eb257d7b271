"""Errors in argv are reported in one line, misspelt flags before missing ones."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tyro

from corpusloom.pipelines.cli.argv.arguments import gist, parse
from corpusloom.pipelines.cli.commands.build import Command as Build
from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Group:
    """Flags that commands share."""

    contact: str | None = None
    """Who."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command."""

    recipe: Annotated[Literal["m3w", "align"], tyro.conf.Positional]
    """Which."""
    out: str
    """Where."""
    source: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """From where."""
    warc: tuple[str, ...] = ()
    """What."""
    limit: int | None = None
    """How many."""
    dry_run: bool = False
    """Whether."""
    hidden: tyro.conf.Suppress[tuple[str, ...]] = ()
    group: Group = field(default_factory=Group)


def test_valid_arguments_are_parsed() -> None:
    argv = ["m3w", "--out=a", "--warc", "b", "c", "--dry_run", "--contact", "me", "--from", "d"]
    parsed = parse(Command, argv, "loom x")
    assert (parsed.out, parsed.warc, parsed.dry_run, parsed.source) == ("a", ("b", "c"), True, "d")
    assert parsed.group.contact == "me"
    assert parsed.limit is None
    assert parse(Command, ["m3w", "--out", "a", "--limit", "3"], "loom x").limit == 3


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["m3w", "--wrac", "b"], r"loom x: no option --wrac \(did you mean --warc\?\)"),
        (["m3w", "--out", "a", "--zzzzzz"], r"no option --zzzzzz \(loom x --help-all lists them\)"),
        (["m3w"], "--out TEXT is missing"),
        ([], r"loom x: m3w\|align and --out TEXT are missing \(loom x --help shows an example\)"),
        (["--warc", "a", "m3w", "--out", "a"], r"m3w\|align is missing"),
        (["m3w", "--out"], "--out needs a value"),
        (["m3w", "--out", "a", "--out=b"], "--out is given twice"),
        (["--out", "a"], r"loom x: m3w\|align is missing"),
        (["m3q", "--out", "a"], "recipe is 'm3q', not one of 'm3w', 'align'"),
        (["m3w", "--out", "a", "--limit", "three"], "--limit: 'three' is not a whole number"),
        (["m3w", "more", "--out", "a"], "too many arguments: more"),
    ],
)
def test_each_mistake_is_reported_in_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(Command, argv, "loom x")
    assert "\n" not in str(caught.value)
    assert "│" not in str(caught.value)


def test_the_gist_of_a_box_is_its_first_paragraph() -> None:
    assert gist("╭─ Title ─╮\n│ One two  │\n│ three.   │\n│ ──────── │\n│ more     │\n╰──────────╯") == "One two three"
    assert gist("") == "the options cannot be read"


def test_an_option_of_an_earlier_version_is_refused_with_its_new_name() -> None:
    with pytest.raises(ConfigError, match=r"no option --waves.*did you mean --passes\?"):
        parse(Build, ["m3w", "--out", "a", "--waves", "4"], "loom build")


def test_a_command_says_what_else_it_needs() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Fetching:
        """A command that needs a contact to fetch."""

        out: str
        """Where."""
        contact: str | None = None
        """Who."""
        plan: bool = False
        """Whether."""

        @staticmethod
        def missing(given: Set[str]) -> dict[str, str]:
            return {} if given & {"--contact", "--plan"} else {"--contact URL": "a URL"}

    with pytest.raises(ConfigError, match=r"--out TEXT and --contact URL are missing \(a URL; loom y --help"):
        parse(Fetching, [], "loom y")
    with pytest.raises(ConfigError, match=r"--contact URL is missing"):
        parse(Fetching, ["--out", "a"], "loom y")
    assert parse(Fetching, ["--out", "a", "--plan"], "loom y").plan
