"""What is printed cannot steer a terminal, forge a line or reorder a text."""

import io
import json

import pytest
from rich.table import Table

from corpusloom.pipelines.engine.printing import SafeConsole, printable, show

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", r"a\u001b[31mred"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("\x9b31m", r"\u009b31m"),
        ("a\rb\nc", r"a\u000db\u000ac"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\u0085d"),
        ("back\x08\x7f", r"back\u0008\u007f"),
        ("exe\u202egpj", r"exe\u202egpj"),
        ("name\udcff.html", r"name\udcff.html"),
        ("tab\tDürer 北京 👩\u200d🎨 ", "tab\tDürer 北京 👩\u200d🎨 "),
    ],
)
def test_what_steers_a_terminal_is_escaped_and_other_text_is_kept(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("mark", BIDI_CONTROLS)
def test_every_bidi_control_is_escaped(mark: str) -> None:
    assert printable(mark) == printable(mark, lines=True) == f"\\u{ord(mark):04x}"


def test_no_control_but_tab_and_line_feed_is_left() -> None:
    controls = "".join(map(chr, (*range(32), *range(127, 160))))
    assert printable(controls).count("\\u") == len(controls) - 1
    assert "".join(c for c in printable(controls, lines=True) if ord(c) < 32) == "\t\n"


def test_escaped_json_has_the_same_value() -> None:
    value = {"url": "http://a.example/\x7f\x9b\u202e\x1b"}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


def test_lines_are_printed_on_either_stream(capsys: pytest.CaptureFixture[str]) -> None:
    show("a\nb\x1b")
    show("a\nb\x1b", lines=True, err=True)
    assert capsys.readouterr() == ("a\\u000ab\\u001b\n", "a\nb\\u001b\n")


def test_a_console_escapes_lines_and_cells_without_markup() -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, width=60, markup=False)
    table = Table("url", box=None)
    table.add_row("http://a.example/\x1b[2J\u202e")
    console.print("[red]\x1b]0;x\x07")
    console.print(table)
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert r"[red]\u001b]0;x\u0007" in out.getvalue()
    assert r"http://a.example/\u001b[2J\u202e" in out.getvalue()
