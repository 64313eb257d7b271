"""The lines of a dialogue in the terminal or on standard input: texts, and commands that begin with a slash."""

import io
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas.config import nearest_key
from corpusloom.schemas.errors import InputError, LoomError

if TYPE_CHECKING:
    from corpusloom.trainers.flamingo.chat.session import Session

HELP = """\
Write a text and press Enter: the model replies.
  /image FILE   show it an image, a video, or a folder of a video's frames, with the next text
  /undo         take back the images that wait, or the last turn
  /reset        begin anew
  /quit         end; so does Ctrl-D
Images stand before the text, or where the text has the tag <image>. Put a blank before a text that begins with /."""
COMMANDS = ("/image", "/undo", "/reset", "/help", "/quit")


def talk(session: "Session", reporter: Reporter, *, json: bool) -> None:
    """Answer lines of standard input until it ends or says /quit.

    In a terminal an error is shown and the dialogue goes on, and Ctrl-C abandons a reply; elsewhere the first error
    ends it.
    """
    terminal = sys.stdin.isatty()
    for number, line in enumerate(_typed() if terminal else _piped(), 1):
        try:
            if line.strip() == "/quit":
                return
            if line.startswith("/"):
                _command(session, line.rstrip())
            elif not line.strip():
                raise InputError(f"line {number} is empty", remedy="write a text, or /help")
            else:
                answer(session, line, reporter, json=json, terminal=terminal)
            sys.stdout.flush()
        except LoomError as error:
            if not terminal:
                raise
            show(f"error: {error}", err=True)
        except KeyboardInterrupt:
            if not terminal:
                raise
            show("abandoned; Ctrl-D ends", err=True)


def answer(session: "Session", text: str, reporter: Reporter, *, json: bool, terminal: bool = False) -> None:
    """Print the reply to a text."""
    reply = session.ask(text)
    if reply.cut:
        reporter.warn(f"the context is full: texts of the oldest turns are dropped ({reply.cut}); all images stay")
    if json:
        print_json({"prompt": text, "images": reply.images, "reply": reply.text, "dropped_turns": reply.cut})
    else:
        show(reply.text or ("(the model ends its reply at once)" if terminal else ""))


def _command(session: "Session", line: str) -> None:
    """Run a line that begins with a slash."""
    name, _, value = line.partition(" ")
    if name == "/image" and value.strip():
        session.add_image(value.strip())
    elif line == "/undo":
        if not session.undo():
            raise InputError("nothing to take back", where=line)
    elif line == "/reset":
        session.reset()
    elif line == "/help":
        show(HELP, lines=True, err=True)
    elif name in COMMANDS:
        form = "needs a FILE" if name == "/image" else "stands alone"
        raise InputError(f"{name} {form}", remedy="/help lists the commands")
    else:
        near = nearest_key(name, COMMANDS)
        remedy = f"did you mean {near}?" if near else "/help lists the commands; put a blank before a text with /"
        raise InputError(f"no command {name}", remedy=remedy)


def _typed() -> Iterator[str]:
    """Yield lines that are typed, with the editing of Python's readline."""
    show("Write a text; /help lists the commands, Ctrl-D ends.", err=True)
    while True:
        try:
            yield input("> ")
        except EOFError:
            show(err=True)
            return
        except KeyboardInterrupt:
            show("  Ctrl-D ends", err=True)


def _piped() -> Iterator[str]:
    """Yield the lines of standard input, which is UTF-8."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")
    lines: Iterable[str] = sys.stdin
    try:
        for line in lines:
            yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InputError("the text is not UTF-8", where="standard input", remedy="convert it, as with iconv") from error
