"""TOML into dataclasses: strict, with the nearest name in the error."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from corpusloom.schemas import config
from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A table."""

    min_side: float = 1.0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A file."""

    name: str
    filters: Inner = field(default_factory=Inner)
    maybe: Inner | None = None


def test_values_and_overrides_reach_their_fields() -> None:
    values = config.override({"name": "x"}, ["filters.min_side=200", "filters.names=['a']", "maybe.min_side=2"])
    made = config.build(Outer, values)
    assert made == Outer(name="x", filters=Inner(min_side=200.0, names=("a",)), maybe=Inner(min_side=2.0))


def test_a_misspelt_key_is_an_error_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown key filters\.min_sid .*did you mean filters\.min_side"):
        config.build(Outer, {"name": "x", "filters": {"min_sid": 3}}, where="recipe x")
    with pytest.raises(ConfigError, match="unknown key nam"):
        config.build(Outer, {"nam": "x"})


def test_wrong_types_and_assignments_are_errors() -> None:
    with pytest.raises(ConfigError, match="min_side"):
        config.build(Outer, {"name": "x", "filters": {"min_side": "big"}})
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        config.override({}, ["filters.min_side"])


def test_a_missing_and_a_malformed_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"gone\.toml"):
        config.load_toml(str(tmp_path / "gone.toml"))
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(ConfigError, match=r"bad\.toml.*not valid TOML"):
        config.load_toml(str(tmp_path / "bad.toml"))
