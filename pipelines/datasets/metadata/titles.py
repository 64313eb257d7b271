"""Titles of articles with the number of their views, from a list of lines TITLE, tab, VIEWS."""

from corpusloom.pipelines.datasets.metadata.corpus import read_texts
from corpusloom.schemas.errors import InputError


def read_titles(path: str) -> dict[str, int]:
    """Return title -> its views, those of several lines added up; `_` is a blank.

    Titles with a colon are pages of another kind and are left out (metaclip1/build_metadata.py). Raises InputError for
    a line of another form.
    """
    views: dict[str, int] = {}
    for number, line in enumerate(read_texts(path, ""), 1):
        name, tab, count = line.strip("\r\n").rpartition("\t")
        if not tab or not count.strip().isdecimal():
            if not line.strip():
                continue
            raise InputError(f"line {number} is not TITLE, tab, VIEWS", where=path, remedy="write one title per line")
        title = " ".join(name.replace("_", " ").split())
        if title and ":" not in title:
            views[title] = views.get(title, 0) + int(count)
    return views
