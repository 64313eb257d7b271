"""Table of the commands of `loom`: name, module and summary. Only the command that runs is imported."""

import importlib
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

_COMMANDS = "corpusloom.pipelines.cli.commands"


class LoomCommand(Protocol):
    """A command with its parsed arguments."""

    def run(self) -> int:
        """Run it and return the exit code."""


@runtime_checkable
class TakesBeamOptions(Protocol):
    """A command that passes the options after `--` to Beam."""

    def with_beam_options(self, options: tuple[str, ...]) -> LoomCommand:
        """Return the command with these options."""


class CommandModule(Protocol):
    """A module of `commands/`; the fields of its class `Command` are the command's flags."""

    Command: type[LoomCommand]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table."""

    module: str
    """Module that defines the command."""
    summary: str
    """Its line in `loom --help`."""

    def load(self) -> type[LoomCommand]:
        """Import and return the command's class; other commands are not imported, so that loom starts fast."""
        return cast(CommandModule, importlib.import_module(self.module)).Command


COMMANDS = {
    "demo": Entry(f"{_COMMANDS}.demo", "run everything on a bundled website: scrape, build, statistics, three models"),
    "scrape": Entry(f"{_COMMANDS}.scrape", "fetch pages from seed URLs into WARCs, politely"),
    "build": Entry(f"{_COMMANDS}.build", "build a dataset from WARCs: every stage of a recipe, resumable"),
    "pages": Entry(f"{_COMMANDS}.pages", "run the stages of a recipe up to its selected pages"),
    "pairs": Entry(f"{_COMMANDS}.pairs", "run the stages of a recipe up to its selected pairs"),
    "images": Entry(f"{_COMMANDS}.images", "run the stages of a recipe up to its images, or work on an image store"),
    "shards": Entry(f"{_COMMANDS}.shards", "run the last stage of a recipe: records and image store -> dataset"),
    "extract": Entry(f"{_COMMANDS}.extract", "print the blocks of text and image of WARCs or HTML files"),
    "stats": Entry(f"{_COMMANDS}.stats", "summarise a dataset: text, JSON or an HTML report"),
    "verify": Entry(f"{_COMMANDS}.verify", "check the hashes, offsets and counts of a dataset"),
    "why": Entry(f"{_COMMANDS}.why", "print what became of one record in each stage, and why"),
    "index": Entry(f"{_COMMANDS}.index", "write sidecars for tars that other tools made"),
    "forget": Entry(f"{_COMMANDS}.forget", "remove pages or images from a dataset and from all that it was made of"),
    "train": Entry(f"{_COMMANDS}.train", "train clip, flamingo or vilbert on datasets"),
    "eval": Entry(f"{_COMMANDS}.eval", "evaluate a checkpoint"),
    "bench-stream": Entry(f"{_COMMANDS}.bench_stream", "measure how fast a dataset streams, and what limits it"),
}
"""In the order in which `loom --help` lists them."""
