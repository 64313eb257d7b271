"""Finds the inputs of a build: WARCs by path, folder, glob or list of paths; URL lists; folders of img2dataset."""

import logging
from collections.abc import Iterable

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.store import img2dataset
from corpusloom.pipelines.store.lists.checks import check_lists
from corpusloom.pipelines.store.lists.formats import find_lists
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.stages import StageReport
from corpusloom.pipelines.store.warc.reading import read_paths
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import FileEntry

logger = logging.getLogger(__name__)

WARCS = (".warc", ".warc.gz", ".warc.zst", ".warc.lz4", ".arc", ".arc.gz")
DERIVED = (".wet", ".wet.gz", ".wat", ".wat.gz")
"""Extensions of files with texts (WET) or metadata (WAT) that were made from a WARC."""
PATHS = (".paths", ".paths.gz")
"""Extensions of a file that lists WARCs, as Common Crawl names them."""


def hashed(paths: Iterable[str]) -> dict[str, FileEntry]:
    """Return SHA-256 -> file; of files with the same bytes, the first by path."""
    found: dict[str, FileEntry] = {}
    for path in sorted(paths):
        sha256, size = storage.hash_file(path)
        found.setdefault(sha256, FileEntry(name=path, sha256=sha256, bytes=size))
    return found


def warc_inputs(patterns: tuple[str, ...]) -> list[FileEntry]:
    """Return the WARCs that the patterns name, without copies of the same bytes, in order of their hashes."""
    if not patterns:
        raise ConfigError("no input", where="loom build", remedy="give WARCs as --warc")
    listed = [path for pattern in patterns if pattern.endswith(PATHS) for path in read_paths(pattern)]
    named = [pattern for pattern in patterns if not pattern.endswith(PATHS)]
    paths = {path for pattern in (*named, *listed) for path in storage.expand(pattern)}
    refuse_others([*named, *listed], paths)
    found = hashed(path for path in paths if path.endswith(WARCS))
    if not found:
        raise _no_warc(", ".join(patterns))
    return [found[sha256] for sha256 in sorted(found)]


def refuse_others(named: list[str], paths: set[str]) -> None:
    """Raise InputError for a file that is named as an input, not only in a folder or by a glob, and is no WARC."""
    for path in named:
        if path.endswith(DERIVED):
            raise InputError(
                "is a WET or WAT file: texts or metadata made from a WARC, not pages",
                where=path,
                remedy="give the WARC that it was made from",
            )
        if path in paths and not path.endswith(WARCS):
            raise _no_warc(path)


def _no_warc(where: str) -> InputError:
    return InputError(
        "holds no WARC (*.warc, *.warc.gz, *.warc.zst)",
        where=where,
        remedy="give lists of images as --list, and a list of WARCs as a file that ends in .paths",
    )


def inputs_of(
    recipe: Recipe,
    *,
    warcs: tuple[str, ...],
    lists: tuple[str, ...] = (),
    folders: tuple[str, ...] = (),
    columns: PairListConfig,
) -> list[FileEntry]:
    """Return the inputs of a build: WARCs, URL lists or folders of img2dataset."""
    if sum(map(bool, (warcs, lists, folders))) > 1:
        raise ConfigError(
            "more than one kind of input", where="loom build", remedy="give only --warc, --list or --from-img2dataset"
        )
    if lists or folders:
        check_kind(recipe, lists, columns)
        paths = find_lists(lists)
        for warning in check_lists(paths, columns):
            logger.warning(warning)
        for folder in folders:
            img2dataset.check_columns(folder, columns.kept)
        return list_inputs(paths, folders)
    bounds = () if recipe.filters.columns is None else recipe.filters.columns.bounds
    needed = {"filters.columns.bounds": bounds, "images.verify_hash, images.face_boxes": recipe.images.columns}
    for key, columns_of_lists in needed.items():
        if columns_of_lists:
            raise ConfigError("pages have no columns", where=key, remedy="give lists, or leave it out")
    return warc_inputs(warcs)


def check_kind(recipe: Recipe, lists: tuple[str, ...], columns: PairListConfig) -> None:
    """Raise ConfigError for lists that the recipe cannot use, before anything runs."""
    bounded = () if recipe.filters.columns is None else recipe.filters.columns.columns
    lacking = [name for name in bounded if name not in columns.kept]
    if lacking:
        what = f"bounds the column {lacking[0]}, which is not kept"
        raise ConfigError(what, where="filters.columns.bounds", remedy=f"--keep-columns {' '.join(bounded)}")
    if not kind_of(recipe).takes_lists:
        raise ConfigError(f"{recipe.name} is made of web pages", where="--list, --from-img2dataset", remedy="use align")
    if lists and columns.caption_column is None and recipe.candidates.need_text:
        remedy = "give their column as --caption-column; the recipe images needs none"
        raise ConfigError("pairs need texts", where="--list", remedy=remedy)


def list_inputs(lists: Iterable[str], folders: tuple[str, ...]) -> list[FileEntry]:
    """Return the lists and the shards of img2dataset's folders, without copies, in order of their hashes."""
    found = hashed(lists)
    for folder in folders:
        for entry in img2dataset.find_shards(folder):
            found.setdefault(entry.sha256, entry)
    return [found[sha256] for sha256 in sorted(found)]


def check_read(extracted: StageReport, patterns: tuple[str, ...], *, warcs: bool) -> None:
    """Raise InputError if not one record could be read from the inputs, which are WARCs or lists."""
    records = [row for row in extracted.counts if row.unit == "record"]
    empty = sum(row.rejected.get("no_responses", 0) for row in records)
    if sum(row.records_in - row.dead.get("truncated_warc", 0) for row in records) > empty:
        return
    where = ", ".join(patterns)
    if not warcs:
        raise InputError("holds no row", where=where, remedy="below its header a list needs a row per image")
    if empty:
        raise InputError(
            "holds no response, only records such as requests",
            where=where,
            remedy="give the WARCs that hold the responses",
        )
    raise InputError("no record can be read", where=where, remedy="check that these are WARCs, with gzip -t FILE")
