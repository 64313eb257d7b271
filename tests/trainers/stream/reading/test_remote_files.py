"""Remote reads: retried after transient errors, ended at once by permanent ones, each attempt with a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.asyn import AsyncFileSystem

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError
from corpusloom.trainers.stream.errors import StorageError
from corpusloom.trainers.stream.reading.remote_files import RemoteFile, RetryConfig

CONTENT = bytes(range(100))
Answer = Callable[[], bytes | Exception]


class Server(AsyncFileSystem):
    """A filesystem of one file that gives the answers of a list, then its content."""

    cachable = False

    def __init__(self, *answers: Exception | bytes | float) -> None:
        super().__init__()
        self.answers, self.calls = list(answers), 0

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else CONTENT[start:end]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return CONTENT[start:end]
        return answer


class StatusError(Exception):
    """An error with a status, as the HTTP client raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@pytest.fixture
def file_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RemoteFile]:
    def make(server: Server, **retry: Any) -> RemoteFile:
        monkeypatch.setattr(storage, "filesystem", lambda path: (server, path))
        return RemoteFile("mock://file", RetryConfig(**{"attempts": 3, "pause_s": 0.001, **retry}))

    return make


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_errors_that_may_pass_are_retried(file_on: Callable[..., RemoteFile], status: int) -> None:
    server = Server(StatusError(status), OSError("reset"))
    assert file_on(server).read(10, 20) == CONTENT[10:20]
    assert server.calls == 3


def test_a_short_answer_is_retried_and_a_long_one_is_returned(file_on: Callable[..., RemoteFile]) -> None:
    assert file_on(server := Server(b"short")).read(10, 20) == CONTENT[10:20]
    assert server.calls == 2
    assert file_on(Server(CONTENT)).read(10, 20) == CONTENT


def test_after_the_last_attempt_the_last_error_is_raised(file_on: Callable[..., RemoteFile]) -> None:
    server = Server(*[OSError("reset by peer")] * 3)
    with pytest.raises(StorageError, match="3 reads failed, the last: reset by peer"):
        file_on(server).read(0, 5)
    assert server.calls == 3


@pytest.mark.parametrize("error", [StatusError(403), StatusError(404), PermissionError("no"), FileNotFoundError("x")])
def test_errors_that_do_not_pass_end_the_read_at_once(file_on: Callable[..., RemoteFile], error: Exception) -> None:
    server = Server(error)
    with pytest.raises(DamageError, match="check the address"):
        file_on(server).read_all()
    assert server.calls == 1


def test_not_found_because_of_a_failed_connection_is_retried(file_on: Callable[..., RemoteFile]) -> None:
    error = FileNotFoundError("x")
    error.__cause__ = OSError("cannot connect")
    assert file_on(Server(error)).read_all() == CONTENT


def test_a_failed_precondition_means_that_the_file_was_replaced(file_on: Callable[..., RemoteFile]) -> None:
    with pytest.raises(DamageError, match="was replaced"):
        file_on(Server(StatusError(412))).read(0, 5)
    with pytest.raises(DamageError, match="was replaced"):
        file_on(Server(FileNotFoundError("x"))).read(0, 5, generation="7")


def test_a_stalled_read_is_cancelled_at_its_deadline(file_on: Callable[..., RemoteFile]) -> None:
    server, begin = Server(30.0), time.monotonic()
    assert file_on(server, deadline_s=0.05).read(0, 5) == CONTENT[:5]
    assert time.monotonic() - begin < 5
    with pytest.raises(StorageError, match=r"no answer within 0\.05 s"):
        file_on(Server(30.0, 30.0), attempts=2, deadline_s=0.05).read(0, 5)


def test_pauses_double_between_attempts(file_on: Callable[..., RemoteFile], monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("corpusloom.trainers.stream.reading.remote_files.time.sleep", pauses.append)
    with pytest.raises(StorageError):
        file_on(Server(*[OSError()] * 4), attempts=4, pause_s=0.5).read(0, 5)
    assert pauses == [0.5, 1.0, 2.0]
