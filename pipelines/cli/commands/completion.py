"""`loom completion`: prints the script by which a shell completes commands, options and names."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the script by which a shell completes commands, options, recipes, configurations and paths.

    Examples:
      loom completion bash > ~/.local/share/bash-completion/completions/loom
      loom completion zsh > ~/.zsh/completions/_loom
    """

    shell: Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional]
    """bash, zsh or tcsh."""

    def run(self) -> int:
        """Print the script."""
        from corpusloom.pipelines.cli.argv.completion import script

        show(script(self.shell).rstrip(), lines=True)
        return 0
