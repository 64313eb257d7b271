"""Errors as verdicts: each class has a stable word, refusals are found among causes, retries are a subset."""

import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from corpusloom.pipelines.net.exchange.errors import (
    HOST_ERRORS,
    INTERNAL_ERROR,
    NETWORK_ERRORS,
    RETRIED_ERRORS,
    TRANSIENT_STATUSES,
    verdict_of_error,
)
from corpusloom.schemas.addresses import RefusedError
from corpusloom.schemas.errors import InputError, ShortageError
from corpusloom.schemas.verdicts import Dead, Rejected

KEY = ConnectionKey("a.example", 443, True, True, None, None, None)


def caused_by(error: OSError) -> aiohttp.ClientConnectorError:
    """Return an error as aiohttp wraps it."""
    wrapped = aiohttp.ClientConnectorError(KEY, error)
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (aiohttp.ConnectionTimeoutError("x"), "timeout_connect"),
        (aiohttp.SocketTimeoutError("x"), "timeout_idle"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("x")), "dns_failed"),
        (socket.gaierror("x"), "dns_failed"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("x")), "tls_bad_certificate"),
        (ssl.SSLCertVerificationError("x"), "tls_bad_certificate"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("x")), "tls_failed"),
        (ssl.SSLError("x"), "tls_failed"),
        (aiohttp.ServerDisconnectedError(), "disconnected"),
        (ConnectionResetError("x"), "disconnected"),
        (BrokenPipeError("x"), "disconnected"),
        (aiohttp.ClientOSError("x"), "disconnected"),
        (aiohttp.ClientConnectorError(KEY, OSError("x")), "connect_failed"),
        (aiohttp.ClientPayloadError("x"), "body_cut_off"),
        (TimeoutError("x"), "timeout_connect"),
        (ValueError("x"), "network_error"),
        (OSError("x"), "network_error"),
    ],
)
def test_each_class_of_errors_has_its_word(error: BaseException, word: str) -> None:
    verdict = verdict_of_error(error)
    assert isinstance(verdict, Dead)
    assert verdict.error == word


def test_an_unknown_error_keeps_its_class_and_text_and_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    errors = [KeyError("x"), KeyError("x"), OverflowError("too large")]
    verdicts = [verdict_of_error(error) for error in errors]
    assert verdicts[1:] == [Dead(INTERNAL_ERROR, "KeyError: 'x'"), Dead(INTERNAL_ERROR, "OverflowError: too large")]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENFILE, "Too many open files in system"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "Too many open files")),
        caused_by(OSError("Multiple exceptions: [Errno 24] Too many, [Errno 24] Too many")),
        aiohttp.ClientConnectorDNSError(KEY, OSError(errno.EMFILE, "Too many open files")),
        MemoryError(),
    ],
)
def test_a_shortage_of_this_machine_is_no_verdict_on_a_url(error: BaseException) -> None:
    with pytest.raises(ShortageError, match="run the same command"):
        verdict_of_error(error)


def test_an_error_that_the_user_must_see_is_raised() -> None:
    with pytest.raises(InputError, match="network: down"):
        verdict_of_error(InputError("down", where="network"))


def test_a_refusal_is_found_behind_the_error_that_wraps_it() -> None:
    wrapped = aiohttp.ClientConnectorError(KEY, OSError("x"))
    wrapped.__cause__ = ValueError("between")
    wrapped.__cause__.__context__ = RefusedError("address_not_public", "10.0.0.1")
    assert verdict_of_error(wrapped) == Rejected("address_not_public")


@pytest.mark.parametrize("cause", [LineTooLong("header", 16_384), BadHttpMessage("Too many headers received")])
def test_headers_over_their_limits_are_a_rejection(cause: Exception) -> None:
    error = ValueError("bad response")
    error.__cause__ = cause
    assert verdict_of_error(error) == Rejected("header_too_large")


def test_an_impossible_url_is_a_rejection() -> None:
    assert verdict_of_error(aiohttp.InvalidURL("http://")) == Rejected("bad_url")
    assert verdict_of_error(UnicodeError("label too long")) == Rejected("bad_url")


def test_network_errors_count_against_the_host_too_and_are_not_retried_at_once() -> None:
    assert NETWORK_ERRORS < HOST_ERRORS
    assert not NETWORK_ERRORS & RETRIED_ERRORS
    assert {f"http_{status}" for status in TRANSIENT_STATUSES} > {w for w in RETRIED_ERRORS if w.startswith("http_")}
