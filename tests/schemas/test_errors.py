"""An error is one line of what, where and remedy, with an exit code, and crosses process borders whole."""

import copy
import pickle

import pytest

from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError, VersionError


@pytest.mark.parametrize(
    ("where", "remedy", "line"),
    [
        ("", "", "what"),
        ("file", "", "file: what"),
        ("", "do it", "what (do it)"),
        ("file", "do it", "file: what (do it)"),
    ],
)
def test_an_error_is_one_line(where: str, remedy: str, line: str) -> None:
    error = LoomError("what", where=where, remedy=remedy)
    assert str(error) == line
    assert (error.what, error.where, error.remedy) == ("what", where, remedy)


def test_where_and_remedy_may_be_left_out() -> None:
    assert str(LoomError("what")) == "what"


@pytest.mark.parametrize(
    ("kind", "code"), [(LoomError, 1), (ConfigError, 2), (InputError, 1), (DamageError, 1), (VersionError, 1)]
)
def test_a_wrong_configuration_has_an_exit_code_of_its_own(kind: type[LoomError], code: int) -> None:
    assert kind.exit_code == kind("what").exit_code == code
    assert issubclass(kind, LoomError)


@pytest.mark.parametrize("kind", [LoomError, ConfigError, InputError, DamageError, VersionError])
def test_an_error_survives_pickling_and_copying(kind: type[LoomError]) -> None:
    error = kind("what", where="file", remedy="do it")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (again.what, again.where, again.remedy, str(again)) == ("what", "file", "do it", str(error))
