"""The error of bytes that are not a readable image."""


class ImageError(ValueError):
    """Raised for bytes that are not an image that may be read; `reason` is a stable snake_case word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.reason,)
