"""Shell completion knows commands, options, recipes, configurations and paths; bash runs the script."""

import shutil
import subprocess
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.argv.completion import script
from corpusloom.pipelines.cli.command_table import COMMANDS

ASK = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_loom 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the script for bash."""
    path = tmp_path_factory.mktemp("completion") / "loom.bash"
    path.write_text(script("bash"))
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected", "wrong"),
    [
        ("loom b", {"build", "bench-stream", "benchmark-data"}, {"why"}),
        ("loom build --con", {"--contact"}, {"--out"}),
        ("loom build m", {"m3w", "mmc4"}, {"align"}),
        ("loom train clip --config clip-t", {"clip-tiny"}, {"clip-rn50"}),
        ("loom build m3w --fetcher i", {"img2dataset"}, {"own"}),
        ("loom list k", {"keys"}, {"recipes"}),
        ("loom export-model FOLDER --to o", {"open_clip"}, {"hf"}),
        ("loom tokenizer --kind w", {"wordpiece"}, {"bpe"}),
        ("loom verify FOLDER/da", {"FOLDER/data"}, set()),
    ],
)
def test_bash_completes(words: str, expected: set[str], wrong: set[str], bash: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    program = ASK.format(script=bash, words=words.replace("FOLDER", str(tmp_path)))
    run = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    found = set(run.stdout.split())
    assert {word.replace("FOLDER", str(tmp_path)) for word in expected} <= found
    assert not wrong & found


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_shell_gets_every_command(shell: str) -> None:
    text = script(shell)
    assert all(name in text for name in COMMANDS)
