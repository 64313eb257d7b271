"""No command prints a terminal control or a bidi control of a hostile URL, text or file name."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.page_printer import PagePrinter
from corpusloom.pipelines.cli.text_tables import print_counts
from corpusloom.pipelines.datasets import why
from corpusloom.pipelines.engine import logs
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import Block, StageCounts
from tests.pipelines.cli.test_page_printer import response

EVIL = "http://a.example/\x1b]0;owned\x07\x9b2J\u202egpj.\u2066x\x7f\udcff"
SHOWN = r"http://a.example/\u001b]0;owned\u0007\u009b2J\u202egpj.\u2066x\u007f\udcff"
FORGED = "\nerror: forged"
RAW = set(EVIL) - set(SHOWN)
EVENT = why.Event(
    stage="images", unit="image", key="k", parent=None, url=EVIL + FORGED, outcome="rejected", reason=EVIL
)


@pytest.fixture(autouse=True)
def _restored_logging() -> object:
    """Undo what `main.main` does to the logging of this process."""
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    yield
    logging.captureWarnings(False)
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
    for handler in before:
        if handler not in root.handlers:
            root.addHandler(handler)


def raise_it() -> int:
    """Fail with a hostile text."""
    raise InputError(f"cannot read {EVIL}{FORGED}", where=EVIL)


def warn_it() -> int:
    """Let Python, a library and a reporter warn of a hostile text."""
    warnings.warn(EVIL, stacklevel=1)
    logging.getLogger("urllib3").warning("retrying %s", EVIL)
    Reporter().warn(EVIL + FORGED)
    Reporter().note(EVIL + FORGED)
    return 0


def explain_it() -> int:
    """Print the outcome of a hostile URL."""
    return main.run(["why", "data", EVIL])


def count_it() -> int:
    """Print a table whose reasons are hostile."""
    print_counts([StageCounts(stage="s", unit="u", records_in=1, kept=0, rejected={EVIL: 1}, dead={})], EVIL)
    return 0


def crash() -> int:
    """Raise an unexpected error with a hostile text."""
    raise ValueError(EVIL + FORGED)


@pytest.mark.parametrize("work", [raise_it, warn_it, explain_it, count_it, crash])
@pytest.mark.parametrize("traceback", [False, True])
def test_hostile_text_is_escaped_wherever_it_is_printed(
    work: Callable[[], int], traceback: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(why, "why", lambda *_: [EVENT])
    monkeypatch.setattr(sys, "argv", ["loom"])
    if traceback:
        monkeypatch.setenv("LOOM_TRACEBACK", "1")
    run = main.run
    monkeypatch.setattr(main, "run", lambda argv: run(argv) if argv else work())
    with pytest.raises(SystemExit):
        main.main()
    printed = "".join(capsys.readouterr())
    assert not RAW & set(printed)
    assert SHOWN in printed.replace("\n", "")
    assert traceback or not any(line.startswith("error: forged") for line in printed.splitlines())


@pytest.mark.parametrize("form", ["md", "html", "jsonl"])
def test_extracted_pages_are_escaped_and_json_keeps_its_value(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = Extracted(title=EVIL, blocks=(Block(kind="paragraph", text=EVIL),), canonical_link=EVIL)
    PagePrinter(form, None).print(page, response(EVIL))  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert not RAW & set(printed)
    if form == "jsonl":
        assert json.loads(printed)["url"] == EVIL


def test_logs_of_json_escape_what_json_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("library", logging.WARNING, __file__, 1, "%s", (EVIL,), None)
    line = logs.JsonLinesFormatter().format(record)
    assert not RAW & set(line)
    assert json.loads(line)["text"] == EVIL


def test_a_character_that_the_terminal_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="latin-1"))
    monkeypatch.setattr(sys, "argv", ["loom"])
    monkeypatch.setattr(main, "run", lambda _: show("D\u00fcrer \u5317") or 0)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    assert printed.getvalue() == "D\u00fcrer \\u5317\n".encode("latin-1")
