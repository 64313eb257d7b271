"""A server of hostile endpoints on loopback: each has a name, a behaviour and the outcome that a fetch must have.

Each endpoint has its own host, NAME.localhost, and so its own circuit breaker and robots.txt. Forbidden URLs point to a
canary: a listener on an address that is not allowed, which must never get a connection.
"""

import asyncio
import contextlib
import gzip
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import brotli
import zstandard

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
"""Bytes that begin like a PNG, which is all that a fetcher checks."""
JPEG = b"\xff\xd8\xff\xe0" + bytes(1024)
GIF_OF_ONE = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
CAP = 200_000
"""The caps of the test's configuration, in bytes."""
CANARY_HOST = "127.0.0.2"

Respond = Callable[["Zoo", asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: its name, the kind of fetch, and the expected outcome (kept, a reason or an error class)."""

    name: str
    kind: Literal["page", "image"]
    expected: str
    respond: Respond | None = None
    url: str | None = None
    """URL of an endpoint without an answer of its own; {port} and {canary} are filled in."""
    robots: bytes | None = None
    robots_status: int = 404


@dataclass
class Zoo:
    """The running zoo."""

    port: int = 0
    canary: int = 0
    canary_hits: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def url(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint."""
        if endpoint.url is not None:
            return endpoint.url.format(port=self.port, canary=self.canary)
        return f"http://{endpoint.name.replace('_', '-')}.localhost:{self.port}/{endpoint.name}"


ENDPOINTS: dict[str, Endpoint] = {}


def _add(endpoint: Endpoint) -> None:
    assert endpoint.name not in ENDPOINTS
    ENDPOINTS[endpoint.name] = endpoint


def answer(
    name: str,
    expected: str,
    body: bytes = b"",
    *,
    kind: Literal["page", "image"] = "page",
    status: str = "200 OK",
    headers: tuple[str, ...] = (),
    length: int | None = None,
    robots: bytes | None = None,
    robots_status: int = 404,
) -> None:
    """Add an endpoint that sends one response and closes."""

    async def respond(zoo: Zoo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        filled = [line.format(port=zoo.port, canary=zoo.canary) for line in headers]
        size = len(body) if length is None else length
        head = [f"HTTP/1.1 {status}", *filled, f"Content-Length: {size}", "Connection: close", "", ""]
        writer.write("\r\n".join(head).encode("latin-1") + body)
        await writer.drain()

    _add(Endpoint(name, kind, expected, respond, robots=robots, robots_status=robots_status))


def raw(name: str, expected: str, data: bytes, *, kind: Literal["page", "image"] = "page", hold: bool = False) -> None:
    """Add an endpoint that sends these bytes, then closes or keeps silent."""

    async def respond(zoo: Zoo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(data)
        await writer.drain()
        if hold:
            await asyncio.sleep(30)

    _add(Endpoint(name, kind, expected, respond))


def stream(
    name: str,
    expected: str,
    head: bytes,
    piece: bytes,
    pause: float,
    *,
    kind: Literal["page", "image"] = "page",
) -> None:
    """Add an endpoint that never stops sending pieces."""

    async def respond(zoo: Zoo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    _add(Endpoint(name, kind, expected, respond))


def redirect(name: str, expected: str, target: str, status: str = "302 Found") -> None:
    """Add an endpoint that redirects."""
    answer(name, expected, status=status, headers=(f"Location: {target}",))


def forbidden(name: str, expected: str, url: str) -> None:
    """Add a URL that is never to be connected to."""
    _add(Endpoint(name, "page", expected, url=url))


HTML = b"<!doctype html><title>t</title><p>hello <a href='/x'>x</a>"
HTML_TYPE = ("Content-Type: text/html; charset=utf-8",)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"

# Good answers, so that a fetcher which refuses everything fails.
answer("plain_page", "kept", HTML, headers=HTML_TYPE)
answer("plain_image", "kept", PNG, kind="image", headers=("Content-Type: image/png",))
answer("image_without_type", "kept", JPEG, kind="image")
answer("image_said_to_be_html", "kept", JPEG, kind="image", headers=HTML_TYPE)
answer("gzip_page", "kept", gzip.compress(HTML), headers=(*HTML_TYPE, "Content-Encoding: gzip"))
answer("brotli_page", "kept", brotli.compress(HTML), headers=(*HTML_TYPE, "Content-Encoding: br"))
answer("zstd_page", "kept", zstandard.compress(HTML), headers=(*HTML_TYPE, "Content-Encoding: zstd"))
answer("deflate_raw", "kept", zlib.compress(HTML)[2:-4], headers=(*HTML_TYPE, "Content-Encoding: deflate"))
answer("gzip_label_on_plain", "kept", HTML, headers=(*HTML_TYPE, "Content-Encoding: gzip"))
answer("error_page_with_200", "kept", b"<html><title>404 Not Found</title>", headers=HTML_TYPE)
raw("no_length", "kept", OK + b"\r\n" + HTML)
raw("chunked", "kept", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
redirect("redirect_once", "kept", "http://plain-page.localhost:{port}/plain_page")

# Time.
stream("slow_drip_headers", "timeout_header", b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", 0.15)
stream("slow_drip_image", "timeout_total", OK + b"Content-Length: 99999\r\n\r\n" + PNG, b"x", 0.1, kind="image")
raw("silent", "timeout_header", b"", hold=True)
raw("stalled_image", "timeout_idle", OK + b"Content-Length: 99999\r\n\r\n" + PNG, kind="image", hold=True)
raw("stalled_page", "kept_time", OK + b"Content-Length: 99999\r\n\r\n" + HTML, hold=True)
raw("early_hints_for_ever", "timeout_header", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", hold=True)

# Size.
stream("endless_image", "body_too_large", OK + b"\r\n" + PNG, bytes(65_536), 0, kind="image")
stream("endless_page", "kept_length", OK + b"\r\n", b"<p>word</p>" * 4096, 0)
stream(
    "endless_chunks", "kept_length", OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4096 + b"\r\n", 0
)
_FOUND = b"HTTP/1.1 302 Found\r\nLocation: http://plain-page.localhost:"
stream("redirect_with_an_endless_body", "bad_url", _FOUND + b"x/\r\n\r\n", bytes(65_536), 0)
stream("redirect_image_with_an_endless_body", "bad_url", _FOUND + b"x/\r\n\r\n", bytes(65_536), 0, kind="image")
_CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
stream("endless_chunks_of_one_byte", "kept_length", _CHUNKED, b"1\r\na\r\n" * 5_000, 0)
stream("endless_chunk_extensions", "kept_length", _CHUNKED, b"1;" + b"x" * 8_000 + b"\r\na\r\n", 0)
stream(
    "endless_chunks_of_an_image", "body_too_large", _CHUNKED, b"1;" + b"x" * 8_000 + b"\r\n\xff\r\n", 0, kind="image"
)
answer("declared_huge", "body_too_large", PNG, kind="image", length=10**15)
stream("header_flood", "header_too_large", b"HTTP/1.1 200 OK\r\n", b"X-Flood: yes\r\n" * 50, 0)
raw("long_header", "header_too_large", OK + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n")
raw("long_status_line", "header_too_large", b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n")
answer("gzip_bomb", "decompression_bomb", gzip.compress(bytes(50_000_000)), headers=("Content-Encoding: gzip",))
answer("brotli_bomb", "decompression_bomb", brotli.compress(bytes(5_000_000)), headers=("Content-Encoding: br",))
answer("zstd_bomb", "decompression_bomb", zstandard.compress(bytes(50_000_000)), headers=("Content-Encoding: zstd",))
answer(
    "gzip_in_gzip_bomb",
    "decompression_bomb",
    gzip.compress(gzip.compress(bytes(50_000_000))),
    headers=("Content-Encoding: gzip, gzip",),
)
answer(
    "image_bomb",
    "decompression_bomb",
    gzip.compress(PNG + bytes(5_000_000)),
    kind="image",
    headers=("Content-Encoding: gzip",),
)
for _coding, _empty in {
    "gzip": gzip.compress(b""),
    "zstd": zstandard.compress(b""),
    "deflate": bytes(3) + b"\xff\xff",
}.items():
    answer(
        f"nested_empty_{_coding}",
        "kept",
        gzip.compress(gzip.compress(_empty * 9_000)),
        headers=(f"Content-Encoding: {_coding}, gzip, gzip",),
    )
answer(
    "nested_empty_gzip_over_the_cap",
    "decompression_bomb",
    gzip.compress(gzip.compress(gzip.compress(b"") * 500_000)),
    headers=("Content-Encoding: gzip, gzip, gzip",),
)
answer("many_codings", "bad_encoding", HTML, headers=("Content-Encoding: " + ", ".join(["gzip"] * 40),))

# False declarations and malformed answers.
answer("html_as_image", "not_an_image", HTML, kind="image", headers=("Content-Type: image/jpeg",))
answer("svg_with_script", "not_an_image", b"<svg><script>alert(1)</script></svg>", kind="image")
answer("pdf_as_image", "not_an_image", b"%PDF-1.7 ...", kind="image", headers=("Content-Type: image/png",))
answer("program_as_image", "not_an_image", b"MZ" + bytes(500), kind="image", headers=("Content-Type: image/png",))
answer("polyglot_gif_and_script", "kept", b"GIF89a/*" + bytes(16) + b"*/=1;alert(1)//", kind="image")
answer("polyglot_html_before_image", "not_an_image", b"<script>alert(1)</script>" + PNG, kind="image")
answer("polyglot_zip_before_image", "not_an_image", b"PK\x03\x04" + PNG, kind="image")
answer("pixel_of_one", "kept", GIF_OF_ONE, kind="image", headers=("Content-Type: image/gif",))
answer("soft_404", "kept", b"<!doctype html><title>Page not found</title><p>Sorry", headers=HTML_TYPE)
answer("image_page_instead_of_image", "not_an_image", HTML, kind="image", headers=("Content-Type: image/png",))
answer("status_204_image", "empty_body", kind="image", status="204 No Content")
answer("partial_image", "http_206", PNG, kind="image", status="206 Partial Content")
answer("middle_of_an_image", "http_206", bytes(900), kind="image", status="206 Partial Content")
answer("whole_image_as_a_range", "kept", PNG, kind="image", status="206 Partial Content",
       headers=(f"Content-Range: bytes 0-{len(PNG) - 1}/{len(PNG)}",))  # fmt: skip
answer("multiple_choices", "http_300", status="300 Multiple Choices")
answer("redirect_without_place", "http_302", status="302 Found")
answer("empty_image", "empty_body", kind="image", headers=("Content-Type: image/png",))
answer("length_too_long_image", "body_cut_off", PNG, kind="image", length=len(PNG) + 100)
answer("length_too_long_page", "kept_disconnect", HTML, headers=HTML_TYPE, length=5000)
raw("length_of_5000_digits", "kept", OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n" + HTML)
redirect("redirect_to_an_endless_port", "bad_url", "http://plain-page.localhost:" + "9" * 5_000 + "/")
redirect("redirect_to_an_open_bracket", "bad_url", "http://[::1/")
answer("robots_delay_overflows", "kept", HTML, robots=b"User-agent: *\nCrawl-delay: nan", robots_status=200)
answer("length_negative", "kept", HTML, length=-5)
raw("two_lengths", "bad_http", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
raw("chunked_garbage", "bad_http", OK + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\nhello", kind="image")
raw("http_0_9", "bad_http", b"<html>hello</html>")
raw("not_http", "bad_http", b"220 mail.example ESMTP\r\n")
raw("status_not_a_number", "bad_http", b"HTTP/1.1 abc OK\r\n\r\n")
raw("closes_at_once", "disconnected", b"")
raw("header_without_colon", "kept", b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")
raw("nul_in_header", "bad_http", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n")
answer("unknown_coding", "kept", HTML, headers=("Content-Encoding: utf-8, binary",))
answer("unsupported_coding", "unknown_encoding", b"\x1f\x9d\x90" + bytes(9), headers=("Content-Encoding: compress",))
answer("broken_gzip", "bad_encoding", b"\x1f\x8b\x08\x00" + b"\xff" * 40, headers=("Content-Encoding: gzip",))

# Statuses.
answer("gone", "http_410", status="410 Gone")
answer("missing_image", "http_404", HTML, kind="image", status="404 Not Found")
answer("forbidden_status", "http_403", status="403 Forbidden")
answer("teapot", "http_418", status="418 I'm a teapot")
answer("server_error", "http_500", status="500 Internal Server Error")
for _number, _value in enumerate(
    (
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 02 Jan 99999999999999999999 00:02:00 GMT",
        "Fri, 02 Jan 2026 00:02:00 +99999999999999999999",
        "9" * 5_000,
        "-1",
    )
):
    answer(f"retry_after_{_number}", "http_503", status="503 Unavailable", headers=(f"Retry-After: {_value}",))
answer("asks_to_wait_a_day", "http_503", status="503 Unavailable", headers=("Retry-After: 86400",))

# Redirects and their targets. {canary} listens on a forbidden address.
redirect("redirect_to_itself", "redirect_loop", "/redirect_to_itself")
_add(Endpoint("redirect_chain", "page", "too_many_redirects"))
redirect("redirect_to_file", "scheme_not_allowed", "file:///etc/passwd")
redirect("redirect_to_gopher", "scheme_not_allowed", "gopher://127.0.0.1/x")
redirect("redirect_to_data", "scheme_not_allowed", "data:text/html,hello")
redirect("redirect_to_metadata", "address_not_public", "http://169.254.169.254/latest/meta-data/")
redirect("redirect_to_metadata_v6", "address_not_public", "http://[fd00:ec2::254]/")
redirect("redirect_to_canary", "address_not_public", "http://127.0.0.2:{canary}/")
redirect("redirect_to_loopback_v6", "address_not_public", "http://[::1]/")
redirect("redirect_to_mapped", "address_not_public", "http://[::ffff:127.0.0.2]:80/")
redirect("redirect_to_nat64", "address_not_public", "http://[64:ff9b::7f00:2]/")
redirect("redirect_to_6to4", "address_not_public", "http://[2002:7f00:2::]/")
redirect("redirect_to_private_name", "address_not_public", "http://inside.example/")
redirect("redirect_to_ssh", "port_not_allowed", "http://93.184.215.14:22/")
redirect("redirect_to_nothing", "bad_url", "http://")
redirect("redirect_303_to_canary", "address_not_public", "//127.0.0.2:{canary}/", "303 See Other")

# URLs that must not be fetched.
forbidden("file_url", "scheme_not_allowed", "file:///etc/passwd")
forbidden("ftp_url", "scheme_not_allowed", "ftp://127.0.0.2/")
forbidden("canary_url", "address_not_public", "http://127.0.0.2:{canary}/")
forbidden("canary_decimal", "address_not_public", "http://2130706434:{canary}/")
forbidden("canary_octal", "address_not_public", "http://0177.0.0.2:{canary}/")
forbidden("canary_hex", "address_not_public", "http://0x7f.2:{canary}/")
forbidden("canary_with_user", "address_not_public", "http://example.org@127.0.0.2:{canary}/")
forbidden("canary_by_name", "address_not_public", "http://rebound.example:{canary}/")
forbidden("public_then_private", "address_not_public", "http://mixed.example/")
forbidden("unspecified", "address_not_public", "http://0.0.0.0:{canary}/")
forbidden("broadcast", "address_not_public", "http://255.255.255.255/")
forbidden("port_of_redis", "port_not_allowed", "http://93.184.215.14:6379/")
forbidden("no_such_name", "dns_failed", "http://nowhere.invalid/")
forbidden("no_host", "bad_url", "http://")
forbidden("host_after_three_slashes", "dns_failed", "http:///nowhere.invalid")
forbidden("host_too_long", "bad_url", "http://" + "a" * 2000 + ".example/")
forbidden("url_too_long", "url_too_long", "http://example.org/" + "a" * 10_000)
forbidden("space_in_host", "bad_url", "http://exa mple.org/")
forbidden("newline_in_host", "bad_url", "http://exam%0d%0aple.org/")

# Opt-outs.
answer("robots_says_no", "robots_disallowed", HTML, robots=b"User-agent: *\nDisallow: /", robots_status=200)
answer("robots_names_us", "robots_disallowed", HTML, robots=b"User-agent: CorpusLoom\nDisallow: /\n", robots_status=200)
answer("robots_breaks", "robots_unavailable", HTML, robots=b"", robots_status=500)
answer(
    "robots_wants_an_hour", "crawl_delay_too_long", HTML, robots=b"User-agent: *\nCrawl-delay: 3600", robots_status=200
)
answer(
    "robots_no_training",
    "opt_out_train_ai",
    HTML,
    robots=b"User-agent: *\nContent-Usage: train-ai=n",
    robots_status=200,
)
answer(
    "content_signal", "opt_out_ai_train", HTML, robots=b"User-agent: *\nContent-Signal: ai-train=no", robots_status=200
)
answer("header_noai", "opt_out_noai", HTML, headers=("X-Robots-Tag: noai",))
answer("header_noimageai", "opt_out_noimageai", PNG, kind="image", headers=("X-Robots-Tag: noimageai",))
answer("header_tdm", "opt_out_tdm_reservation", HTML, headers=("TDM-Reservation: 1",))
answer("header_for_another_bot", "kept", HTML, headers=("X-Robots-Tag: otherbot: noai, noindex",))


async def _serve(zoo: Zoo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ")[1]
        host = next(line for line in head.split("\r\n") if line.lower().startswith("host:"))
        name = host.split(":")[1].strip().removesuffix(".localhost").replace("-", "_")
        zoo.asked.append(f"{name} {path}")
        endpoint = ENDPOINTS.get(name)
        if path in ("/robots.txt", "/ai.txt", "/.well-known/tdmrep.json") or endpoint is None:
            mine = endpoint if endpoint is not None and path == "/robots.txt" else None
            body, status = (mine.robots or b"", mine.robots_status) if mine else (b"", 404)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        elif name == "redirect_chain":
            step = len(path)
            writer.write(f"HTTP/1.1 302 X\r\nLocation: /{'x' * step}\r\nContent-Length: 0\r\n\r\n".encode())
        elif endpoint.respond is not None:
            await endpoint.respond(zoo, reader, writer, path)
        await writer.drain()
    writer.close()


async def _canary(zoo: Zoo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    zoo.canary_hits.append(str(writer.get_extra_info("peername")))
    writer.close()


@contextlib.contextmanager
def open_zoo(context: ssl.SSLContext | None = None) -> Iterator[Zoo]:
    """Run the zoo and its canary in a thread of their own."""
    zoo, loop, ready = Zoo(), asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        server = await asyncio.start_server(lambda r, w: _serve(zoo, r, w), "127.0.0.1", 0, ssl=context)
        canary = await asyncio.start_server(lambda r, w: _canary(zoo, r, w), CANARY_HOST, 0)
        zoo.port, zoo.canary = server.sockets[0].getsockname()[1], canary.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield zoo
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
