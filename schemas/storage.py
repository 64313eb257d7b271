"""How bytes are opened and committed: one layer over fsspec for local paths, s3://, gs:// and http(s)://.

A local write goes to a temporary name in the same folder, is flushed to disk and renamed; an object store gets
one PUT to the final name. So a file that exists under its final name is whole.
"""

import contextlib
import hashlib
import os
import posixpath
import secrets
from collections.abc import Iterator
from typing import IO, Any

import fsspec

from schemas.errors import InputError, LoomError

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # else gcsfs probes each bucket over gRPC

TEMPORARY = ".tmp-"


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem of a path or URL and the path inside it."""
    try:
        return fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise InputError(str(error), where=path, remedy="use a local path, s3://, gs:// or http(s)://") from error


def is_local(path: str) -> bool:
    """Say whether a path lies on this machine's own disks."""
    return "://" not in path or path.startswith("file://")


def join(base: str, *parts: str) -> str:
    """Join a folder (path or URL) and names inside it."""
    return posixpath.join(base.rstrip("/") or "/", *parts)


def _explain(error: OSError, path: str, remedy: str) -> LoomError:
    reason = error.strerror or str(error) or type(error).__name__
    return InputError(reason, where=path, remedy=remedy)


def open_input(path: str) -> IO[bytes]:
    """Open for reading, seekable. A missing or unreadable file is an InputError that names it."""
    fs, inner = filesystem(path)
    try:
        return fs.open(inner, "rb")
    except OSError as error:
        raise _explain(error, path, "check the path and its permissions") from error


def open_output(path: str) -> IO[bytes]:
    """Open for writing as it goes: scratch files that a killed run may leave half written."""
    fs, inner = filesystem(path)
    try:
        if is_local(path):
            os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
        return fs.open(inner, "wb")
    except OSError as error:
        raise _explain(error, path, "check free space and permissions") from error


def read_bytes(path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Read a file or the range [start, end) of it, in bytes."""
    fs, inner = filesystem(path)
    try:
        return fs.cat_file(inner, start=start, end=end)
    except OSError as error:
        raise _explain(error, path, "check the path and its permissions") from error


def hash_file(path: str) -> tuple[str, int]:
    """Return a file's sha256 and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    with open_input(path) as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def exists(path: str) -> bool:
    """Say whether a file or folder is there."""
    fs, inner = filesystem(path)
    return bool(fs.exists(inner))


def size(path: str) -> int:
    """Return a file's size in bytes."""
    fs, inner = filesystem(path)
    try:
        return int(fs.size(inner))
    except OSError as error:
        raise _explain(error, path, "check the path and its permissions") from error


def listing(folder: str, suffix: str = "") -> list[str]:
    """Return the names (not paths) of the files directly in a folder, sorted; none when it does not exist."""
    fs, inner = filesystem(folder)
    with contextlib.suppress(FileNotFoundError):
        fs.invalidate_cache(inner)
        entries = fs.ls(inner, detail=True)
        names = [posixpath.basename(entry["name"]) for entry in entries if entry["type"] == "file"]
        return sorted(name for name in names if name.endswith(suffix) and TEMPORARY not in name)
    return []


def expand(pattern: str) -> list[str]:
    """Return the files that a path, a folder or a glob names, sorted; an empty answer is an error."""
    fs, inner = filesystem(pattern)
    if fs.isdir(inner):
        found = fs.find(inner)
    elif any(mark in inner for mark in "*?["):
        found = [name for name in fs.glob(inner) if not fs.isdir(name)]
    else:
        found = [inner] if fs.exists(inner) else []
    if not found:
        raise InputError("no such file", where=pattern, remedy="check the path; quote globs from the shell")
    prefix = "" if is_local(pattern) else pattern.split("://", 1)[0] + "://"
    return [prefix + name if prefix and "://" not in name else name for name in sorted(found)]


@contextlib.contextmanager
def writing(path: str) -> Iterator[IO[bytes]]:
    """Open for writing; the file appears under its name, whole, when the block ends without an error."""
    fs, inner = filesystem(path)
    local = is_local(path)
    target = f"{posixpath.dirname(inner)}/{TEMPORARY}{secrets.token_hex(6)}" if local else inner
    try:
        if local:
            os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
            with open(target, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(target, inner)
            _sync_folder(posixpath.dirname(inner))
        else:
            with fs.transaction, fs.open(target, "wb") as handle:
                yield handle
    except OSError as error:
        raise _explain(error, path, "check free space and permissions") from error
    finally:
        if local:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(target)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file atomically: on an object store, one PUT."""
    if is_local(path):
        with writing(path) as handle:
            handle.write(data)
        return
    fs, inner = filesystem(path)
    try:
        fs.pipe_file(inner, data)
    except OSError as error:
        raise _explain(error, path, "check the bucket and its permissions") from error


def create(path: str, data: bytes) -> bool:
    """Write a file only if none has that name; False when another was first."""
    fs, inner = filesystem(path)
    if is_local(path):
        os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
        try:
            with open(inner, "xb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            return True
        except FileExistsError:
            return False
        except OSError as error:
            raise _explain(error, path, "check free space and permissions") from error
    try:
        fs.pipe_file(inner, data, mode="create")
        return True
    except FileExistsError:
        return False


def remove(path: str, *, recursive: bool = False) -> None:
    """Delete a file or a folder; one that is not there is no error."""
    fs, inner = filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=recursive)


def options(path: str) -> dict[str, Any]:
    """Return the keyword arguments with which another library opens the same path through fsspec."""
    fs, _ = filesystem(path)
    return dict(fs.storage_options)
