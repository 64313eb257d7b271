"""The command `loom`: parses argv, runs one command, and ends with its exit code."""

import difflib
import io
import itertools
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from corpusloom.pipelines.cli.command_table import COMMANDS, LoomCommand, TakesBeamOptions
from corpusloom.pipelines.engine import logs
from corpusloom.pipelines.engine.printing import SafeConsole, printable, show
from corpusloom.schemas.errors import ConfigError, LoomError, shortage_of

INTERRUPTED = 130
HELP = {"-h", "--help", "--help-all"}
TRACEBACK = "LOOM_TRACEBACK"
"""Environment variable; if set, an error is shown with its traceback."""


def usage() -> str:
    """Return the text of `loom --help`."""
    lines = ["usage: loom COMMAND [OPTIONS]", "", "Builds multimodal corpora from the web and trains on them."]
    for group in dict.fromkeys(entry.group for entry in COMMANDS.values()):
        lines += ["", group]
        lines += [f"  {name:<13} {entry.summary}" for name, entry in COMMANDS.items() if entry.group == group]
    lines += [
        "",
        "Start with",
        "  loom demo --quick",
        "  loom build m3w --warc crawl.warc.gz --out data/m3w --contact https://example.org/bot",
        "",
        "loom COMMAND --help shows options and examples. loom --version prints the versions that shape the output.",
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate not met or nothing kept, 4 no match, 130 interrupted.",
    ]
    return "\n".join(lines)


def version() -> str:
    """Return the versions of corpusloom, the dataset format and the libraries that shape the output."""
    from importlib.metadata import version as installed

    from corpusloom.pipelines.store.stages import library_versions
    from corpusloom.schemas.layout import FORMAT_VERSION

    rows = {"corpusloom": installed("corpusloom"), "dataset format": str(FORMAT_VERSION), **library_versions()}
    return "\n".join(f"{name} {text}" for name, text in rows.items())


def parse(name: str, argv: Sequence[str], beam_options: Sequence[str]) -> LoomCommand:
    """Return one command, filled from argv; wrong flags raise ConfigError with a suggestion."""
    from corpusloom.pipelines.cli.argv import arguments

    command = arguments.parse(COMMANDS[name].load(), argv, f"loom {name}")
    if not beam_options:
        return command
    if not isinstance(command, TakesBeamOptions):
        raise ConfigError(f"loom {name} takes no Beam options", where="--", remedy="leave out -- and all after it")
    return command.with_beam_options(tuple(beam_options))


def _nearest(name: str) -> str:
    """Return what to do about a command that does not exist."""
    if name.startswith("-"):
        return "the command comes first: loom COMMAND [OPTIONS]"
    near = difflib.get_close_matches(name.lower(), COMMANDS, 1)
    return f"did you mean {near[0]}?" if near else "see loom --help"


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    words = list(argv)
    beam_options: list[str] = []
    if "--" in words:
        cut = words.index("--")
        words, beam_options = words[:cut], words[cut + 1 :]
    if words[:1] == ["help"]:  # as in `git help build`
        words = [*words[1:2], "--help"]
    if not words or words[0] in HELP:
        show(usage(), lines=True)
        return 0
    if words[0] == "--version":
        show(version(), lines=True)
        return 0
    name = words[0]
    if name not in COMMANDS:
        raise ConfigError(f"no command {name!r}", where="loom", remedy=_nearest(name))
    if HELP & set(words):
        from corpusloom.pipelines.cli.argv.help_text import print_help

        print_help(COMMANDS[name].load(), f"loom {name}", every="--help-all" in words)
        return 0
    return parse(name, words[1:], beam_options).run()


def _keep(record: logging.LogRecord) -> bool:
    """Return whether a log record is shown; hides Beam's note that an optional Google library is absent."""
    return "apitools not found" not in record.getMessage()


def wants_json(argv: list[str]) -> bool:
    """Return whether logs are JSON lines; read from argv before parsing, since parse errors are logged too.

    `loom train --json` logs its reports, so it means both.
    """
    if argv[:1] == ["train"] and "--json" in argv:
        return True
    return "--log-format=json" in argv or ("--log-format", "json") in itertools.pairwise(argv)


def one_line(text: str) -> str:
    """Return a text with its line breaks as spaces."""
    return " ".join(part.strip() for part in text.splitlines())


def explain(error: Exception) -> LoomError:
    """Return an error as a LoomError of one line; an unexpected one is reported as a bug."""
    if isinstance(error, LoomError):
        return error
    shortage = shortage_of(error)
    if shortage is not None:
        return shortage
    if isinstance(error, OSError) and error.strerror:
        return LoomError(
            error.strerror, where=str(error.filename or "loom"), remedy="check the path and its permissions"
        )
    return LoomError(
        f"{type(error).__name__}: {error}",
        where="loom",
        remedy=f"please report this bug; {TRACEBACK}=1 shows the traceback",
    )


def _flush() -> None:
    """Flush stdout; if it is closed, point it at /dev/null so that Python does not report an error at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Entry point of the console script."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # its encoding may lack characters; escaping them beats an error
        sys.stdout.reconfigure(errors="backslashreplace")
    as_json = wants_json(sys.argv[1:])
    if as_json:
        logs.use_json_lines()
    else:
        logs.use_plain_lines()
    for handler in logging.getLogger().handlers:
        handler.addFilter(_keep)
    console = SafeConsole(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the exit
        text = "finished work is kept; run the same command to resume"
        if as_json:
            logs.log("interrupted", text=text)
        else:
            console.print(f"interrupted: {text}")
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has closed it, as `head` does
        code = 0
    except Exception as error:
        shown = explain(error)
        code = shown.exit_code
        if os.environ.get(TRACEBACK):
            show(traceback.format_exc(), lines=True, err=True)
        if as_json:
            logs.log("error", what=shown.what, where=shown.where, remedy=shown.remedy, exit_code=code)
        else:
            console.print(printable(f"error: {one_line(str(shown))}"), style="red")
    _flush()
    sys.exit(code)
