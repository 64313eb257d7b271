"""Errors that a user can act on: what went wrong, where, and what to do about it."""

import errno
import os
import re
import socket

from corpusloom.schemas.urls.redaction import redacted


class LoomError(Exception):
    """Base of all errors that are shown to a user, as one line of what, where and remedy. Exit code 1."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        place = f"{where}: " if where else ""
        advice = f" ({remedy})" if remedy else ""
        super().__init__(redacted(f"{place}{what}{advice}"))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(cls: type[LoomError], what: str, where: str, remedy: str) -> LoomError:
    return cls(what, where=where, remedy=remedy)


class ConfigError(LoomError):
    """A flag, a recipe key or a combination of them is wrong. Exit code 2."""

    exit_code = 2


class NothingKeptError(LoomError):
    """A run came to its end and kept nothing. Exit code 3."""

    exit_code = 3


class InputError(LoomError):
    """An input is missing, unreadable or of another format than its name says."""


class DamageError(LoomError):
    """A file's content differs from what was written."""


class VersionError(LoomError):
    """A file was written by a newer version of corpusloom."""


class ShortageError(LoomError):
    """This machine ran out of descriptors, memory, threads or disk space; no record may be blamed, so the run stops."""


_RESUME = "and run the same command to resume"
_REMEDIES = {
    errno.EMFILE: "raise the limit of this process, e.g. ulimit -n 65536",
    errno.ENFILE: "raise fs.file-max, or close other programs",
    errno.ENOMEM: "use fewer workers or more memory",
    errno.ENOBUFS: "close other programs, or use more memory",
    errno.ENOSPC: "check free space",
    errno.EDQUOT: "check your disk quota",
}
"""Error number of a shortage -> what to do before the run is resumed."""
_NUMBER = re.compile(r"\[errno (\d+)\]", re.I)
"""Matches an error number in the text of an error that joins several (asyncio, Arrow)."""
_NO_THREAD = "can't start new thread"
"""Python's words when a thread cannot be started, for want of memory or because of a limit on processes."""


def shortage_of(error: BaseException, where: str = "") -> ShortageError | None:
    """Return the shortage of this machine among an error and its causes, or None if it has another reason."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ShortageError):
            return cause
        number = _shortage(cause)
        if number is not None:
            place = where or str(getattr(cause, "filename", None) or "this machine")
            return ShortageError(os.strerror(number), where=place, remedy=f"{_REMEDIES[number]}, {_RESUME}")
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


def raise_shortage(error: BaseException, where: str = "") -> None:
    """Raise the shortage of this machine that caused an error; return if there is none."""
    found = shortage_of(error, where)
    if found is not None:
        raise found from error


def _shortage(error: BaseException) -> int | None:
    """Return the number of the error if it is a shortage, else None."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_THREAD in str(error)):
        return errno.ENOMEM
    if isinstance(error, socket.gaierror):
        return errno.ENOMEM if error.errno == socket.EAI_MEMORY else None
    if not isinstance(error, OSError):
        return None
    numbers = [error.errno] if error.errno else map(int, _NUMBER.findall(str(error)))
    return next((number for number in numbers if number in _REMEDIES), None)
