"""`loom forget` sorts the lines of a list into URLs, domains, hashes and keys."""

from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets import forget
from corpusloom.schemas.errors import ConfigError, LoomError


def test_a_list_may_name_all_four_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: dict[str, Any] = {}

    def record(**kinds: tuple[str, ...]) -> None:
        named.update(kinds)
        raise LoomError("far enough")

    monkeypatch.setattr(forget, "make_tombstones", record)
    lines = ["# a comment", "", "http://a.example/x", " b.example ", "a" * 64, "b" * 32, "c" * 31, "Z" * 64]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    with pytest.raises(LoomError, match="far enough"):
        main.run(["forget", "data", "--list", str(tmp_path / "list.txt"), "--url", "http://c.example/"])
    assert named == {
        "urls": ("http://c.example/", "http://a.example/x"),
        "domains": ("b.example", "c" * 31, "Z" * 64),
        "sha256": ("a" * 64,),
        "keys": ("b" * 32,),
    }


def test_nothing_to_forget_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# nothing yet\n\n")
    with pytest.raises(ConfigError, match="nothing to forget"):
        main.run(["forget", "data", "--list", str(tmp_path / "list.txt")])
