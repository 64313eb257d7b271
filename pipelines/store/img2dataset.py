"""Reads the output of img2dataset in its files, webdataset and parquet formats, one outcome per row.

A shard is NNNNN.parquet, with one row per input (failures included), beside NNNNN.tar or the folder NNNNN/; or
NNNNN.parquet alone, with the images in a column. An incomplete shard of a killed run yields its samples, then one dead
outcome.

Text and URL beside an image (`KEY.txt`, `KEY.json`) were written with it, so they come before those of its row in the
Parquet, which may be of another run. What differs is noted.
"""

import contextlib
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, Any

import pyarrow as pa

from corpusloom.pipelines.store.lists.checks import check_types
from corpusloom.pipelines.store.lists.kept_columns import kept_columns
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError, LoomError, raise_shortage
from corpusloom.schemas.layout import decode_text
from corpusloom.schemas.records import FileEntry
from corpusloom.schemas.verdicts import Dead, Rejected

EXTENSIONS = ("jpg", "png", "webp")
TEXTS = ("json", "txt")
COLUMNS = ("key", "url", "caption", "status", "error_message")
MAX_IMAGE = 30_000_000
"""Maximum bytes of an image; a larger member is not read."""
MAX_TEXT = 1_000_000
"""Maximum bytes of a text or JSON member; a larger member is not read."""
_SHARD = re.compile(r"(.*/)?(\d{1,12})\.(parquet|tar)")
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Img2datasetRow:
    """One input row of img2dataset: the bytes of its image, or the verdict on a row without one."""

    key: str
    url: str
    caption: str | None
    image: bytes | None
    verdict: Rejected | Dead | None = None
    columns: dict[str, str] = field(default_factory=dict)
    """Further column of the Parquet -> its value as text."""
    differences: dict[str, str] = field(default_factory=dict)
    """`caption_differs`, `url_differs` -> beginning of the value in the Parquet, if that beside the image differs."""


def list_shards(folder: str) -> list[str]:
    """Return the paths of the shards of a folder, without extension."""
    _, inner = storage.filesystem(folder)
    return [storage.join(folder, stem) for stem in _stems(_names(folder), inner, folder)]


def _names(folder: str) -> list[str]:
    fs, inner = storage.filesystem(folder)
    return sorted(fs.find(inner)) if fs.exists(inner) else []


def _stems(names: list[str], inner: str, folder: str) -> list[str]:
    stems = sorted({found.group(2) for name in names if (found := _SHARD.fullmatch(name)) and _is_in(name, inner)})
    if not stems and storage.is_local(folder) and not storage.exists(folder):
        raise InputError("no such folder", where=folder, remedy="check the path")
    if not stems:
        raise InputError("holds no shard of img2dataset (00000.parquet, 00000.tar)", where=folder)
    return stems


def check_columns(folder: str, kept: Sequence[str] = ()) -> None:
    """Raise InputError if the first whole Parquet of a folder has URLs or captions that are not text, or lacks columns.

    `kept` are the further columns that it must have.
    """
    for stem in list_shards(folder):
        try:
            with tables.open_parquet(f"{stem}.parquet") as file:
                schema = file.schema_arrow
        except LoomError:  # a killed run leaves such shards; their outcome is damaged_shard
            continue
        for name in kept:
            if name not in schema.names:
                remedy = f"its columns are {', '.join(schema.names[:20])}"
                raise InputError(f"no column {name!r}", where=f"{stem}.parquet", remedy=remedy)
        check_types(f"{stem}.parquet", [name for name in ("url", "caption") if name in schema.names], schema)
        return


