"""Reads and writes files on local disks, s3://, gs:// and http(s)://, and reads hf://, through fsspec.

A local file is written under a temporary name in the same folder, flushed to disk and renamed; an object is written by
one PUT. So a file that exists under its final name is complete.
"""

import contextlib
import glob
import hashlib
import os
import posixpath
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from typing import IO, Any

import fsspec

from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import InputError, LoomError, raise_shortage
from corpusloom.schemas.urls.guarded_http import guarded_client

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # otherwise gcsfs probes each bucket over gRPC

TEMPORARY = ".tmp-"
WRITE_BUFFER = 1 << 18
"""Bytes per write to a local file; smaller writes are buffered."""
_POLICY: ContextVar[AddressPolicy | None] = ContextVar("policy", default=None)
_HUB = "hf://"
_KNOWN = "use a local path, s3://, gs://, hf:// or http(s)://"
_READ = "check the path and its permissions"
_WRITE = "check free space and permissions"
_REMOTE = "check the address, your credentials and the network"


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem of a path or URL and the path inside it.

    A local path is taken as it is written: fsspec would read `::` in it as a chain of URLs. Listings are not cached:
    a cached listing would hide files that another host writes later.
    """
    if is_local(path):
        return fsspec.filesystem("file"), _absolute(path.removeprefix("file://"))
    options: dict[str, Any] = {"use_listings_cache": False}
    policy = _POLICY.get()
    if policy is not None and path.startswith(("http://", "https://")):
        options["get_client"] = guarded_client(policy)
    try:
        return fsspec.core.url_to_fs(path, **options)
    except (ValueError, ImportError) as error:
        remedy = "pip install 'corpusloom[hf]'" if path.startswith(_HUB) else _KNOWN
        raise InputError(str(error), where=path, remedy=remedy) from error


def _absolute(path: str) -> str:
    """Return a local path as an absolute one; a `~` at its beginning is the home folder unless a file has that name."""
    if path.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(path)
    return posixpath.join(os.getcwd(), "" if path == "." else path.removeprefix("./")).rstrip("/") or "/"


@contextlib.contextmanager
def guarded(policy: AddressPolicy) -> Iterator[None]:
    """Check every HTTP connection of filesystems that are opened in the block: for URLs that a file names."""
    token = _POLICY.set(policy)
    try:
        yield
    finally:
        _POLICY.reset(token)


def is_local(path: str) -> bool:
    """Return True if a path is on this machine's own disks."""
    return "://" not in path or path.startswith("file://")


def join(base: str, *parts: str) -> str:
    """Join a folder (path or URL) and names inside it."""
    return posixpath.join(base.rstrip("/") or "/", *parts)


def resolve(base: str, name: str) -> str:
    """Return the path of a name relative to a folder; a URL or an absolute path is returned unchanged."""
    return name if "://" in name else join(base, name)


def _reason(error: Exception) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file has the name of the folder"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _explained(path: str, remedy: str) -> Iterator[None]:
    """Convert the errors of a filesystem to an InputError that names the path.

    Clients of object stores raise exceptions of their own (no credentials, no route), so all exceptions are converted
    for remote paths.
    """
    try:
        yield
    except LoomError:
        raise
    except Exception as error:
        raise_shortage(error, path)
        if is_local(path) and not isinstance(error, OSError):
            raise
        raise InputError(_reason(error), where=path, remedy=remedy if is_local(path) else _REMOTE) from error


def open_input(path: str) -> IO[bytes]:
    """Open a file for reading and seeking; a missing or unreadable one is an InputError that names it."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return fs.open(inner, "rb")


def open_output(path: str) -> IO[bytes]:
    """Open a file for writing without a commit: for scratch files, which a killed run may leave incomplete."""
    fs, inner = filesystem(path)
    with _explained(path, _WRITE):
        if is_local(path):
            os.makedirs(posixpath.dirname(inner) or ".", exist_ok=True)
        return fs.open(inner, "wb")


def read_bytes(path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Return the bytes of a file, or its bytes from offset `start` to before `end`."""
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
    """Return True if a file or folder exists."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return bool(fs.exists(inner))


def is_folder(path: str) -> bool:
    """Return True if a folder exists."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return bool(fs.isdir(inner))


