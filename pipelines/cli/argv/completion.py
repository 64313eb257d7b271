"""Shell completion: the commands as one parser of argparse, from which shtab writes a script for bash, zsh or tcsh."""

import argparse
from collections.abc import Mapping

import shtab

from corpusloom.pipelines.cli.argv.flag_table import Flag, flags_of
from corpusloom.pipelines.cli.command_table import COMMANDS
from corpusloom.pipelines.recipes.recipe import recipe_names
from corpusloom.trainers.training.config import config_names

PATHS = {"PATH": shtab.FILE, "FILE": shtab.FILE, "FOLDER": shtab.DIRECTORY, "DATASET": shtab.DIRECTORY}
"""Word for a value in the help -> what completes it."""


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    parser = argparse.ArgumentParser(prog="loom", add_help=False)
    commands = parser.add_subparsers()
    names = {"RECIPE": recipe_names(), "--config": tuple(config_names())}
    for name, entry in COMMANDS.items():
        command = commands.add_parser(name, help=entry.summary)
        for flag in flags_of(entry.load()):
            _add(command, flag, names)
    return str(shtab.complete(parser, shell=shell))


def _add(command: argparse.ArgumentParser, flag: Flag, names: Mapping[str, tuple[str, ...]]) -> None:
    """Add a flag to a command's parser, with what completes its value."""
    if not flag.value:
        command.add_argument(flag.name, action="store_true", help=_plain(flag.text))
        return
    word = flag.value.split()[0]
    known = names.get(flag.name, names.get(word, flag.choices))
    nargs = "*" if flag.many else None
    action = command.add_argument(flag.name, nargs=nargs, choices=known or None, help=_plain(flag.text))
    if not known and word in PATHS:
        action.complete = PATHS[word]  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    """Return a help text that argparse does not take for a format."""
    return text.replace("%", "%%")