def find_shards(folder: str) -> list[FileEntry]:
    """Return the shards of a folder with a hash over their files, sorted by hash; names are paths without extension."""
    fs, inner = storage.filesystem(folder)
    names = _names(folder)
    entries = []
    for stem in _stems(names, inner, folder):
        files = [name for name in names if _belongs(name[len(inner) :].lstrip("/"), stem)]
        digest, size = hashlib.sha256(), 0
        for name in files:
            with fs.open(name, "rb") as handle:
                part = hashlib.file_digest(handle, "sha256")
                size += handle.tell()
            digest.update(part.digest())
        entries.append(FileEntry(name=storage.join(folder, stem), sha256=digest.hexdigest(), bytes=size))
    return sorted(entries, key=lambda entry: entry.sha256)


def _is_in(name: str, folder: str) -> bool:
    return "/" not in name[len(folder) :].lstrip("/")


def _belongs(name: str, stem: str) -> bool:
    return name in (f"{stem}.parquet", f"{stem}.tar") or name.startswith(f"{stem}/")


def read_shard(stem: str, kept: Sequence[str] = ()) -> Iterator[Img2datasetRow]:
    """Yield each input row of a shard once: rows with an image in the order of the images, then the others.

    `kept` are further columns of the Parquet to read.
    """
    rows, damage = _rows(stem, kept)
    if rows is None:
        yield from _read_images_of_parquet(stem, kept)
        return
    try:
        for key, fields in _samples(stem):
            yield _sample(key, rows.pop(key, None), fields, kept)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise_shortage(error, stem)
        damage = str(error)
    for key in sorted(rows):
        yield _without_image(key, rows[key])
    if damage is not None:
        verdict = Dead("damaged_shard", damage)
        yield Img2datasetRow(
            key=f"{stem.rsplit('/', 1)[-1]} damaged", url="", caption=None, image=None, verdict=verdict
        )


