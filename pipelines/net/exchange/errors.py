"""Verdicts on the errors of a fetch: Rejected for a refusal, Dead with a stable error class for all others.

A shortage of this machine (descriptors, memory) is no verdict on a URL: it is raised and ends the run.
"""

import functools
import logging
import socket
import ssl

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from corpusloom.schemas.errors import LoomError, raise_shortage
from corpusloom.schemas.urls.guarded_http import refusal_of
from corpusloom.schemas.verdicts import Dead, Rejected

logger = logging.getLogger(__name__)

INTERNAL_ERROR = "internal_error"
"""Error class of a fetch that raised what no server should be able to cause: a fault of ours or of a library."""
NETWORK_ERRORS = frozenset(("dns_failed", "connect_failed", "timeout_connect"))
"""Errors before a connection is made. A long run of them over many hosts means that our own network is down."""
HOST_ERRORS = NETWORK_ERRORS | {
    "timeout_header",
    "timeout_idle",
    "timeout_total",
    "disconnected",
    "tls_failed",
    "bad_http",
}
"""Errors that count against the circuit breaker of a host."""
RETRIED_ERRORS = frozenset(("disconnected", "body_cut_off", "http_429", "http_502", "http_503", "http_504"))
"""Errors after which a fetch is retried in the same run."""
TRANSIENT_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))
"""HTTP statuses that end as Dead, so that a later run may fetch the URL again."""

_CLASSES: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "timeout_connect"),
    (aiohttp.SocketTimeoutError, "timeout_idle"),
    (aiohttp.ClientConnectorDNSError, "dns_failed"),
    (aiohttp.ClientConnectorCertificateError, "tls_bad_certificate"),
    (ssl.SSLCertVerificationError, "tls_bad_certificate"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (ssl.SSLError, "tls_failed"),
    (socket.gaierror, "dns_failed"),
    (aiohttp.ServerDisconnectedError, "disconnected"),
    (ConnectionResetError, "disconnected"),
    (BrokenPipeError, "disconnected"),
    (aiohttp.ClientConnectorError, "connect_failed"),
    (aiohttp.ClientPayloadError, "body_cut_off"),
    (aiohttp.ClientResponseError, "bad_http"),
    (aiohttp.ClientOSError, "disconnected"),
    (TimeoutError, "timeout_connect"),
)


def verdict_of_error(error: BaseException) -> Rejected | Dead:
    """Return the verdict on a fetch that ended with an error; raise the error if it is no fault of the URL."""
    if isinstance(error, LoomError):
        raise error
    raise_shortage(error, "fetch")
    refusal = refusal_of(error)
    if refusal is not None:
        return Rejected(refusal.reason)
    if _header_too_large(error):
        return Rejected("header_too_large")
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return Rejected("bad_url")
    for cls, name in _CLASSES:
        if isinstance(error, cls):
            return Dead(name, str(error))
    if isinstance(error, OSError | aiohttp.ClientError | ValueError):
        return Dead("network_error", f"{type(error).__name__}: {error}")
    _warn(f"{type(error).__name__}: {error}"[:500])
    return Dead(INTERNAL_ERROR, f"{type(error).__name__}: {error}")


@functools.lru_cache(maxsize=64)
def _warn(text: str) -> None:
    """Warn of an error that is a bug, once per text."""
    logger.warning("a fetch raised %r; please report this bug", text)


def _header_too_large(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong) or "Too many headers" in str(cause):
            return True
        cause = cause.__cause__
    return False
