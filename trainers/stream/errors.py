"""Errors of the loader: sample errors, which skip and count one sample, and storage errors, which end the stream."""

from corpusloom.schemas.errors import DamageError, LoomError


class StorageError(LoomError):
    """The storage cannot be reached. It ends the stream; no sample is skipped for it."""


class SampleError(ValueError):
    """A sample that cannot be used; `reason` is a stable snake_case word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class CarriedError(Exception):
    """Reason and text of an error that skipped a sample in another process."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.reason, self.text = reason, text

    def __str__(self) -> str:
        return self.text


def reason_of(error: Exception) -> str:
    """Return the reason under which a skipped sample is counted."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason
    return "damaged_shard" if isinstance(error, DamageError) else "unreadable"
