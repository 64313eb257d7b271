"""Reads files on object stores and web servers: each call has a deadline and is retried after transient errors."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fsspec.asyn import AsyncFileSystem

from corpusloom.schemas import storage
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.schemas.urls.guarded_http import refusal_of
from corpusloom.trainers.stream.errors import StorageError

_REPLACED, _MISSING = 412, (404, 410)
_RETRIED = (408, 425, 429)
"""Statuses from 400 to 499 after which a call is retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """Deadlines and retries of remote reads."""

    attempts: int = 5
    """Attempts per read, the first included."""
    deadline_s: float = 30.0
    """Seconds per attempt; a read that takes longer is cancelled and retried."""
    pause_s: float = 0.1
    """Seconds before the first retry; doubled before each further one."""


class RemoteFile:
    """One file of a remote filesystem."""

    def __init__(self, path: str, retry: RetryConfig | None = None, policy: AddressPolicy | None = None) -> None:
        """Open the filesystem; with a policy, every HTTP connection is checked."""
        self.path, self._retry = path, retry or RetryConfig()
        with storage.guarded(policy) if policy is not None else contextlib.nullcontext():
            self._fs, self._inner = storage.filesystem(path)

    def info(self) -> Mapping[str, Any]:
        """Return the current size, entity tag and other metadata, bypassing the filesystem's cache of listings."""
        self._fs.invalidate_cache(self._fs._parent(self._inner))
        found: Mapping[str, Any] = self._tried("info")
        return found

    def read(self, start: int, end: int, **options: Any) -> bytes:
        """Return the range [start, end), or more from a server that ignores ranges."""
        data: bytes = self._tried("cat_file", start=start, end=end, **options)
        return data

    def read_all(self) -> bytes:
        """Return the whole file."""
        data: bytes = self._tried("cat_file")
        return data

    def _tried(self, name: str, **options: Any) -> Any:
        """Call a method of the filesystem; retry after transient errors."""
        size = options["end"] - options["start"] if "end" in options else None
        pause, found = self._retry.pause_s, "no attempt"
        for attempt in range(self._retry.attempts):
            if attempt:
                time.sleep(pause)
                pause *= 2
            try:
                result = self._call(name, options)
            except Exception as error:  # each filesystem raises errors of its own
                self._give_up_if_final(error, generation="generation" in options)
                found = str(error) or type(error).__name__
                continue
            if size is None or len(result) >= size:
                return result
            found = f"{len(result)} of {size} bytes"
        raise StorageError(
            f"{self._retry.attempts} reads failed, the last: {found}", where=self.path, remedy="check the connection"
        )

    def _call(self, name: str, options: dict[str, Any]) -> Any:
        if not isinstance(self._fs, AsyncFileSystem):
            return getattr(self._fs, name)(self._inner, **options)
        call = getattr(self._fs, f"_{name}")(self._inner, **options)
        future = asyncio.run_coroutine_threadsafe(call, self._fs.loop)
        try:
            return future.result(self._retry.deadline_s)
        except TimeoutError as error:
            future.cancel()
            raise TimeoutError(f"no answer within {self._retry.deadline_s:g} s") from error

    def _give_up_if_final(self, error: Exception, *, generation: bool) -> None:
        """Raise DamageError for an error that a retry cannot change; a missing `generation` means a replaced file.

        A connection that the address policy refuses is a ConfigError, which ends the stream.
        """
        refusal = refusal_of(error)
        if refusal is not None:
            raise ConfigError(
                f"the dataset names a server that is not asked: {refusal}",
                where=self.path,
                remedy="if you trust it, allow the server: --allow-addresses NET:PORT (allow_addresses)",
            ) from error
        status = getattr(error, "status", 0) or getattr(error.__cause__, "status", 0)
        # fsspec reports any failed look-up on a web server as "not found"; the cause has the status
        missing = isinstance(error, FileNotFoundError) and (error.__cause__ is None or status in _MISSING)
        if status == _REPLACED or (missing and generation):
            raise replaced(self.path) from error
        refused = 400 <= status < 500 and status not in _RETRIED
        if missing or refused or isinstance(error, PermissionError):
            what = f"the server answers {status}" if status else str(error) or type(error).__name__
            raise DamageError(what, where=self.path, remedy="check the address and its permissions") from error


def replaced(path: str) -> DamageError:
    """Return the error for a file that is no longer the one that was opened."""
    return DamageError("was replaced while it was read", where=path, remedy="start again from the new dataset")
