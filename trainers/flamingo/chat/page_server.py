"""The page of `loom chat`: a server on this machine's loopback address alone, for the user who has its address.

Every path begins with a secret that is made at the start and printed with the address. Requests to another host name
(DNS rebinding) or from another origin are refused. Replies are written one after the other.
"""

import contextlib
import html
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

from corpusloom.schemas.errors import InputError, LoomError
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm
from corpusloom.trainers.flamingo.chat.page_request import MOST_BODY, limits, reply_to
from corpusloom.trainers.flamingo.chat.session import Responder

ADDRESS = "127.0.0.1"
TIMEOUT = 30
"""Seconds that a connection may be silent."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves the page of one model; `url` is its address with the secret."""

    daemon_threads = True

    def __init__(self, responder: Responder, checkpoint: str, port: int = 0) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            remedy = "choose another --port, or leave it out for any free one"
            raise InputError(
                f"the port cannot be used: {error.strerror}", where=f"--port {port}", remedy=remedy
            ) from error
        self.responder, self.checkpoint = responder, checkpoint
        self.path = f"/{secrets.token_urlsafe(16)}"
        self.writing = threading.Lock()

    @property
    def hosts(self) -> list[str]:
        """Return the values of a Host header that are accepted; browsers leave port 80 out."""
        ports = ["", ":80"] if self.server_port == 80 else [f":{self.server_port}"]
        return [f"{name}{port}" for name in (ADDRESS, "localhost") for port in ports]

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"http://{self.hosts[0]}{self.path}"

    def reply(self, body: bytes) -> str:
        """Return the reply to a request; a second request waits for the first."""
        with self.writing:
            return reply_to(body, self.responder)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing if a browser closes its connection."""


@contextlib.contextmanager
def serving(server: PageServer) -> Iterator[str]:
    """Yield the page's address while a thread serves it."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()


def render(checkpoint: str, form: DialogueForm, nonce: str) -> str:
    """Return the page; its script and style run by the nonce of this answer alone."""
    page = resources.files("corpusloom.trainers.flamingo.chat").joinpath("page.html").read_text(encoding="utf-8")
    asks, answers = (form.asks, form.answers) if form.asks else (DialogueForm().asks, DialogueForm().answers)
    values = {
        "nonce": nonce,
        "limits": _script_json(limits()),
        "words": _script_json({"asks": asks, "answers": answers}),
        "checkpoint": html.escape(checkpoint),
    }
    for name, value in values.items():
        page = page.replace(f"{{{{ {name} }}}}", value)
    return page


def _script_json(value: object) -> str:
    """Return a value as JSON that may stand in a script element, which "</script" would end."""
    return json.dumps(value).replace("<", "\\u003c")


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = TIMEOUT

    def do_GET(self) -> None:
        if not self._is_own_host():
            return
        if self.path != self.server.path:
            self._refuse(404, "no such page: use the address that loom chat printed")
            return
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        page = render(self.server.checkpoint, self.server.responder.form, nonce)
        self._send(200, "text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    def do_POST(self) -> None:
        if not self._is_own_host():
            return
        if self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self._refuse(403, "the request is not from the page of loom chat")
        elif self.path != f"{self.server.path}/reply":
            self._refuse(404, "no such page: reload it from the address that loom chat printed")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(415, "the request is no JSON")
        else:
            self._reply()

    def _reply(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(411, "the request does not say its length")
        elif len(length) > 12 or int(length) > MOST_BODY:
            self._refuse(413, f"the pictures are too large: {MOST_BODY * 3 // 4 >> 20} MB together at most")
        else:
            try:
                self._json(200, {"reply": self.server.reply(self.rfile.read(int(length)))})
            except LoomError as error:
                self._refuse(400, str(error))
            except (RuntimeError, MemoryError) as error:  # such as a device without memory; the server goes on
                self._refuse(500, f"the model failed: {error or type(error).__name__}")

    def _is_own_host(self) -> bool:
        """Return whether the Host header names this server; otherwise refuse the request."""
        own = self.headers.get("Host") in self.server.hosts
        if not own:
            self._refuse(403, "the request names another host: use the address that loom chat printed")
        return own

    def _refuse(self, status: int, why: str) -> None:
        self._json(status, {"error": why})

    def _json(self, status: int, value: object) -> None:
        self._send(status, "application/json", json.dumps(value), {})

    def _send(self, status: int, kind: str, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the address holds a secret."""
