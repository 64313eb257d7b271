"""A loopback server that answers any request with fixed bytes, for responses that no HTTP library would write."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from corpusloom.pipelines.net.config import FetchConfig


@contextlib.contextmanager
def serve(*pieces: bytes | float) -> Iterator[tuple[str, FetchConfig]]:
    """Send pieces to every client, sleeping where a piece is a number; yield a URL and a configuration for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=_accept, args=(server, pieces), daemon=True).start()
        config = FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{port}",), delay=0)
        yield f"http://x.localhost:{port}/a?b=c", config


def _accept(server: socket.socket, pieces: tuple[bytes | float, ...]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_answer, args=(client, pieces), daemon=True).start()


def _answer(client: socket.socket, pieces: tuple[bytes | float, ...]) -> None:
    with contextlib.suppress(OSError), client:
        client.recv(65_536)
        for piece in pieces:
            if isinstance(piece, bytes):
                client.sendall(piece)
            else:
                time.sleep(piece)
