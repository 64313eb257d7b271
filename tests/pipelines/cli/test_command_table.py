"""The table of commands: each row names a module with a command, and loading one loads no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import commands
from corpusloom.pipelines.cli.command_table import COMMANDS, TakesBeamOptions


@pytest.mark.parametrize("name", COMMANDS)
def test_each_row_names_a_command(name: str) -> None:
    command = COMMANDS[name].load()
    assert command.__module__ == COMMANDS[name].module
    assert callable(command.run)
    assert command.__module__.endswith(f".{name.replace('-', '_')}")


def test_each_module_of_commands_has_a_row() -> None:
    found = {path.stem for path in Path(commands.__path__[0]).glob("*.py")} - {"__init__"}
    assert found == {entry.module.rsplit(".", 1)[-1] for entry in COMMANDS.values()}


def test_commands_that_run_pipelines_take_beam_options() -> None:
    taking = {name for name, entry in COMMANDS.items() if issubclass(entry.load(), TakesBeamOptions)}
    assert taking == {"build", "pages", "pairs", "images", "shards"}


def test_loading_one_command_loads_no_other_and_no_heavy_library() -> None:
    program = (
        "import sys; from corpusloom.pipelines.cli.command_table import COMMANDS; COMMANDS['why'].load();"
        "print([name for name in sys.modules if '.commands.' in name], {'apache_beam', 'torch'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['corpusloom.pipelines.cli.commands.why'] set()"
