"""Runs nginx on loopback for tests and benchmarks, with a configuration in a temporary folder, without root.

At the end it stops only the process that it started.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from corpusloom.schemas.errors import LoomError

_CONFIG = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000; server_names_hash_bucket_size 128;
  disable_symlinks on from=$document_root;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  default_type application/octet-stream;
  types {{
    text/html html; text/css css; text/plain txt; application/javascript js; application/json json;
    image/png png; image/jpeg jpg; image/gif gif; image/webp webp; image/svg+xml svg;
  }}
{servers}
}}
"""
_SERVER = "  server {{ listen 127.0.0.1:{port}; server_name {host}; root {root}; {rules} }}"


def find_nginx() -> str | None:
    """Return nginx's path; Debian installs it in a folder that a user's PATH lacks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(hosts: Mapping[str, Path], port: int, *, rules: Mapping[str, str] | None = None) -> Iterator[int]:
    """Serve folders by host name on 127.0.0.1:port while the block runs; yields the process id.

    `rules` are further directives of a host's server block. The folders must be readable for this user.
    """
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        servers = "\n".join(
            _SERVER.format(port=port, host=host, root=root.resolve(), rules=(rules or {}).get(host, ""))
            for host, root in hosts.items()
        )
        # under root, nginx's workers run as "nobody", which may not read the folders
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        with running(_CONFIG.format(folder=folder, servers=servers, user=user), port) as process_id:
            yield process_id


@contextlib.contextmanager
def running(config: str, port: int) -> Iterator[int]:
    """Run nginx on a configuration that listens on 127.0.0.1:port while the block runs; yields the process id."""
    program = find_nginx()
    if program is None:
        raise LoomError("nginx is not installed", where="serve", remedy="apt-get install nginx-light")
    if not _is_free(port):
        raise LoomError("somebody listens there", where=f"127.0.0.1:{port}", remedy="choose another port")
    with tempfile.NamedTemporaryFile("w", prefix="nginx-", suffix=".conf") as file:
        file.write(config)
        file.flush()
        with subprocess.Popen([program, "-c", file.name, "-e", "stderr"]) as process:
            try:
                _wait(process, port)
                yield process.pid
            finally:
                process.terminate()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait(process: subprocess.Popen[bytes], port: int, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise LoomError(f"nginx did not start (exit {process.poll()})", where=f"127.0.0.1:{port}", remedy="see above")
