"""Canonical URLs and keys: the table of RFC 3986 rules, and idempotence on any string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas import identity, layout

CASES = [
    ("HTTP://Example.COM:80/", "http://example.com/"),
    ("https://example.com:443", "https://example.com/"),
    ("https://example.com:8443/a", "https://example.com:8443/a"),
    ("http://user:pw@example.com./a", "http://example.com/a"),
    ("http://example.com/a/./b/../c", "http://example.com/a/c"),
    ("http://example.com/%7euser/a%2fb", "http://example.com/~user/a%2Fb"),
    ("http://example.com/a?utm_source=x&b=2&a=1&gclid=3", "http://example.com/a?a=1&b=2"),
    ("http://example.com/a?b=2&b=1", "http://example.com/a?b=1&b=2"),
    ("http://example.com/a;jsessionid=1F?x", "http://example.com/a?x"),
    ("http://example.com/a?#frag", "http://example.com/a"),
    ("http://bücher.example/ä", "http://xn--bcher-kva.example/%C3%A4"),
    ("http://faß.example/", "http://xn--fa-hia.example/"),
    ("http://i❤.example/", "http://xn--i-7iq.example/"),
    ("http://0x7f.1/", "http://127.0.0.1/"),
]


@pytest.mark.parametrize(("url", "canonical"), CASES)
def test_canonical_urls_are_those_of_the_table(url: str, canonical: str) -> None:
    assert identity.canonical_url(url) == canonical


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-zA-Z0-9.:%/?&=#;_~-]{1,60}", fullmatch=True))
def test_canonical_url_is_total_and_idempotent(url: str) -> None:
    once = identity.canonical_url(url)
    assert identity.canonical_url(once) == once


def test_an_image_keeps_its_query() -> None:
    assert identity.image_key("http://a.example/i?w=1&utm_x=2") != identity.image_key("http://a.example/i?w=1")
    assert identity.page_key("http://a.example/i?w=1&utm_x=2") == identity.page_key("http://a.example/i?w=1")


def test_scheme_and_www_do_not_make_another_page() -> None:
    assert identity.page_key("http://www.example.com/a") == identity.page_key("https://example.com/a")
    assert identity.page_key("http://www.example.com/a") != identity.image_key("http://www.example.com/a")


def test_pair_keys_are_over_nfc() -> None:
    assert identity.pair_key("http://a/b", "é") == identity.pair_key("http://a/b", "é")


def test_the_registered_domain_is_the_suffix_and_one_label() -> None:
    assert identity.registered_domain("a.b.co.uk") == "b.co.uk"
    assert identity.registered_domain("127.0.0.1") == "127.0.0.1"
    assert identity.registered_domain("garden.localhost") == "garden.localhost"


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(0, 10))
def test_doubling_the_shards_splits_each_in_two(key: str, power: int) -> None:
    assert layout.shard_of(key, 2 << power) // 2 == layout.shard_of(key, 1 << power)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("  http://a.example/  ", "http://a.example/"),
        ("/relative", "/relative"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("http://a.example:99999/", "http://a.example:99999/"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("http://a.example/..", "http://a.example/"),
        ("http://a.example/a/..", "http://a.example/"),
        ("http://a.example/a/b/.", "http://a.example/a/b/"),
        ("http://a.example//b", "http://a.example//b"),
        ("http://a.example", "http://a.example/"),
        ("http://a.example/a%2Fb", "http://a.example/a%2Fb"),
        ("http://a.example/?x=%20 y", "http://a.example/?x=%20%20y"),
        ("http://a.example/?sid=1&SESSIONID=2&side=3", "http://a.example/?side=3"),
        ("http://a.example/?b&a", "http://a.example/?a&b"),
        ("ftp://a.example:80/", "ftp://a.example:80/"),
        ("http://a.example:443/", "http://a.example:443/"),
    ],
)
def test_unusual_urls_have_the_expected_canonical_form(url: str, canonical: str) -> None:
    assert identity.canonical_url(url) == canonical


def test_the_query_is_kept_in_order_where_it_names_the_image() -> None:
    assert identity.canonical_url("http://a.example/i?b=1&a=2&utm_x=3", keep_query=True) == (
        "http://a.example/i?b=1&a=2&utm_x=3"
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://A.Example.:80/", "a.example"), ("http://bücher.example/", "xn--bcher-kva.example"), ("nothing", ""),
     ("http://[bad/", ""), ("http://" + "ü" * 70 + ".example/", "")],
)  # fmt: skip
def test_a_host_is_lower_case_punycode_without_port(url: str, host: str) -> None:
    assert identity.host_of(url) == host


def test_keys_never_change() -> None:
    assert identity.make_key("page", "a") == "138b9acb023a04be609ba2ebedf32107"
    assert identity.page_key("http://www.a.example/x?b=1&a=2") == "e367d37019f735707933e5b4d580fd87"
    assert identity.image_key("http://www.a.example/x?b=1&a=2") == "54a80589a1dbb1ed4ed2884c9abee4ab"
    assert identity.pair_key("http://www.a.example/x", "text") == "2afb1d8d2fdf6d3e540db2936187ec48"
    assert identity.make_key("a", "b") != identity.make_key("ab")
    assert len(identity.make_key("a", "\udc80")) == layout.KEY_DIGITS


def test_a_pair_is_its_image_and_its_text() -> None:
    key = identity.pair_key("http://a.example/i?b=1&a=2", "text")
    assert key == identity.pair_key("https://www.a.example/i?b=1&a=2", "text")
    assert key != identity.pair_key("http://a.example/i?a=2&b=1", "text")
    assert key != identity.pair_key("http://a.example/i?b=1&a=2", "Text")


def test_addresses_and_suffixes_are_domains_of_their_own() -> None:
    assert identity.registered_domain("::1") == "::1"
    assert identity.registered_domain("co.uk") == "co.uk"
    assert identity.registered_domain("www.example.com") == "example.com"
