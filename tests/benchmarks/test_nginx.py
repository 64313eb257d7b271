"""nginx on loopback: hosts by name, rules, and no process or file left behind."""

import http.client
import socket
from pathlib import Path

import pytest

from benchmarks.nginx import free_port, serve
from corpusloom.schemas.errors import LoomError
from tests.programs import require


def get(port: int, host: str, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    found = answer.status, answer.headers.get("Location"), answer.read()
    connection.close()
    return found


def test_hosts_are_told_apart_and_rules_apply(tmp_path: Path) -> None:
    require("nginx")
    folders = {f"{name}.localhost": tmp_path / name for name in ("one", "two")}
    for host, folder in folders.items():
        folder.mkdir()
        (folder / "index.html").write_text(host)
    (tmp_path / "one" / "secret.html").symlink_to("/etc/hostname")
    port = free_port()
    with serve(folders, port, rules={"two.localhost": "location /away { return 302 http://127.0.0.1:9/; }"}):
        assert [get(port, host, "/")[2].decode() for host in folders] == list(folders)
        assert get(port, "two.localhost", "/away")[:2] == (302, "http://127.0.0.1:9/")
        assert get(port, "one.localhost", "/away")[0] == 404
        assert get(port, "one.localhost", "/secret.html")[0] == 403
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    require("nginx")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LoomError, match="somebody listens"), serve({"one.localhost": tmp_path}, port):
            pass
