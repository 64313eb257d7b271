"""Finds the videos of a build and the subtitles beside each."""

from collections.abc import Iterable, Sequence
from glob import has_magic

from corpusloom.pipelines.stages.clips.cut_video import Video
from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

_EXTENSIONS = (
    "mp4 m4v mov qt 3gp 3g2 mkv webm avi mpg mpeg m2v ts mts m2ts vob flv ogv ogg wmv asf mxf dv nut rm rmvb wtv h264 "
    "264 hevc 265 ivf y4m"
)
EXTENSIONS = frozenset(_EXTENSIONS.split())
"""Extensions of the files that are taken from a folder or a glob."""
SUBTITLES = ("vtt", "srt")
"""Extensions of subtitles; of two files of one language the first counts."""


def find_videos(patterns: Iterable[str], languages: Sequence[str]) -> list[Video]:
    """Return the videos that files, folders and globs name, sorted by sha256 and then by name, copies included.

    A file that is named itself is taken whatever its extension. A video's name is its path below the folder that was
    given, or below the part of a glob without signs, so that it does not depend on where the folder lies.

    Args:
      patterns: Files, folders and globs.
      languages: Languages of subtitles, the best first; files that name no language come before them. With none, any
        language is taken, in alphabetical order.
    """
    names: dict[str, str] = {}
    listings: dict[str, list[str]] = {}
    for pattern in patterns:
        paths = storage.expand(pattern)
        root, named = _root(pattern, paths)
        wanted = paths if named else [path for path in paths if _extension(path) in EXTENSIONS]
        if not wanted:
            known = ", ".join(sorted(EXTENSIONS))
            raise InputError("holds no video", where=pattern, remedy=f"extensions that are taken: {known}")
        names |= {path: path[len(root) :] for path in wanted}
    found = []
    for path, name in names.items():
        folder = path.rpartition("/")[0]
        if folder not in listings:
            listings[folder] = storage.listing(folder)
        subtitles, language = find_subtitles(path, listings[folder], languages)
        sha256, size = storage.hash_file(path)
        found.append(Video(path=path, name=name, sha256=sha256, bytes=size, subtitles=subtitles, language=language))
    return sorted(found, key=lambda video: (video.sha256, video.name, video.path))


def _root(pattern: str, paths: Sequence[str]) -> tuple[str, bool]:
    """Return the folder below which paths are named, with a slash, and whether the pattern is a file."""
    if len(paths) == 1 and storage.exists(pattern) and not storage.is_folder(pattern):
        return paths[0].rpartition("/")[0] + "/", True
    folder = pattern.rstrip("/")
    if not storage.exists(pattern):
        parts = folder.split("/")
        folder = "/".join(parts[: next(number for number, part in enumerate(parts) if has_magic(part))])
    return _absolute_as(folder, paths[0]), False


def _absolute_as(folder: str, path: str) -> str:
    """Return a folder with a slash as `expand` spells it in its paths."""
    inner = storage.filesystem(folder or ".")[1].rstrip("/") + "/"
    at = path.find(inner)
    return path[: at + len(inner)] if at >= 0 else ""


def _extension(path: str) -> str:
    return path.rpartition(".")[2].lower()


def find_subtitles(path: str, listing: Iterable[str], languages: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the subtitles of a video and their language: FILE.vtt, FILE.srt, then FILE.LANGUAGE.vtt and .srt.

    `listing` has the names of the files beside the video. A region does not matter: en-GB is en.
    """
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    order: list[tuple[tuple[int, str, int], str, str | None]] = []
    for other in listing:
        base, _, extension = other.rpartition(".")
        if extension.lower() not in SUBTITLES or not (base == stem or base.startswith(f"{stem}.")):
            continue
        language = base[len(stem) + 1 :] or None
        short = (language or "").replace("_", "-").partition("-")[0].lower()
        if "." in short or (language and languages and short not in languages):
            continue
        rank = 0 if language is None else 1 + (languages.index(short) if languages else 0)
        order.append(((rank, base, SUBTITLES.index(extension.lower())), other, language))
    if not order:
        return None, None
    _, other, language = min(order)
    return f"{folder}/{other}" if folder else other, language
