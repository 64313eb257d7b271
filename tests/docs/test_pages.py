"""Files, links, commands, flags and make targets that the documentation names exist."""

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache

import pytest

from corpusloom.pipelines.cli.argv import arguments
from corpusloom.pipelines.cli.argv.flag_table import flags_of
from corpusloom.pipelines.cli.main import COMMANDS
from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names
from corpusloom.schemas.errors import ConfigError
from tests.docs.names_of_page import ROOT

PAGES = sorted(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", *map("docs/{}".format, (
    "adaptation.md", "architecture.md", "building.md", "formats.md", "migration.md", "operations.md", "recipes.md",
    "streaming.md", "training.md",
))])  # fmt: skip
BEGINNINGS = ("", "pipelines/", "tests/pipelines/", "tests/", "trainers/", "trainers/stream/")
"""Folders below which a path is searched."""
OTHERS = {
    "--waves",
    "--constraint",
    "--texts",
    "--write",
    "--every",
    "--large",
    "--peers",
    "--mirror",
    "--all",
    "--only",
    "--copies",
}
"""Flags of earlier versions, of make's variables and of programs that are not `loom`."""


def text(page: str) -> str:
    """Return a page."""
    return (ROOT / page).read_text("utf-8")


def spans(page: str) -> list[str]:
    """Return the spans between backticks in the text of a page, without code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.M | re.S))


def test_every_page_is_checked() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
    assert found - {"docs/api.md"} == set(PAGES)  # api.md is made from the code


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    paths = {
        word
        for span in spans(page)
        for word in re.split(r"[ ,:]+", span)
        if re.fullmatch(r"[a-z_]\w*(/[\w.-]+)*(/|\.(py|md|toml|sh|svg))", word)
    }
    made = set(re.findall(r"`([\w/.]+)`, a new file:", text(page)))
    gone = {path for path in paths - made if not any((ROOT / start / path).exists() for start in BEGINNINGS)}
    assert gone == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text(page))
    assert {link for link in links if not (ROOT / page).parent.joinpath(link).exists()} == set()


@cache
def command(name: str) -> type:
    """Return the configuration of a command."""
    module = importlib.import_module(f"corpusloom.pipelines.cli.commands.{name.replace('-', '_')}")
    found: type = module.Command
    return found


@cache
def flags(name: str) -> set[str]:
    """Return the options of a command, with their dashes."""
    return {flag.name for flag in flags_of(command(name)) if not flag.positional} | {"--help", "--help-all"}


def lines_of_blocks(page: str) -> Iterator[list[str]]:
    """Yield the words after `loom` of each command line in the blocks of a page."""
    for block in re.findall(r"^```\n(.*?)^```", text(page), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if not line.startswith(("loom ", "torchrun ")):
                continue
            words = shlex.split(line, comments=True)
            if words[:1] == ["loom"]:
                yield words[1:]
            else:
                yield words[words.index("corpusloom") + 1 :]


LINES = [(page, line) for page in PAGES for line in lines_of_blocks(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[" ".join(line)[:60] for _, line in LINES])
def test_every_command_line_parses(page: str, line: list[str]) -> None:
    name, *argv = line[: line.index("--")] if "--" in line else line
    arguments.parse(command(name), argv, f"{page}: loom {name}")


def test_a_wrong_command_line_is_found() -> None:
    with pytest.raises(ConfigError, match="no option --warcs"):
        arguments.parse(command("build"), ["m3w", "--out", "x", "--warcs", "y"], "loom build")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_has_the_flags_that_are_named(page: str) -> None:
    for span in spans(page):
        named = re.match(r"loom ([a-z][a-z-]*)\b", span)
        if named:
            assert named[1] in COMMANDS, span
            assert set(re.findall(r"--[a-z][a-z-]*", span.split(" -- ")[0])) <= flags(named[1]), span
        elif span.startswith("--"):
            every = OTHERS.union(*map(flags, COMMANDS))
            assert set(re.findall(r"--[a-z][a-z0-9-]*", span)) <= every, span


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {word for words in re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)(?: [A-Z#]|`|$)", text(page), re.M)
             for word in words.split()}  # fmt: skip
    assert named <= targets


def test_every_recipe_has_a_row_in_the_table_of_recipes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| \w", text("docs/recipes.md"), re.M)
    assert {(name, load_recipe(name).kind) for name in recipe_names()} <= set(rows)
