"""Limits the number of parts that are read of one image, so that millions of empty parts take no time."""

import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from corpusloom.schemas.images.errors import ImageError

MAX_PARTS = 1 << 18
"""Parts (segments, chunks, blocks, boxes) of one container, at most. 30 MB in GIF's blocks of 255 bytes are 120,000."""
TOO_MANY_PARTS = "too_many_parts"

Arguments = ParamSpec("Arguments")
Part = TypeVar("Part")


def bounded(walk: Callable[Arguments, Iterator[Part]]) -> Callable[Arguments, Iterator[Part]]:
    """Make a walker of parts raise ImageError after MAX_PARTS parts."""

    @functools.wraps(walk)
    def bounded_walk(*args: Arguments.args, **options: Arguments.kwargs) -> Iterator[Part]:
        for number, part in enumerate(walk(*args, **options)):
            if number == MAX_PARTS:
                raise ImageError(TOO_MANY_PARTS)
            yield part

    return bounded_walk
