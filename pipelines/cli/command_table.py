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
    group: str
    """Title above its line."""

    def load(self) -> type[LoomCommand]:
        """Import and return the command's class; other commands are not imported, so that loom starts fast."""
        return cast(CommandModule, importlib.import_module(self.module)).Command


def _rows(group: str, **summaries: str) -> dict[str, Entry]:
    """Return the rows of one group; the module of a command has its name."""
    return {
        module.replace("_", "-"): Entry(f"{_COMMANDS}.{module}", summary, group)
        for module, summary in summaries.items()
    }


COMMANDS = {
    **_rows(
        "Get data",
        demo="run everything on a bundled website: scrape, build, statistics, three models",
        scrape="fetch pages from seed URLs into WARCs, politely",
        build="build a dataset from WARCs: every stage of a recipe, resumable",
        metadata="build the list of entries that pairs of the recipe wit are matched with",
    ),
    **_rows(
        "Run the stages of a build one at a time",
        pages="run the stages of a recipe up to its selected pages",
        pairs="run the stages of a recipe up to its selected pairs",
        images="run the stages of a recipe up to its images, or work on an image store",
        shards="run the last stage of a recipe: records and image store -> dataset",
    ),
    **_rows(
        "Look into data, check and change it",
        extract="print the blocks of text and image of WARCs or HTML files",
        stats="summarise a dataset: text, JSON or an HTML report",
        verify="check the hashes, offsets and counts of a dataset",
        why="print what became of one record in each stage, and why",
        index="write sidecars for tars that other tools made",
        forget="remove pages or images from a dataset and from all that it was made of",
    ),
    **_rows(
        "Train",
        train="train clip, flamingo, vilbert or lm on datasets",
        eval="evaluate a checkpoint, or a CLIP of transformers or open_clip",
        benchmark_data="write the training split of a benchmark as a dataset, to fine-tune a Flamingo",
        chat="ask a Flamingo about images, in the terminal or from a file of lines",
        embed="write embeddings of a dataset's images and texts, by a CLIP",
        search="find the images of an embedded dataset that are nearest to a text or an image",
        tokenizer="learn a vocabulary from the captions of datasets",
        export_model="write the model of a run in the layout of transformers or open_clip",
        import_model="convert pickled weights into safetensors, once",
        bench_stream="measure how fast a dataset streams, and what limits it",
    ),
    **_rows(
        "Find names",
        list="list recipes, configurations of models, or keys",
        completion="print the script by which a shell completes commands, options and names",
    ),
}
"""In the order in which `loom --help` lists them."""
