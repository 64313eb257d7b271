"""What is wrong with one sample: a reason that is counted, never an end of the stream by itself."""

from schemas.errors import LoomError


class StorageError(LoomError):
    """The storage cannot be reached: no fault of a sample, so it ends the stream and none is skipped for it."""


class SampleError(ValueError):
    """A sample that cannot be used; `reason` is a stable snake_case word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)
