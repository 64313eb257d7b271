"""The command `loom`: argv to a command's config, its exit code back. The only file that knows every room."""

import difflib
import importlib
import itertools
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from corpusloom.pipelines.engine import logs
from corpusloom.schemas.errors import ConfigError, LoomError

COMMANDS = {
    "demo": "the bundled web, end to end: scrape, build, stats, three trainers",
    "scrape": "seeds -> WARC, politely",
    "build": "WARC -> dataset: every stage of one recipe, resumable",
    "pages": "the stages of a recipe up to its selected pages",
    "pairs": "the stages of a recipe up to its selected pairs",
    "images": "the stages of a recipe up to its image store",
    "shards": "the last stage of a recipe: records and image store -> dataset",
    "extract": "WARC or HTML -> blocks of text and image, to standard output",
    "stats": "what a dataset holds: summary, JSON, HTML report",
    "verify": "does it all add up? hashes, offsets, ledger",
    "why": "the story of one record through all stages",
    "index": "sidecars for tars that others made",
    "forget": "take-down: remove pages or images from a dataset and all it was made of",
    "train": "train clip, flamingo or vilbert on datasets",
    "eval": "evaluate a checkpoint",
    "bench-stream": "your own throughput by stage, and what bounds it",
}

INTERRUPTED = 130
TRACEBACK = "LOOM_TRACEBACK"
"""Environment variable: when set, an error ends with its traceback."""


def usage() -> str:
    """Return the text of `loom --help`."""
    lines = [
        "usage: loom COMMAND [OPTIONS]",
        "",
        "Builds multimodal corpora from the web and trains on them.",
        "",
        *(f"  {name:<13} {text}" for name, text in COMMANDS.items()),
        "",
        "loom COMMAND --help shows a command's options and examples. loom --version prints what shapes output.",
        "Exit codes: 0 done, 1 failed, 2 usage, 3 finished but a gate was not met, 130 interrupted (resumable).",
    ]
    return "\n".join(lines)


def version() -> str:
    """Return the versions of what shapes output."""
    from importlib.metadata import version as installed

    from corpusloom.pipelines.store.stages import library_versions
    from corpusloom.schemas.layout import FORMAT_VERSION

    rows = {"corpusloom": installed("corpusloom"), "dataset format": str(FORMAT_VERSION), **library_versions()}
    return "\n".join(f"{name} {text}" for name, text in rows.items())


def parse(name: str, argv: Sequence[str], beam_options: Sequence[str]) -> Any:
    """Return the config of one command; what is wrong with the flags ends the process with 2 and a suggestion."""
    from corpusloom.pipelines.cli import arguments

    command = importlib.import_module(f"corpusloom.pipelines.cli.commands.{name.replace('-', '_')}").Command
    parsed = arguments.parse(command, argv, f"loom {name}")
    if beam_options:
        if not hasattr(parsed, "with_beam_options"):
            raise ConfigError(f"loom {name} takes no Beam options", where="--", remedy="leave out -- and what follows")
        parsed = parsed.with_beam_options(tuple(beam_options))
    return parsed


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    words = list(argv)
    beam_options: list[str] = []
    if "--" in words:
        cut = words.index("--")
        words, beam_options = words[:cut], words[cut + 1 :]
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] == "--version":
        print(version())
        return 0
    name = words[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        raise ConfigError(
            f"no command {name!r}", where="loom", remedy=f"did you mean {near[0]}?" if near else "see loom --help"
        )
    return int(parse(name, words[1:], beam_options).run())


def _keep(record: logging.LogRecord) -> bool:
    """Say whether a log line concerns a user: not Beam's note that an optional Google library is absent."""
    return "apitools not found" not in record.getMessage()


def wants_json(argv: Sequence[str]) -> bool:
    """Say whether logs are to be JSON lines; asked before anything is parsed, so that errors of flags are as well."""
    return "--log-format=json" in argv or ("--log-format", "json") in itertools.pairwise(argv)


def explain(error: Exception) -> LoomError:
    """Return an error as one line: what the system refused, or a bug and how to see its traceback."""
    if isinstance(error, LoomError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return LoomError(
            error.strerror, where=str(error.filename or "loom"), remedy="check the path and its permissions"
        )
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return LoomError(what, where="loom", remedy=f"a bug: please report it; {TRACEBACK}=1 shows the traceback")


def _flush() -> None:
    """Write what is left for standard output; one that takes no more gets it no more, else Python complains at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Entry point of the console script."""
    as_json = wants_json(sys.argv[1:])
    if as_json:
        logs.use_json_lines()
    for place in (logging.getLogger(), *logging.getLogger().handlers):
        place.addFilter(_keep)
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the way out
        text = "what was finished is kept; run the same command to resume"
        if as_json:
            logs.log("interrupted", text=text)
        else:
            console.print(f"interrupted: {text}")
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        code = 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        shown = explain(error)
        code = shown.exit_code
        if as_json:
            logs.log("error", what=shown.what, where=shown.where, remedy=shown.remedy, exit_code=code)
        else:
            console.print(f"error: {shown}", style="red")
    _flush()
    sys.exit(code)
