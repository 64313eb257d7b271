"""`loom forget` sorts the lines of a list into URLs, domains, hashes and keys."""

from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets import takedown
from corpusloom.pipelines.datasets.takedown import Request
from corpusloom.schemas.errors import ConfigError, InputError, LoomError


def test_a_list_may_name_all_four_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[Request] = []

    def record(_: str, requests: list[Request], *rest: object, **flags: bool) -> None:
        named.extend(requests)
        assert flags == {"warc": False, "dry_run": True}
        raise LoomError("far enough")

    monkeypatch.setattr(takedown, "take_down", record)
    lines = ["\ufeff# a comment", "  # another", "", "http://a.example/x", " b.example ", "A" * 64, "b" * 32, "c" * 31]
    lines.append("Z" * 64)
    lines.append("http://a.example/x")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    with pytest.raises(LoomError, match="far enough"):
        main.run(["forget", "data", "--list", str(tmp_path / "list.txt"), "--url", "http://c.example/", "--dry-run"])
    assert named == [
        Request("url", "http://c.example/"),
        Request("url", "http://a.example/x"),
        Request("domain", "b.example"),
        Request("domain", "c" * 31),
        Request("domain", "Z" * 64),
        Request("sha256", "a" * 64),
        Request("key", "b" * 32),
    ]


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://a.example/x", "utf-16")
    with pytest.raises(InputError, match=r"list\.txt: not UTF-8 text"):
        main.run(["forget", "data", "--list", str(tmp_path / "list.txt")])


def test_nothing_to_forget_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# nothing yet\n\n")
    with pytest.raises(ConfigError, match="nothing to forget"):
        main.run(["forget", "data", "--list", str(tmp_path / "list.txt")])
