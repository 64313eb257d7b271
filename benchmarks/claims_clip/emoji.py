"""Emoji of several artists: named pictures, rendered from the npm packages @iconify-json/ARTIST into a cache.

A package holds one JSON file: name -> body of an SVG. resvg renders it at 48 pixels, on white.
"""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from corpusloom.schemas.errors import InputError, LoomError

VERSIONS = {"twemoji": "1.2.5", "noto": "1.2.9", "openmoji": "1.2.29", "emojione": "1.2.3"}
"""Artist -> version of the package; another artist gets the newest."""
RENDERER = "resvg-py==0.5.0"
SIZE = 48
VARIANT = re.compile(r"skin tone|\b(light|medium|dark)$")
"""Names of pictures that differ from another one by the colour of the skin alone."""


@dataclass(frozen=True, slots=True)
class Emoji:
    """One picture of an artist: its name in words, and a PNG."""

    artist: str
    name: str
    png: bytes


def default_cache() -> Path:
    """Return the folder in which packages and pictures are kept, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corpusloom" / "emoji"


def emoji_of(artist: str, cache: Path, *, variants: bool = False) -> list[Emoji]:
    """Return an artist's pictures by name, rendered on the first call; without variants of the skin's colour."""
    archive = cache / f"{artist}-{SIZE}.zip"
    if not archive.exists():
        _render(artist, cache, archive)
    with zipfile.ZipFile(archive) as pictures:
        found = [Emoji(artist, info.filename.removesuffix(".png"), pictures.read(info)) for info in pictures.infolist()]
    return [emoji for emoji in found if variants or not VARIANT.search(emoji.name)]


def read_icons(package: Path) -> Iterator[tuple[str, str]]:
    """Yield (name in words, SVG) of the icons of a package; those marked as hidden are former names."""
    with tarfile.open(package) as tar:
        handle = tar.extractfile("package/icons.json")
        assert handle is not None
        icons: dict[str, Any] = json.load(handle)
    for name, icon in icons["icons"].items():
        if icon.get("hidden"):
            continue
        box = [{**icons, **icon}.get(key, default) for key, default in _BOX.items()]
        view = " ".join(map(str, box))
        yield (
            name.replace("-", " "),
            f'<svg xmlns="{_SVG}" xmlns:xlink="{_XLINK}" viewBox="{view}">{icon["body"]}</svg>',
        )


_BOX = {"left": 0, "top": 0, "width": 16, "height": 16}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def on_white(png: bytes) -> bytes:
    """Return a picture as a PNG of SIZE x SIZE pixels, centred on white."""
    with Image.open(io.BytesIO(png)) as image:
        picture = image.convert("RGBA")
    square = Image.new("RGBA", (SIZE, SIZE), "white")
    square.alpha_composite(picture, ((SIZE - picture.width) // 2, (SIZE - picture.height) // 2))
    sink = io.BytesIO()
    square.convert("RGB").save(sink, "PNG")
    return sink.getvalue()


def pixels_of(emoji: Emoji) -> np.ndarray:
    """Return (SIZE, SIZE, 3) uint8."""
    with Image.open(io.BytesIO(emoji.png)) as image:
        return np.asarray(image.convert("RGB"))


def _render(artist: str, cache: Path, archive: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    render = _renderer(cache)
    partial = archive.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as pictures:
        for name, svg in sorted(dict(read_icons(_package(artist, cache))).items()):
            try:
                png = bytes(render(svg_string=svg, width=SIZE, height=SIZE))
            except ValueError as error:
                print(f"{artist}: {name} is left out: {error}", file=sys.stderr)
                continue
            pictures.writestr(f"{name}.png", on_white(png))
    partial.replace(archive)


def _package(artist: str, cache: Path) -> Path:
    """Return the path of an artist's package, downloaded on the first call."""
    version = VERSIONS.get(artist, "latest")
    pattern = f"iconify-json-{artist}-{'*' if version == 'latest' else version}.tgz"
    if not (found := sorted(cache.glob(pattern))):
        _run(["npm", "pack", "--silent", f"@iconify-json/{artist}@{version}"], cache)
        found = sorted(cache.glob(pattern))
    if not found:
        raise InputError(f"npm pack left no {pattern}", where=str(cache), remedy="copy the package there by hand")
    return found[-1]


def _renderer(cache: Path) -> Any:
    """Return resvg's function from SVG to PNG; the package is installed into the cache, not into the environment."""
    site = cache / "site"
    if not site.exists():
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), RENDERER], cache)
    sys.path.append(str(site))
    import resvg_py

    return resvg_py.svg_to_bytes


def _run(command: list[str], folder: Path) -> None:
    remedy = f"this needs the network once; or pass --cache FOLDER with what another machine left in {folder}"
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not installed", where="PATH", remedy=f"install {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise LoomError(f"{' '.join(command[:3])} failed: {error.stderr.strip()[-300:]}", remedy=remedy) from error
