"""Lines of a dialogue: commands, errors that go on in a terminal and end elsewhere, JSON."""

import io
import json
from dataclasses import dataclass, field

import pytest

from corpusloom.pipelines.cli.chat_lines import answer, talk
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas.errors import InputError


@dataclass(frozen=True)
class Said:
    """A reply of the dialogue below."""

    text: str
    images: tuple[str, ...] = ()
    cut: int = 0


@dataclass
class Echo:
    """A dialogue that repeats what it is told."""

    calls: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def add_image(self, path: str) -> None:
        if path.endswith(".txt"):
            raise InputError("the image cannot be decoded", where=path)
        self.waiting.append(path)

    def ask(self, text: str) -> Said:
        self.calls.append(text)
        images, self.waiting = tuple(self.waiting), []
        return Said("" if text == "nothing" else f"{text}!\x1b", images, text.count("cut"))

    def undo(self) -> bool:
        self.calls.append("undo")
        return len(self.calls) > 2

    def reset(self) -> None:
        self.calls.append("reset")


class Terminal(io.StringIO):
    """Lines that a user types."""

    def isatty(self) -> bool:
        return True


def talk_of(monkeypatch: pytest.MonkeyPatch, lines: str, *, terminal: bool = False, json: bool = False) -> Echo:
    """Return the dialogue that these lines led."""
    monkeypatch.setattr("sys.stdin", Terminal(lines) if terminal else io.StringIO(lines))
    echo = Echo()
    talk(echo, Reporter(), json=json)
    return echo


def test_lines_and_commands_are_done_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "/image a b.png\nfirst\n/help\n /image is a text\n/undo\n/reset\n/quit\nnever\n"
    echo = talk_of(monkeypatch, lines, json=True)
    assert echo.calls == ["first", " /image is a text", "undo", "reset"]
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert rows[0] == {"prompt": "first", "images": ["a b.png"], "reply": "first!\x1b", "dropped_turns": 0}
    assert rows[1]["images"] == []
    assert "/image FILE" in printed.err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a\n\n", "line 2 is empty"),
        ("/imgae x.png\n", r"no command /imgae \(did you mean /image\?\)"),
        ("/zzz\n", "no command /zzz"),
        ("/image\n", "/image needs a FILE"),
        ("/reset now\n", "/reset stands alone"),
        ("/image a.txt\n", "a.txt: the image cannot be decoded"),
        ("/undo\n", "nothing to take back"),
    ],
)
def test_a_mistake_ends_lines_from_a_file_and_not_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        talk_of(monkeypatch, lines)
    capsys.readouterr()
    assert talk_of(monkeypatch, f"{lines}on\n", terminal=True).calls[-1] == "on"
    printed = capsys.readouterr()
    assert "error: " in printed.err
    assert printed.out.rstrip(" >\n").endswith("on!\\u001b")


def test_a_line_that_is_not_utf_8_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8"))
    with pytest.raises(InputError, match="standard input: the text is not UTF-8"):
        talk(Echo(), Reporter(), json=False)


def test_ctrl_c_abandons_a_reply_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Slow(Echo):
        def ask(self, text: str) -> Said:
            if text == "slow":
                raise KeyboardInterrupt
            return super().ask(text)

    monkeypatch.setattr("sys.stdin", Terminal("slow\nfast\n"))
    talk(Slow(), Reporter(), json=False)
    assert "fast!" in capsys.readouterr().out


def test_dropped_turns_and_empty_replies_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    answer(Echo(), "cut", Reporter(), json=False)
    assert "texts of the oldest turns are dropped (1)" in capsys.readouterr().err
    answer(Echo(), "nothing", Reporter(), json=False, terminal=True)
    assert capsys.readouterr().out == "(the model ends its reply at once)\n"
    answer(Echo(), "nothing", Reporter(), json=False)
    assert capsys.readouterr().out == "\n"
