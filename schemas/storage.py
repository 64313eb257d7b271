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
from typing import IO

import fsspec

from corpusloom.schemas.errors import InputError, LoomError

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # else gcsfs probes each bucket over gRPC

TEMPORARY = ".tmp-"
WRITE_BUFFER = 1 << 18
"""Bytes of one write to a local file; small records are gathered."""
_READ = "check the path and its permissions"
_WRITE = "check free space and permissions"
_REMOTE = "check the address, your credentials and the network"


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem of a path or URL and the path inside it.

    Without a cache of listings: one that came late, or before another host wrote, would hide a file that is there.
    """
    cache = {} if is_local(path) else {"use_listings_cache": False}
    try:
        return fsspec.core.url_to_fs(path, **cache)
    except (ValueError, ImportError) as error:
        raise InputError(str(error), where=path, remedy="use a local path, s3://, gs:// or http(s)://") from error


def is_local(path: str) -> bool:
    """Say whether a path lies on this machine's own disks."""
    return "://" not in path or path.startswith("file://")


def join(base: str, *parts: str) -> str:
    """Join a folder (path or URL) and names inside it."""
    return posixpath.join(base.rstrip("/") or "/", *parts)


def resolve(base: str, name: str) -> str:
    """Return where a name lies that is seen from a folder: a URL or an absolute path lies where it says."""
    return name if "://" in name else join(base, name)


def _reason(error: Exception) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file stands where a folder is needed"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _explained(path: str, remedy: str) -> Iterator[None]:
    """Turn what a filesystem raises into an InputError that names the path.

    Clients of object stores raise exceptions of their own (no credentials, no route): for those paths all of them.
    """
    try:
        yield
    except LoomError:
        raise
    except Exception as error:
        if is_local(path) and not isinstance(error, OSError):
            raise
        raise InputError(_reason(error), where=path, remedy=remedy if is_local(path) else _REMOTE) from error


def open_input(path: str) -> IO[bytes]:
    """Open for reading, seekable. A missing or unreadable file is an InputError that names it."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return fs.open(inner, "rb")


def open_output(path: str) -> IO[bytes]:
    """Open for writing as it goes: scratch files that a killed run may leave half written."""
    fs, inner = filesystem(path)
    with _explained(path, _WRITE):
        if is_local(path):
            os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
        return fs.open(inner, "wb")


def read_bytes(path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Read a file or the range [start, end) of it, in bytes."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return fs.cat_file(inner, start=start, end=end)


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
    with _explained(path, _READ):
        return bool(fs.exists(inner))


def size(path: str) -> int:
    """Return a file's size in bytes."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return int(fs.size(inner))


def listing(folder: str, suffix: str = "") -> list[str]:
    """Return the names (not paths) of the files directly in a folder, sorted; none when it does not exist."""
    fs, inner = filesystem(folder)
    with _explained(folder, _READ), contextlib.suppress(FileNotFoundError):
        fs.invalidate_cache(inner)
        entries = fs.ls(inner, detail=True)
        names = [posixpath.basename(entry["name"]) for entry in entries if entry["type"] == "file"]
        return sorted(name for name in names if name.endswith(suffix) and TEMPORARY not in name)
    return []


def expand(pattern: str) -> list[str]:
    """Return the files that a path, a folder or a glob names, sorted; an empty answer is an error."""
    fs, inner = filesystem(pattern)
    with _explained(pattern, _READ):
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
            with open(target, "wb", WRITE_BUFFER) as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(target, inner)
            _sync_folder(posixpath.dirname(inner))
        else:
            with fs.transaction, fs.open(target, "wb") as handle:
                yield handle
    except OSError as error:
        raise InputError(_reason(error), where=path, remedy=_WRITE) from error
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


def check_writable(folder: str) -> None:
    """Raise InputError when nothing can be written into a local folder, before hours of work are spent on it.

    The folder is made. An object store answers only when the bytes come.
    """
    if not is_local(folder):
        return
    with writing(join(folder, f"{TEMPORARY}check")) as handle:
        handle.write(b"")
    remove(join(folder, f"{TEMPORARY}check"))


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file atomically: on an object store, one PUT."""
    if is_local(path):
        with writing(path) as handle:
            handle.write(data)
        return
    fs, inner = filesystem(path)
    with _explained(path, _WRITE):
        fs.pipe_file(inner, data)


def create(path: str, data: bytes) -> bool:
    """Write a file only if none has that name; False when another was first."""
    fs, inner = filesystem(path)
    with _explained(path, _WRITE):
        if not is_local(path):
            return _create_object(fs, inner, data)
        os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
        return _create_file(inner, data)


def _create_file(path: str, data: bytes) -> bool:
    with contextlib.suppress(FileExistsError), open(path, "xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
        return True
    return False


def _create_object(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> bool:
    try:
        fs.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    return True


def remove(path: str, *, recursive: bool = False) -> None:
    """Delete a file or a folder; one that is not there is no error."""
    fs, inner = filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=recursive)
