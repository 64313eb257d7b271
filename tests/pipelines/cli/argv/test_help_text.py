"""Help is short and grouped, and ends with examples; --help-all shows every flag."""

import re

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.argv.flag_table import flags_of
from corpusloom.pipelines.cli.argv.help_text import GROUPS, TITLE_OF
from corpusloom.pipelines.cli.command_table import COMMANDS


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show help as on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the output of a command line that ends well."""
    assert main.run(words) == 0
    return capsys.readouterr().out


def options(text: str) -> set[str]:
    """Return the options that a help lists."""
    return set(re.findall(r"^  (--[a-z0-9-]+)", text, re.M))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_a_page_and_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, command, "--help")
    lines = text.splitlines()
    assert lines[0].startswith(f"usage: loom {command}")
    assert len(lines) <= 55
    assert max(map(len, lines[: lines.index("Examples")])) <= 100
    assert f"  loom {command} " in text or f"  loom {command}\n" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_whole_help_has_every_flag_once(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, command, "--help-all")
    names = [flag.name for flag in flags_of(COMMANDS[command].load()) if not flag.positional]
    assert options(text) == set(names)
    assert all(len(re.findall(rf"^  {name}\b(?!-)", text, re.M)) == 1 for name in names)


def test_the_stages_of_a_build_show_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    texts = {name: shown(capsys, name, "--help") for name in ("build", "pages", "shards")}
    assert "--contact" in options(texts["build"])
    assert "--contact" not in options(texts["pages"]) | options(texts["shards"])
    assert "--shards" in options(texts["shards"]) - options(texts["build"])
    assert texts["build"].startswith("usage: loom build RECIPE --out FOLDER --contact URL [OPTIONS]")
    assert re.search(r"loom build --help-all shows \d+ more options\.$", texts["build"].rstrip())


def test_the_main_flags_of_a_command_exist() -> None:
    for name, entry in COMMANDS.items():
        command = entry.load()
        known = {flag.name for flag in flags_of(command)}
        assert {f"--{word}" for word in getattr(command, "MAIN", "").split()} <= known, name


def test_groups_name_flags_that_exist_and_each_once() -> None:
    known = {flag.name for entry in COMMANDS.values() for flag in flags_of(entry.load())}
    assert TITLE_OF.keys() <= known
    assert len(TITLE_OF) == sum(len(names.split()) for names in GROUPS.values())


def test_defaults_are_shown_where_they_are_values(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys, "scrape", "--help").split())  # whatever the width of the terminal
    assert "at most. [default: 3]" in text
    assert "default: None" not in text
    assert "default: ()" not in text


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "help", "why") == shown(capsys, "why", "-h")
    assert shown(capsys, "help") == shown(capsys) == shown(capsys, "--help")


def test_the_list_of_commands_is_grouped_and_shows_a_first_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help")
    assert {entry.group for entry in COMMANDS.values()} <= set(text.splitlines())
    assert "  loom demo --quick\n" in text


def test_paragraphs_are_wrapped_once(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "index", "--help")
    assert not re.search(r"^OUT,$", text, re.M)
