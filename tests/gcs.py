"""A Google Cloud Storage server on loopback: the part of the JSON API that gcsfs calls, with conditional creates."""

import contextlib
import hashlib
import http.server
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import pytest

from tests.loopback import running

_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)")
_LISTING = re.compile(r"/storage/v1/b/([^/]+)/o")
_UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
_PARTS = re.compile(rb"\A--==0==\n.*?\n\n(.*?)\n--==0==\n.*?\n\n(.*)\n--==0==--\Z", re.DOTALL)


@dataclass(slots=True)
class Store:
    """Objects that the server holds, and counts of requests."""

    objects: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)
    """(bucket, name) -> (bytes, generation)."""
    uploads: dict[str, tuple[str, str, bool, bytearray]] = field(default_factory=dict)
    """Resumable uploads: number -> (bucket, name, only if new, bytes so far)."""
    ranges: int = 0
    """Number of range reads."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, bucket: str, name: str, data: bytes, only_new: bool) -> bool:
        """Write an object; return False if it must be new but exists."""
        with self.lock:
            if only_new and (bucket, name) in self.objects:
                return False
            self.objects[bucket, name] = data, next(self.numbers)
            return True

    def describe(self, bucket: str, name: str) -> dict[str, Any]:
        """Return an object's metadata."""
        data, generation = self.objects[bucket, name]
        when = f"2026-01-01T00:00:00.{generation % 1000:03d}Z"
        etag = hashlib.sha256(data + str(generation).encode()).hexdigest()[:16]
        return {
            "bucket": bucket, "name": name, "size": str(len(data)), "generation": str(generation), "etag": etag,
            "updated": when, "timeCreated": when,
        }  # fmt: skip


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; `store` is set by `serve`."""

    store: Store
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet

    def do_GET(self) -> None:
        path, query = self._address()
        if found := _OBJECT.fullmatch(path):
            self._object(found[1], unquote(found[2]), query.get("generation"), media=query.get("alt") == "media")
        elif found := _LISTING.fullmatch(path):
            self._listing(found[1], query.get("prefix", ""), query.get("delimiter", ""))
        else:
            self._answer(404)

    def do_POST(self) -> None:
        path, query = self._address()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        only_new = query.get("ifGenerationMatch") == "0"
        if "upload_id" in query:
            self._chunk(query["upload_id"], body)
        elif not (found := _UPLOAD.fullmatch(path)):
            self._answer(404)
        elif query.get("uploadType") == "resumable":
            number = str(next(self.store.numbers))
            self.store.uploads[number] = found[1], json.loads(body)["name"], only_new, bytearray()
            self._answer(200, headers={"Location": f"http://{self.headers['Host']}{path}?upload_id={number}"})
        elif parts := _PARTS.match(body):
            self._put(found[1], json.loads(parts[1])["name"], parts[2], only_new)
        else:
            self._answer(400)

    do_PUT = do_POST

    def do_DELETE(self) -> None:
        path, query = self._address()
        found = _OBJECT.fullmatch(path)
        gone = self.store.objects.pop((found[1], unquote(found[2])), None) if found else None
        aborted = self.store.uploads.pop(query.get("upload_id", ""), None)
        self._answer(204 if gone else 499 if aborted else 404)

    def _address(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}

    def _object(self, bucket: str, name: str, wanted_generation: str | None, media: bool) -> None:
        data, generation = self.store.objects.get((bucket, name), (b"", 0))
        if wanted_generation not in (None, str(generation)) or not generation:
            return self._answer(404)
        if not media:
            return self._json(self.store.describe(bucket, name))
        if not (wanted := self.headers.get("Range")):
            return self._answer(200, data)
        self.store.ranges += 1
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        return self._answer(206, data[int(first) : int(last) + 1 if last else None])

    def _listing(self, bucket: str, prefix: str, delimiter: str) -> None:
        names = sorted(name for at, name in self.store.objects if at == bucket and name.startswith(prefix))
        folders = {name: name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "") for name in names}
        self._json({
            "items": [self.store.describe(bucket, name) for name in names if not folders[name][1]],
            "prefixes": sorted({prefix + front + slash for front, slash, _ in folders.values() if slash}),
        })  # fmt: skip

    def _chunk(self, number: str, body: bytes) -> None:
        """Take a part of a resumable upload; a part that states the total size ends it."""
        bucket, name, only_new, data = self.store.uploads[number]
        data += body
        if self.headers["Content-Range"].endswith("/*") and body:
            return self._answer(308, headers={"Range": f"bytes=0-{len(data) - 1}"})
        return self._put(bucket, name, bytes(data), only_new)

    def _put(self, bucket: str, name: str, data: bytes, only_new: bool) -> None:
        done = self.store.put(bucket, name, data, only_new)
        self._json(self.store.describe(bucket, name)) if done else self._answer(412)

    def _json(self, values: dict[str, Any]) -> None:
        self._answer(200, json.dumps(values).encode())

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextlib.contextmanager
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Run the server; within the block gs:// reaches it from this process and its children, without credentials."""
    import gcsfs

    store = Store()
    with running(type("Bound", (Handler,), {"store": store})) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("FSSPEC_GCS_TOKEN", "anon")
        monkeypatch.setitem(fsspec.config.conf, "gcs", {"token": "anon"})
        gcsfs.GCSFileSystem.clear_instance_cache()  # an instance knows the server of the test before
        try:
            yield store
        finally:
            gcsfs.GCSFileSystem.clear_instance_cache()
