"""Mirrors the sites with `wget --mirror` and compares the scrape with the mirror, path by path and byte by byte."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow
from corpusloom.schemas.errors import LoomError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".mng")
_NOT_FOUND = re.compile(r"^(http://\S+):\n[-\d: ]+ ERROR 404", re.M)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Mirror of one host by wget: path -> file, and the paths that answered 404."""

    files: dict[str, Path]
    missing: frozenset[str]

    @property
    def pages(self) -> set[str]:
        """Return the paths of HTML pages."""
        return {path for path in self.files if path.endswith(".html")}

    @property
    def images(self) -> set[str]:
        """Return the paths of images."""
        return {path for path in self.files if path.lower().endswith(IMAGE_SUFFIXES)}


def mirror(host: str, port: int, folder: Path) -> Mirror:
    """Mirror a host with its images; wget asks nginx as its proxy, so no name has to resolve."""
    program = shutil.which("wget")
    if program is None:
        raise LoomError("wget is not installed", where="make real", remedy="apt-get install wget")
    folder.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [program, "--mirror", "--page-requisites", "--no-host-directories", "--no-verbose", "--tries=2"]
    command += ["-e", "use_proxy=on", "-e", f"http_proxy=http://127.0.0.1:{port}", f"http://{host}:{port}/"]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 8):  # 8: the server answered some request with an error, as real sites do
        raise LoomError((done.stderr.strip().splitlines() or ["failed"])[-1], where="wget")
    files = {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
    return Mirror(files, frozenset(path_of(url) for url in _NOT_FOUND.findall(done.stderr)))


def path_of(url: str) -> str:
    """Return the path under which wget saves a URL: a folder's page is its index.html."""
    path = unquote(urlsplit(url).path) or "/"
    return f"{path}index.html" if path.endswith("/") else path


@dataclass(frozen=True, slots=True)
class Agreement:
    """Differences between a scrape and a mirror of one host; each list should be empty."""

    pages: int
    bytes: int
    lacking: list[str]
    """Pages that only wget has."""
    beyond: list[str]
    """Responses that only the scrape has."""
    different: list[str]
    """Paths whose bytes differ."""
    alive: list[str]
    """Paths that are 404 in the scrape's ledger but not for wget."""

    @property
    def whole(self) -> bool:
        """Whether there are no differences."""
        return not (self.lacking or self.beyond or self.different or self.alive)


def compare(host: str, rows: Iterable[FrontierRow], bodies: dict[str, bytes], found: Mirror) -> Agreement:
    """Compare a scrape's responses of a host (URL -> body) with a mirror of it."""
    own = {path_of(url): body for url, body in bodies.items() if urlsplit(url).hostname == host}
    dead = {path_of(row.url) for row in rows if urlsplit(row.url).hostname == host and row.reason == "http_404"}
    return Agreement(
        pages=len(found.pages & own.keys()),
        bytes=sum(len(own[path]) for path in found.pages & own.keys()),
        lacking=sorted(found.pages - own.keys()),
        beyond=sorted(own.keys() - found.files.keys()),
        different=sorted(_different(own, found)),
        alive=sorted(dead - found.missing),
    )


def _different(own: dict[str, bytes], found: Mirror) -> Iterator[str]:
    for path, body in own.items():
        if path in found.files and found.files[path].read_bytes() != body:
            yield path
