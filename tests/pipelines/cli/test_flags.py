"""Flags that commands share: the fetcher's configuration, smallest values, and JSON on standard output."""

import io
import json

import pytest
from rich.console import Console

from corpusloom.pipelines.cli.flags import FetchFlags, OutputFlags, check_least, print_json
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import FileEntry


def heard(flags: FetchFlags) -> str:
    """Return the reporter's output while the configuration is made."""
    out = io.StringIO()
    flags.fetch_config(Reporter(quiet=True, console=Console(file=out, width=200)))
    return out.getvalue()


def test_fetch_flags_become_the_configuration() -> None:
    flags = FetchFlags(contact="me@example.org", allow_addresses=("10.0.0.0/8",), delay=0.0, i_own_these_hosts=True)
    config = flags.fetch_config(Reporter(quiet=True))
    assert (config.contact, config.allow_addresses) == ("me@example.org", ("10.0.0.0/8",))
    assert (config.delay, config.i_own_these_hosts) == (0.0, True)


def test_allowed_addresses_are_warned_of_even_when_quiet() -> None:
    assert heard(FetchFlags()) == ""
    assert "10.0.0.0/8, 127.0.0.0/8:80" in heard(FetchFlags(allow_addresses=("10.0.0.0/8", "127.0.0.0/8:80")))


def test_addresses_are_read_before_they_are_called_allowed() -> None:
    out = io.StringIO()
    with pytest.raises(ConfigError, match="--allow-addresses: 'xx'"):
        FetchFlags(allow_addresses=("xx",)).fetch_config(Reporter(console=Console(file=out)))
    assert out.getvalue() == ""


@pytest.mark.parametrize(("value", "least"), [(None, 1), (1, 1), (2, 1), (0, 0)])
def test_values_at_or_above_the_least_pass(value: int | None, least: int) -> None:
    check_least("--limit", value, least)


def test_a_value_below_the_least_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--limit is 0 \(give 1 or more\)"):
        check_least("--limit", 0, 1)


def test_output_flags_make_the_reporter() -> None:
    assert (OutputFlags().reporter().quiet, OutputFlags().reporter().json) == (False, False)
    made = OutputFlags(quiet=True, log_format="json").reporter()
    assert (made.quiet, made.json) == (True, True)
    assert not OutputFlags(json=True).reporter().json, "--json is the result, not the log"


def test_records_are_printed_as_sorted_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"b": FileEntry(name="Ä.tar", sha256="00", bytes=3), "a": 1})
    out = capsys.readouterr().out
    assert "Ä.tar" in out
    assert out.count("\n") == 1, "one line, so that a program can read the results of several commands line by line"
    assert list(json.loads(out)) == ["a", "b"]
    assert json.loads(out)["b"]["bytes"] == 3
