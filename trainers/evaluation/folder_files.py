"""The files below a folder, with those of linked folders."""

import os
from collections.abc import Iterator

from corpusloom.schemas import storage


def files_below(folder: str) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it; links to folders are followed once."""
    fs, inner = storage.filesystem(folder)
    if not storage.is_local(folder):
        yield from (str(name)[len(inner) :].lstrip("/") for name in fs.find(inner))
        return
    seen = set()
    for place, folders, files in os.walk(inner, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # two links to one folder, or a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (os.path.relpath(os.path.join(place, name), inner) for name in files)
