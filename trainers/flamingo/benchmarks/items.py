"""One record of a benchmark, whatever its format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image or a part of a video, what is asked about it, and the answers."""

    key: str | int
    """Its name in the submission."""
    media: tuple[str, ...]
    """Paths of its image, video or folder of frames; the first that exists is taken."""
    start: float | None = None
    """Seconds at which its part of the video begins; None: at the beginning."""
    end: float | None = None
    """Seconds at which it ends; None: at the end."""
    prompt: str
    """Text between the image and the answer."""
    references: tuple[str, ...] = ()
    """Right answers or captions; none in a split whose answers are not published."""
    candidates: tuple[str, ...] = ()
    """Texts of which the model chooses one."""
    gains: tuple[float, ...] = ()
    """How right each candidate is, from 0 to 1; empty if it is not published."""
    own: int | None = None
    """Number of the right candidate."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the record that a metric or the submission needs."""

    @property
    def answer(self) -> str | None:
        """Return the answer of a shot: the right candidate, or the most frequent reference, the first of equals."""
        if self.candidates:
            return None if self.own is None else self.candidates[self.own]
        return max(self.references, key=self.references.count, default=None)