def size(path: str) -> int:
    """Return a file's size in bytes."""
    fs, inner = filesystem(path)
    with _explained(path, _READ):
        return int(fs.size(inner))


def listing(folder: str, suffix: str = "") -> list[str]:
    """Return the sorted names (not paths) of the files directly in a folder; empty if the folder does not exist."""
    return [name for name in _entries(folder, "file") if name.endswith(suffix) and TEMPORARY not in name]


def folders(folder: str) -> list[str]:
    """Return the sorted names (not paths) of the folders directly in a folder; empty if the folder does not exist."""
    return _entries(folder, "directory")


def _entries(folder: str, kind: str) -> list[str]:
    fs, inner = filesystem(folder)
    with _explained(folder, _READ), contextlib.suppress(FileNotFoundError):
        fs.invalidate_cache(inner)
        entries = fs.ls(inner, detail=True)
        return sorted(posixpath.basename(entry["name"].rstrip("/")) for entry in entries if entry["type"] == kind)
    return []


def expand(pattern: str) -> list[str]:
    """Return the sorted paths of the files that a path, a folder or a glob matches; no match is an InputError.

    What exists is a path, whatever signs its name has; only what does not exist is read as a glob.
    """
    fs, inner = filesystem(pattern)
    with _explained(pattern, _READ):
        found = _matches(fs, inner)
    if not found:
        what = "an empty folder" if fs.isdir(inner) else "no such file"
        remedy = "check the path; quote globs from the shell"
        if pattern.startswith(_HUB):
            remedy = "write hf://datasets/OWNER/NAME/PATH; a private or gated dataset needs a token, as HF_TOKEN"
        raise InputError(what, where=pattern, remedy=remedy)
    prefix = "" if is_local(pattern) else pattern.split("://", 1)[0] + "://"
    return [prefix + name if prefix and "://" not in name else name for name in sorted(found)]


def _matches(fs: fsspec.AbstractFileSystem, path: str) -> list[str]:
    if fs.isdir(path):
        return list(fs.find(path))
    if fs.exists(path):
        return [path]
    if not glob.has_magic(path):
        return []
    if fs.protocol[0] != "file":
        return [name for name in fs.glob(path) if not fs.isdir(name)]
    folder = posixpath.dirname(path)
    while not os.path.isdir(folder):
        folder = posixpath.dirname(folder)
    below = glob.glob(path[len(folder) :].lstrip("/"), root_dir=folder, recursive=True, include_hidden=True)
    return [name for name in (posixpath.join(folder, name) for name in below) if not os.path.isdir(name)]


@contextlib.contextmanager
def writing(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing; it appears under its name, complete, when the block ends without an error."""
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
        raise_shortage(error, path)
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
    """Make a local folder and raise InputError if it cannot be written to, before hours of work are spent.

    An object store is not checked, since it answers only when bytes are written.
    """
    if not is_local(folder):
        return
    with writing(join(folder, f"{TEMPORARY}check")) as handle:
        handle.write(b"")
    remove(join(folder, f"{TEMPORARY}check"))


def write_bytes(path: str, data: bytes) -> None:
    """Write a file atomically; on an object store by one PUT."""
    if is_local(path):
        with writing(path) as handle:
            handle.write(data)
        return
    fs, inner = filesystem(path)
    with _explained(path, _WRITE):
        fs.pipe_file(inner, data)


def create(path: str, data: bytes) -> bool:
    """Write a file only if it does not exist; return False if it does."""
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
    """Delete a file or folder; a missing one is not an error."""
    fs, inner = filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=recursive)
