"""The help of a command: usage, arguments by group, examples. A command with many flags shows the main ones first."""

import inspect
import shutil
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from rich.table import Table

from corpusloom.pipelines.cli.argv.flag_table import Flag, flags_of
from corpusloom.pipelines.engine.printing import SafeConsole

EXAMPLES = "Examples:"
GROUPS = {
    "Input": "warc list url-column caption-column from-img2dataset from limit verify-digests resolve-revisits seeds "
    "depth max-pages data checkpoint",
    "Output": "out work store shards split html images json quiet log-format",
    "Recipe": "recipe config set print-config no-filters format",
    "Fetching": "contact delay allow-addresses i-own-these-hosts agents blocklist fetcher lanes",
    "Running": "plan dry-run workers passes memory runner device scheduler samples batch-size cache cache-bytes",
}
"""Title of a group -> its flags, over all commands."""
TITLE_OF = {f"--{name}": title for title, names in GROUPS.items() for name in names.split()}
OTHERS = "Options"
"""Title of the flags that are in no group; a command with few flags has this group only."""
WIDTH = 100
"""Columns of the help, at most."""
FEW = 12
"""Flags, at most, of a command that are shown without groups."""
WIDEST = 34
"""Columns of the arguments, at most; a longer one stands above its text."""


@runtime_checkable
class HasMainFlags(Protocol):
    """A command whose `--help` shows some of its flags; `--help-all` shows every one."""

    MAIN: typing.ClassVar[str]
    """Names of the main flags, without dashes."""


def print_help(command: type, prog: str, *, every: bool) -> None:
    """Print the help of a command on standard output; without `every`, its main flags only."""
    flags = list(flags_of(command))
    shown, hidden = flags, 0
    needed: Mapping[str, str] = getattr(command, "missing", lambda _: {})(frozenset())
    if isinstance(command, HasMainFlags) and not every:
        main = {f"--{name}" for name in command.MAIN.split()}
        shown = [flag for flag in flags if flag.positional or flag.required or flag.name in main]
        hidden = len(flags) - len(shown)
    what, _, examples = (inspect.getdoc(command) or "").partition(EXAMPLES)
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    console = SafeConsole(width=width, markup=False, highlight=False)
    console.print(f"usage: {prog} {_usage(shown, needed)}\n\n{_paragraphs(what)}\n")
    for title, group in _grouped(shown):
        console.print(title)
        console.print(_table(group))
        console.print()
    if examples:
        console.print(f"Examples\n{examples.strip(chr(10)).rstrip()}", soft_wrap=True)
    if hidden:
        console.print(f"\n{prog} --help-all shows {hidden} more options.")


def _paragraphs(text: str) -> str:
    """Return a docstring's paragraphs as one line each, which the console wraps at its own width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _usage(flags: Iterable[Flag], needed: Iterable[str]) -> str:
    """Return the arguments of the usage line: what is required, and optional positional arguments in brackets."""
    positional = [flag.spelled if flag.required else f"[{flag.spelled}]" for flag in flags if flag.positional]
    named = [flag.spelled for flag in flags if flag.required and not flag.positional]
    return " ".join((*positional, *named, *(text for text in needed if text.startswith("--")), "[OPTIONS]"))


def _grouped(flags: list[Flag]) -> Iterator[tuple[str, list[Flag]]]:
    """Yield each group of flags with its title, positional arguments first."""
    positional = [flag for flag in flags if flag.positional]
    if positional:
        yield "Arguments", positional
    named = [flag for flag in flags if not flag.positional]
    titles = {flag.name: TITLE_OF.get(flag.name, OTHERS) if len(named) > FEW else OTHERS for flag in named}
    for title in (OTHERS, *GROUPS):
        group = [flag for flag in named if titles[flag.name] == title]
        if group:
            yield title, group


def _table(flags: list[Flag]) -> Table:
    """Return a group as a table: the argument, and its text with its default."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=WIDEST, min_width=min(WIDEST, max(len(flag.spelled) for flag in flags)) + 2)
    table.add_column(overflow="fold")
    for flag in flags:
        text = flag.text + (f" [default: {flag.default}]" if _worth_saying(flag) else "")
        table.add_row(f"  {flag.spelled}", text + (" [required]" if flag.required and not flag.positional else ""))
    return table


def _worth_saying(flag: Flag) -> bool:
    """Return whether a default is a value, not the absence of one."""
    return flag.default not in (None, False, (), "")
