"""TOML into dataclasses: strict, with the nearest name in the error."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from corpusloom.schemas import config
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import TrainConfig


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


def test_overrides_leave_the_values_that_they_were_given() -> None:
    values = {"filters": {"min_side": 1}}
    assert config.override(values, ["filters.min_side=2", " new.key =3"]) == {
        "filters": {"min_side": 2},
        "new": {"key": 3},
    }
    assert values == {"filters": {"min_side": 1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0.5", 0.5), ("true", True), ("'5'", "5"), ("[1, 2]", [1, 2]), ("plain words", "plain words"),
     ("a=b", "a=b"), ("", "")],
)  # fmt: skip
def test_a_value_is_toml_or_else_a_string(text: str, value: object) -> None:
    assert config.override({}, [f"key={text}"]) == {"key": value}


def test_a_later_assignment_wins() -> None:
    assert config.override({}, ["a.b=1", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize("assignment", ["=3", " =3", "key", ""])
def test_an_assignment_needs_a_key_and_a_value(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"--set: .* is not KEY=VALUE"):
        config.override({}, [assignment])


def test_a_value_cannot_be_assigned_a_key() -> None:
    with pytest.raises(ConfigError, match=r"'a' in 'a\.b' is a value, not a table"):
        config.override({"a": 1}, ["a.b=2"])


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    made = config.build(Outer, {"name": "x", "filters": {"min_side": 3}})
    assert isinstance(made.filters.min_side, float)


def test_a_missing_key_is_named_with_its_file() -> None:
    with pytest.raises(ConfigError, match=r"recipe x: .*name"):
        config.build(Outer, {}, where="recipe x")


def test_an_unknown_key_without_a_near_one_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known: name, filters, maybe"):
        config.build(Outer, {"name": "x", "zzzzzz": 1})
    with pytest.raises(ConfigError, match=r"unknown key maybe\.zzzzzz .*known: min_side, names"):
        config.build(Outer, {"name": "x", "maybe": {"zzzzzz": 1}})


def test_a_file_is_read_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_bytes('name = "grün"'.encode())
    assert config.load_toml(str(tmp_path / "good.toml")) == {"name": "grün"}
    (tmp_path / "latin.toml").write_bytes('name = "grün"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml.*not valid TOML"):
        config.load_toml(str(tmp_path / "latin.toml"))


@pytest.mark.parametrize("value", ["jpg", "", {}, 3, True])
def test_only_a_list_is_taken_where_a_list_is_wanted(value: object) -> None:
    with pytest.raises(ConfigError, match=r"x: filters\.names is .*, not a list \(write filters\.names = \[\.\.\.\]\)"):
        config.build(Outer, {"name": "x", "filters": {"names": value}}, where="x")


@pytest.mark.parametrize("value", [True, False, float("inf"), float("nan")])
def test_a_number_is_finite_and_not_a_truth_value(value: float) -> None:
    with pytest.raises(ConfigError, match=r"maybe\.min_side is .*, not a .*number"):
        config.build(Outer, {"name": "x", "maybe": {"min_side": value}})


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("filters.min_sied", "filters.images.min_side"),
        ("min_side", "filters.images.min_side"),
        ("filters.qualty.min_words", "filters.quality.min_words"),
        ("quality.min_words", "filters.quality.min_words"),
        ("captions.min_words", "filters.captions.min_words"),
        ("filters.captons", "filters.captions"),
        ("train.learning_rate", "train.lr"),
        ("zzzz", None),
    ],
)
def test_the_nearest_key_is_found_whatever_its_table(written: str, nearest: str | None) -> None:
    known = ["filters", "filters.captions", "filters.images.min_side", "train.lr", "train.rng_seed"]
    known += [f"filters.{table}.min_words" for table in ("captions", "quality")]
    assert config.nearest_key(written, known) == nearest


def test_a_key_of_another_table_is_suggested_with_its_table() -> None:
    with pytest.raises(ConfigError, match=r"unknown key min_side \(did you mean maybe\.min_side\?\)"):
        config.build(Outer, {"name": "x", "min_side": 2.0})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 3, "name is 3, not a text"),
        ("filters", "x", "filters is 'x', not a table"),
        ("filters", {"min_side": "wide"}, "filters.min_side is 'wide', not a number"),
    ],
)
def test_a_wrong_type_is_told_in_plain_words(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.build(Outer, {"name": "x", key: value})


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"), (int | None, "a whole number"), (float | str, "a number or a text"),
        (tuple[str, ...], "a list"), (dict[str, int], "a table"), (Inner | None, "a table"), (bool, "true or false"),
    ],
)  # fmt: skip
def test_types_have_plain_words(hint: object, words: str) -> None:
    assert config.type_words(hint) == words


def test_the_docstring_of_each_field_is_one_line() -> None:
    docs = config.field_docs(TrainConfig)
    assert docs["steps"] == "Optimiser updates of the whole run."
    assert "\n" not in "".join(docs.values())
