"""`loom chat` hands its flags to a dialogue, prints a reply per text, and refuses what cannot be."""

import contextlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.chat import page_server, session
from corpusloom.trainers.flamingo.chat.dialogue import COMPLETION, DialogueForm
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.jobs import chat
from tests.pipelines.cli.recorded_calls import record_calls
from tests.pipelines.cli.test_chat_lines import Echo


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Return the arguments with which checkpoints are opened; dialogues repeat what they hear. Two images are here."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr(session, "Session", lambda responder: Echo())
    return record_calls(monkeypatch, chat, "open_responder", object())


def test_each_prompt_has_a_reply_and_flags_are_handed_on(opened: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["chat", "a.png", "b.png", "--checkpoint", "x", "--prompt", "one", "two", "--json", "--turns", "U:", "M:"]
    assert main.run([*argv, "--prefix", "A talk.", "--tokens", "9", "--set", "k=v", "--device", "cpu"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prompt"] for row in rows] == ["one", "two"]
    assert [row["images"] for row in rows] == [["a.png", "b.png"], []]
    arguments, named = opened[0]
    assert arguments == ("x", DialogueForm("A talk.", "U:", "M:"), DecodingConfig(limit=9, beams=3))
    assert named == {"device": "cpu", "assignments": ("k=v",)}


def test_without_prompts_the_lines_of_standard_input_are_answered(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond"))
    assert main.run(["chat", "--checkpoint", "x", "--complete", "--top-p", "0.9", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == ["first!\\u001b", "second!\\u001b"]
    wanted = DecodingConfig(limit=32, beams=1, top_p=0.9, rng_seed=3)
    assert opened[0][0][1:] == (COMPLETION, wanted)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tokens", "0"], "--tokens is 0"),
        (["--beams", "0"], "--beams is 0"),
        (["--prompt", "a", " "], "--prompt is an empty text"),
        (["--turns", "Q:", " "], "--turns has an empty keyword"),
        (["--port", "80"], "--port without --page"),
        (["--page", "--port", "0"], "--port is 0"),
        (["--page", "a.png"], "--page with images"),
        (["--page", "--prompt", "x"], "--page with images or --prompt"),
        (["--beams", "2", "--top-p", "0.5"], "top_p with several beams"),
    ],
)
def test_flags_that_cannot_be_are_refused(opened: list[Any], flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main.run(["chat", "--checkpoint", "x", *flags])
    assert opened == []


def test_the_page_is_served_until_ctrl_c(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = record_calls(monkeypatch, threading.Event, "wait", True)
    made = record_calls(monkeypatch, page_server, "PageServer", "server")
    monkeypatch.setattr(page_server, "serving", lambda server: contextlib.nullcontext("http://127.0.0.1:1/x"))
    assert main.run(["chat", "--checkpoint", "x", "--page", "--port", "8123"]) == 0
    assert capsys.readouterr().out == "http://127.0.0.1:1/x\n"
    assert made[0][0][1:] == ("x", 8123)
    assert len(waits) == 1
