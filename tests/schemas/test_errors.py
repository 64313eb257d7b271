"""An error is one line of what, where and remedy, with an exit code, and crosses process borders whole."""

import copy
import errno
import pickle
import socket

import pytest

from corpusloom.schemas.errors import (
    ConfigError,
    DamageError,
    InputError,
    LoomError,
    ShortageError,
    VersionError,
    raise_shortage,
    shortage_of,
)


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
    ("kind", "code"),
    [(LoomError, 1), (ConfigError, 2), (InputError, 1), (DamageError, 1), (VersionError, 1), (ShortageError, 1)],
)
def test_a_wrong_configuration_has_an_exit_code_of_its_own(kind: type[LoomError], code: int) -> None:
    assert kind.exit_code == kind("what").exit_code == code
    assert issubclass(kind, LoomError)


@pytest.mark.parametrize("kind", [LoomError, ConfigError, InputError, DamageError, VersionError, ShortageError])
def test_an_error_survives_pickling_and_copying(kind: type[LoomError]) -> None:
    error = kind("what", where="file", remedy="do it")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (again.what, again.where, again.remedy, str(again)) == ("what", "file", "do it", str(error))


def caused_by(error: BaseException) -> BaseException:
    """Return an error whose cause has a cause."""
    outer, middle = ValueError("outer"), LoomError("middle")
    outer.__cause__, middle.__context__ = middle, error
    return outer


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        (OSError(errno.EMFILE, "x"), "Too many open files", "ulimit -n"),
        (OSError(errno.ENFILE, "x"), "Too many open files in system", "fs.file-max"),
        (OSError(errno.ENOMEM, "x"), "Cannot allocate memory", "more memory"),
        (OSError(errno.ENOBUFS, "x"), "No buffer space available", "more memory"),
        (OSError(errno.ENOSPC, "x"), "No space left on device", "free space"),
        (OSError(errno.EDQUOT, "x"), "Disk quota exceeded", "quota"),
        (MemoryError(), "Cannot allocate memory", "more memory"),
        (RuntimeError("can't start new thread"), "Cannot allocate memory", "more memory"),
        (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), "Cannot allocate memory", "more memory"),
        (OSError("Multiple exceptions: [Errno 111] refused, [Errno 24] Too many"), "Too many open files", "ulimit -n"),
        (OSError("Failed to open 'a'. Detail: [errno 28] No space"), "No space left on device", "free space"),
    ],
)
def test_a_shortage_of_this_machine_is_told_from_other_errors(error: BaseException, what: str, remedy: str) -> None:
    found = shortage_of(caused_by(error))
    assert found is not None
    assert (found.what, found.where) == (what, "this machine")
    assert remedy in found.remedy
    assert "run the same command to resume" in found.remedy
    with pytest.raises(ShortageError, match="here: "):
        raise_shortage(error, "here")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ECONNREFUSED, "x"),
        OSError(errno.EADDRNOTAVAIL, "x"),
        OSError("Multiple exceptions: [Errno 111] refused, [Errno 113] no route"),
        socket.gaierror(socket.EAI_NONAME, "not known"),
        RuntimeError("other"),
        ValueError("[Errno 24]"),
        InputError("damaged"),
    ],
)
def test_other_errors_are_no_shortage(error: BaseException) -> None:
    assert shortage_of(caused_by(error)) is None
    raise_shortage(error)


def test_a_shortage_names_the_file_and_ends_on_a_circle_of_causes() -> None:
    found = shortage_of(OSError(errno.ENOSPC, "x", "/data/a"))
    assert found is not None
    assert found.where == "/data/a"
    assert shortage_of(found) is found
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert shortage_of(one) is None
