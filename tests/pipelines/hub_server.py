"""A server on loopback that answers as the Hugging Face hub does for the files of one dataset repository."""

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0" * 39 + "1"


class HubServer(http.server.ThreadingHTTPServer):
    """A server of files; with a `token` it answers only requests that have it."""

    daemon_threads = True

    def __init__(self, repo: str, files: Mapping[str, bytes], token: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repo, self.files, self.token = repo, files, token

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def entry(self, name: str) -> dict[str, Any]:
        """Return what the hub tells of a file or folder."""
        data = self.files.get(name, b"")
        kind = "file" if name in self.files else "directory"
        return {"type": kind, "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def names(self) -> set[str]:
        """Return the paths of all files and folders."""
        parts = [name.split("/") for name in self.files]
        return {"/".join(path[:end]) for path in parts for end in range(1, len(path) + 1)}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    do_HEAD = do_POST = do_GET

    def _answer(self, body: bytes) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._send(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        api, files = f"/api/datasets/{hub.repo}", f"/datasets/{hub.repo}/resolve/"
        if path.startswith(files) and (name := path.removeprefix(files).split("/", 1)[1]) in hub.files:
            return self._file(hub.files[name], hub.entry(name)["oid"])
        if path.startswith(f"{api}/tree/"):
            folder = "".join(f"{part}/" for part in path.removeprefix(f"{api}/tree/").split("/")[1:])
            below = [name for name in hub.names() if name.startswith(folder) and name != folder[:-1]]
            flat = "recursive=True" not in self.path and "recursive=true" not in self.path
            names = [name for name in below if not (flat and "/" in name.removeprefix(folder))]
            return self._json([hub.entry(name) for name in sorted(names)])
        if path.startswith(f"{api}/paths-info/"):
            asked = set(re.findall(r"[\w./-]+", unquote(body.decode())))
            return self._json([hub.entry(name) for name in sorted(hub.names() & asked)])
        if path == api or path.startswith(f"{api}/revision/"):
            siblings = [{"rfilename": name} for name in hub.files]
            return self._json({"id": hub.repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _file(self, data: bytes, oid: str) -> None:
        headers = {"ETag": f'"{oid}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted is None:
            return self._send(200, data, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self._send(206, data[first : last + 1], headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def hub_server(repo: str, files: Mapping[str, bytes], token: str | None = None) -> Iterator[HubServer]:
    """Run a hub with one dataset repository."""
    server = HubServer(repo, files, token)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