def _rows(stem: str, kept: Sequence[str]) -> tuple[dict[str, dict[str, Any]] | None, str | None]:
    """Return the rows of a shard's Parquet by key, and its damage or None; rows are None if it holds the images."""
    path = f"{stem}.parquet"
    try:
        with tables.open_parquet(path) as file:
            names = file.schema_arrow.names
            if _image_column(names):
                return None, None
            columns = [name for name in (*COLUMNS, *kept) if name in names]
            rows: dict[str, dict[str, Any]] = {}
            for batch in file.iter_batches(4_096, columns=columns):
                for row in batch.to_pylist():
                    key = str(row.get("key"))
                    rows[f"{key} repeated {len(rows)}" if key in rows else key] = row
            return rows, None
    except (LoomError, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_shortage(error, path)
        return {}, str(error)


def _image_column(names: list[str]) -> str | None:
    return next((name for name in EXTENSIONS if name in names), None)


def _read_images_of_parquet(stem: str, kept: Sequence[str]) -> Iterator[Img2datasetRow]:
    number = 0
    with tables.open_parquet(f"{stem}.parquet") as file:
        names = file.schema_arrow.names
        image = _image_column(names) or ""
        try:
            columns = [*(name for name in (*COLUMNS, "txt", *kept) if name in names), image]
            for batch in file.iter_batches(_BATCH, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    data = row.pop(image)
                    key = str(row.get("key"))
                    if not isinstance(data, bytes):
                        yield _without_image(key, row)
                    else:
                        yield _sample(key, row, {image: data, "txt": _bytes(row.get("txt"))}, kept)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise_shortage(error, stem)
            verdict = Dead("damaged_shard", f"after row {number}: {error}")
            yield Img2datasetRow(key=f"damaged after {number}", url="", caption=None, image=None, verdict=verdict)


def _samples(stem: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield key and members of each sample of a tar, or of a folder of files: first those with an image.

    The texts are read before the images, because a program that wrote new texts may have appended them to the tar.
    """
    texts: dict[str, dict[str, bytes]] = {}
    with contextlib.suppress(tarfile.TarError, EOFError):  # the images after the damage raise it again
        for name, data in _members(stem, TEXTS):
            key, _, extension = name.partition(".")
            texts.setdefault(key, {})[extension] = data
    for key, images in groupby(_members(stem, EXTENSIONS), key=lambda member: member[0].partition(".")[0]):
        yield key, texts.pop(key, {}) | {name.partition(".")[2]: data for name, data in images}
    yield from sorted(texts.items())


def _members(stem: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the members with some extensions, unless they are too large or hidden (._a.jpg).

    Folders in their names are left out: tars that were packed again have such (./0.jpg).
    """
    members = (_tar_members if storage.exists(f"{stem}.tar") else _folder_members)(stem, extensions)
    for path, data in members:
        name = path.rsplit("/", 1)[-1]
        if not name.startswith("."):
            yield name, data


def _tar_members(stem: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    options: Any = {"encoding": "utf-8", "errors": "backslashreplace"}
    with storage.open_input(f"{stem}.tar") as handle, tarfile.open(fileobj=handle, mode="r:", **options) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]
            if member.isreg() and member.size <= _limit(member.name, extensions):
                reader: IO[bytes] | None = tar.extractfile(member)
                data = reader.read() if reader is not None else b""
                if len(data) < member.size:
                    raise EOFError(f"{member.name} is cut off")
                yield member.name, data


def _folder_members(stem: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in storage.listing(stem):
        path = storage.join(stem, name)
        limit = _limit(name, extensions)
        if limit >= 0 and storage.size(path) <= limit:
            yield name, storage.read_bytes(path)


def _limit(name: str, extensions: tuple[str, ...]) -> int:
    """Return the maximum bytes of a member that is read; -1 for a member that is not."""
    extension = name.rsplit(".", 1)[-1]
    if extension not in extensions:
        return -1
    return MAX_IMAGE if extension in EXTENSIONS else MAX_TEXT


def _sample(key: str, row: dict[str, Any] | None, fields: dict[str, bytes], kept: Sequence[str] = ()) -> Img2datasetRow:
    """Return the row of a sample with members: values beside the image come first, then those of its row."""
    values, beside = row or {}, _json(fields.get("json", b""))
    image = next((fields[name] for name in EXTENSIONS if name in fields), None)
    try:
        text = decode_text(fields.get("txt", b""))
    except UnicodeDecodeError:
        text = None
    url = _first_text(beside.get("url"), values.get("url"))
    if image is None or url is None:
        return _without_image(key, {**values, "url": url})
    caption = _first_text(text, beside.get("caption"), values.get("caption"))
    return Img2datasetRow(
        key=key, url=url, caption=caption, image=image,
        verdict=Rejected("bad_text") if text is None else None,
        columns=kept_columns(kept, [values.get(name) for name in kept]),
        differences=_differences(values, caption_differs=("caption", caption), url_differs=("url", url)),
    )  # fmt: skip


def _bytes(text: object) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else b""


def _first_text(*values: object) -> str | None:
    """Return the first value that is a text and not blank, without lone surrogates, which JSON may contain."""
    found = next((value for value in values if isinstance(value, str) and value.strip()), None)
    return None if found is None else _bytes(found).decode()


def _differences(row: dict[str, Any], **used: tuple[str, str | None]) -> dict[str, str]:
    """Return remark -> beginning of the row's value, for the values that differ from those that are used."""
    found = {remark: (row.get(name), value) for remark, (name, value) in used.items()}
    return {
        remark: told[:80]
        for remark, (told, value) in found.items()
        if isinstance(told, str) and told.split() != (value or "").split()
    }


def _json(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _without_image(key: str, row: dict[str, Any]) -> Img2datasetRow:
    """Return a row without an image, with img2dataset's error, or image_missing if its status is success."""
    url, status = row.get("url"), row.get("status")
    caption = row.get("caption")
    if not isinstance(url, str) or not url:
        verdict: Rejected | Dead = Rejected("no_url")
    elif status in ("failed_to_download", "failed_to_resize"):
        verdict = Dead(status, str(row.get("error_message") or ""))
    else:
        verdict = Dead("image_missing")
    return Img2datasetRow(
        key=key,
        url=url if isinstance(url, str) else "",
        caption=caption if isinstance(caption, str) else None,
        image=None,
        verdict=verdict,
    )
