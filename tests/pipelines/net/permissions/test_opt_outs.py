"""Opt-out signals: reading them, and deciding on pages and on images."""

import time

import pytest

from corpusloom.pipelines.net.config import SIGNALS
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, robots_words, signals_of_headers, signals_of_html
from corpusloom.schemas.verdicts import Rejected

AT = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("name", "value", "page", "image"),
    [
        ("X-Robots-Tag", "noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "NoAI, noimageai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "noimageai", None, "opt_out_noimageai"),
        ("X-Robots-Tag", "noml", "opt_out_noml", "opt_out_noml"),
        ("X-Robots-Tag", "noindex", "opt_out_noindex", "opt_out_noindex"),
        ("X-Robots-Tag", "none", "opt_out_noindex", "opt_out_noindex"),
        ("X-Robots-Tag", "noimageindex", None, "opt_out_noimageindex"),
        ("X-Robots-Tag", "corpusloom: noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "otherbot: noai, noindex", None, None),
        ("X-Robots-Tag", "otherbot: nofollow, corpusloom: noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2027 15:00:00 PST, noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "max-snippet: 20, nosnippet, noarchive", None, None),
        ("X-Robots-Tag", "unavailable_after: Sat, 25 Jun 2027 15:00:00 GMT, noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "unavailable_after: Friday, 25-Jun-27 15:00:00 UTC, noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "unavailable_after: 2027-06-25T15:00:00+00:00, noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "noai, unavailable_after: Fri Jun 25 15:00:00 2027", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2027, 15:00:00, noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "otherbot: unavailable_after: 25 Jun 2027 15:00:00 PST, noai", None, None),
        ("X-Robots-Tag", "corpusloom/0.1: noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "*: noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "mj12bot: noai", None, None),
        ("X-Robots-Tag", "noindex;noai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "noai noimageai", "opt_out_noai", "opt_out_noai"),
        ("X-Robots-Tag", "noairline, nonexistent", None, None),
        ("TDM-Reservation", "0, 1", "opt_out_tdm_reservation", "opt_out_tdm_reservation"),
        ("TDM-Reservation", " 1 ", "opt_out_tdm_reservation", "opt_out_tdm_reservation"),
        ("TDM-Reservation", "1", "opt_out_tdm_reservation", "opt_out_tdm_reservation"),
        ("TDM-Reservation", "0", None, None),
        ("TDM-Reservation", "yes", None, None),
        ("Content-Usage", "train-ai=n", "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", "search=y, genai=n", "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", "train-ai=y", None, None),
        ("Content-Usage", "Train-AI=N", "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", "train-ai=?0;x=1", "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", "train-ai=y, train-ai=n", "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", 'train-ai="n"', "opt_out_train_ai", "opt_out_train_ai"),
        ("Content-Usage", "train-ai=new", None, None),
        ("Content-Usage", "no-train-ai=n", None, None),
        ("Content-Usage", "search=n", None, None),
        ("Content-Signal", "search=yes, ai-train=no", "opt_out_ai_train", "opt_out_ai_train"),
        ("Content-Signal", "ai-input=no", None, None),
        ("Content-Signal", "AI-Train=No", "opt_out_ai_train", "opt_out_ai_train"),
        ("Content-Signal", "ai-train=not-yet", None, None),
    ],
)
def test_each_opt_out_header_has_its_verdict(name: str, value: str, page: str | None, image: str | None) -> None:
    signals = signals_of_headers([("Server", "x"), (name, value)], seen_at=AT)
    assert [signal.value for signal in signals] == [value.strip()]
    for unit, reason in (("page", page), ("image", image)):
        verdict = opt_out(signals, SIGNALS, unit)  # type: ignore[arg-type]
        assert verdict == (None if reason is None else Rejected(reason))


def test_a_signal_that_is_not_honoured_is_recorded_and_keeps() -> None:
    signals = signals_of_headers([("X-Robots-Tag", "noai")], seen_at=AT)
    assert signals[0].where == "header"
    assert opt_out(signals, ()) is None


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (b'<meta name="robots" content="noai">', "opt_out_noai"),
        (b"<META CONTENT=noai NAME=robots>", "opt_out_noai"),
        (b"<meta name='CorpusLoom' content='noai'>", "opt_out_noai"),
        (b'<meta name="googlebot" content="noai">', None),
        (b'<meta name="tdm-reservation" content="1">', "opt_out_tdm_reservation"),
        (b'<meta name="description" content="noai">', None),
        (b"<meta name=robots", None),
        (b" " * 70_000 + b'<meta name="robots" content="noai">', "opt_out_noai"),
        (b"<style>" + b"a{}" * 90_000 + b"</style><meta name=robots content=noai>", "opt_out_noai"),
        (b'<meta/name="robots"/content="noai">', "opt_out_noai"),
        (b'<meta data-name="x" name="robots" data-content="y" content="noai">', "opt_out_noai"),
        (b'<meta name="robots" content="index&#44;noai">', "opt_out_noai"),
        (b'<meta http-equiv="X-Robots-Tag" content="noai">', "opt_out_noai"),
        (b'<meta name="content-signal" content="ai-train=no">', "opt_out_ai_train"),
        (b'<!-- <meta name="robots" content="noai"> -->', None),
        (b'<!-- a --><meta name="robots" content="noai"><!-- b -->', "opt_out_noai"),
        (b"""<script>document.write('<meta name="robots" content="noai">')</script>""", None),
        (b'<textarea><meta name="robots" content="noai"></textarea>', None),
        (b'<noscript><meta name="robots" content="noai"></noscript>', "opt_out_noai"),
        (b'<metadata name="robots" content="noai">', None),
        (b'<meta name="robots">', None),
        ('<meta name="robots" content="noai">'.encode("utf-16"), "opt_out_noai"),
        (b'<meta name="robots" content="index"><meta name="robots" content="noai">', "opt_out_noai"),
    ],
)
def test_each_meta_element_has_its_verdict(html: bytes, reason: str | None) -> None:
    verdict = opt_out(signals_of_html(html, seen_at=AT), SIGNALS)
    assert verdict == (None if reason is None else Rejected(reason))


def test_tdmrep_is_decided_by_its_latest_level() -> None:
    header = signals_of_headers([("tdm-reservation", "1")], seen_at=AT)
    meta = signals_of_html(b'<meta name="tdm-reservation" content="0">', seen_at=AT)
    assert opt_out((*header, *meta), SIGNALS) is None
    assert opt_out((*meta, *header), SIGNALS) is None


@pytest.mark.parametrize("values", [("0", "1"), ("1", "0"), ("1", "yes")])
def test_of_two_tdm_headers_the_reservation_wins(values: tuple[str, ...]) -> None:
    signals = signals_of_headers([("tdm-reservation", value) for value in values], seen_at=AT)
    assert opt_out(signals, SIGNALS) == Rejected("opt_out_tdm_reservation")


@pytest.mark.parametrize(
    "html",
    [
        b"<meta" * 13_000,
        b"<meta name" * 6_500,
        b'<meta name="robots' * 60_000,
        b"<meta " + b" " * 65_000,
        b"<!--robots" * 90_000,
    ],
)
def test_hostile_html_takes_no_time(html: bytes) -> None:
    start = time.process_time()
    signals_of_html(html, seen_at=AT)
    assert time.process_time() - start < 0.5


def test_none_is_noindex_and_nofollow() -> None:
    assert robots_words("none") == {"none", "noindex", "nofollow"}
