"""Errors that a user can act on: what went wrong, where, and what to do about it."""


class LoomError(Exception):
    """Base of all errors that are shown to a user, as one line of what, where and remedy. Exit code 1."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        place = f"{where}: " if where else ""
        advice = f" ({remedy})" if remedy else ""
        super().__init__(f"{place}{what}{advice}")

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
