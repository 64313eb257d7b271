"""The command line: strict, helpful, with the right exit code; its flags are frozen."""

import json
import signal
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, InputError, VersionError
from corpusloom.schemas.layout import FORMAT_VERSION


def run(*argv: str) -> int:
    """Run a command line in this process."""
    return main.run(argv)


def flags(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the flags that a command's help shows."""
    import re

    assert run(command, "--help-all") == 0
    return set(re.findall(r"^  (--[a-z0-9-]+)", capsys.readouterr().out, re.M))


FROZEN = {
    "scrape": "allow-addresses contact delay depth i-own-these-hosts agents images max-pages out seeds "
    "json log-format quiet",
    "verify": "allow-addresses deep repair quick json log-format quiet",
    "forget": "domain dry-run key list sha256 url warc json log-format quiet",
    "why": "json",
    "stats": "html json log-format quiet scheduler",
    "eval": "annotations batch-size beams benchmark checkpoint classes data device dtype ensemble ground-truth html "
    "images interpolate limit out pool prompt rices seeds set shots split templates text-shots workers json log-format "
    "quiet",
    "demo": "out quick port json log-format quiet",
}


@pytest.mark.parametrize("command", sorted(FROZEN))
def test_a_new_flag_fails_until_it_is_listed_here(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert flags(command, capsys) == {f"--{name}" for name in FROZEN[command].split()}


def test_every_command_that_help_lists_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for command in main.COMMANDS:
        assert command in text
        assert "Examples" in _help(command, capsys)


def _help(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(command, "--help") == 0
    return capsys.readouterr().out


def test_version_names_what_shapes_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    text = capsys.readouterr().out
    assert f"dataset format {FORMAT_VERSION}" in text
    assert "resiliparse" in text


def test_misspelt_commands_flags_and_recipes_suggest_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean build"):
        run("biuld")
    with pytest.raises(ConfigError, match="no option --wrac"):
        run("build", "m3w", "--wrac", "y")
    with pytest.raises(ConfigError, match="did you mean m3w"):
        run("build", "m3q", "--out", str(tmp_path / "x"), "--warc", "y", "--plan")
    with pytest.raises(ConfigError, match="unknown key"):
        run("build", "m3w", "--warc", "y", "--print-config", "--set", "filters.qualty.min_words=3")


def test_a_flag_given_twice_is_an_error() -> None:
    with pytest.raises(ConfigError, match="--out is given twice"):
        run("build", "m3w", "--out", "a", "--out", "b")


def test_beam_options_come_after_two_dashes_and_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no option --numworkers"):
        run("build", "m3w", "--out", str(tmp_path / "x"), "--warc", "y", "--plan", "--", "--numworkers=3")
    with pytest.raises(ConfigError, match="DaskRunner"):
        run("build", "m3w", "--out", str(tmp_path / "x"), "--warc", "y", "--plan", "--", "--runner=DaskRunner")
    with pytest.raises(ConfigError, match="takes no Beam options"):
        run("verify", "x", "--", "--streaming")


def test_print_config_prints_the_recipe_with_its_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "m3w", "--set", "filters.min_side=200", "--print-config") == 0
    import tomllib

    assert tomllib.loads(capsys.readouterr().out)["filters"]["images"]["min_side"] == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("", "holds no URL"),
        ("ftp://a.example/\n", "is no http"),
        (b"\xff\xfe\xfa", "not UTF-8"),
    ],
)
def test_bad_seed_files_are_named(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    seeds = tmp_path / "seeds.txt"
    if text is not None:
        seeds.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=rf"seeds\.txt.*{message}"):
        run("scrape", "--seeds", str(seeds), "--out", str(tmp_path / "out"), "--contact", "a@example.org")


def test_a_scrape_needs_a_contact_and_politeness(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("http://a.example/")
    with pytest.raises(ConfigError, match="--contact"):
        run("scrape", "--seeds", str(tmp_path / "s.txt"), "--out", str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="--delay 0"):
        run(
            "scrape",
            "--seeds",
            str(tmp_path / "s.txt"),
            "--out",
            str(tmp_path / "o"),
            "--contact",
            "a@b.example",
            "--delay",
            "0",
        )


def test_an_unfinished_or_newer_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".building.json").write_text("{}")
    for command in ("verify", "stats"):
        with pytest.raises(InputError, match="unfinished"):
            run(command, str(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"format_version": 99}))
    for argv in (["verify"], ["stats"], ["why", "http://a.example/"]):
        with pytest.raises(VersionError, match="upgrade corpusloom"):
            run(argv[0], str(tmp_path), *argv[1:])


def test_errors_end_with_one_line_and_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, code, words in (
        (["loom", "biuld"], 2, "did you mean build"),
        (["loom", "verify", "/nowhere"], 1, "no such folder"),
    ):
        monkeypatch.setattr("sys.argv", argv)
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == code
        shown = capsys.readouterr().err
        assert words in shown
        assert "Traceback" not in shown


def test_an_interrupt_says_that_nothing_finished_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert "run the same command to resume" in capsys.readouterr().err
