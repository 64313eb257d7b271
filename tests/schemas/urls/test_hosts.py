"""Hosts as browsers ask them: the cases of the URL standard for what can be resolved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas.urls.hosts import ascii_host, host_and_port

NAMES = [
    # Names: case, percent escapes, underscores, hyphens, the final dot
    ("Example.COM", "example.com"),
    ("example.com.", "example.com"),
    ("ex%41mple.com", "example.com"),
    ("%65%78%61mple.com", "example.com"),
    ("my_host.example", "my_host.example"),
    ("-a-.example", "-a-.example"),
    ("ab--c.example", "ab--c.example"),
    ("a.b-c", "a.b-c"),
    ("a'b!$&(*)+,;=~`{}\".example", "a'b!$&(*)+,;=~`{}\".example"),
    # UTS 46, non-transitional
    ("faß.example", "xn--fa-hia.example"),
    ("FAẞ.example", "xn--fa-hia.example"),
    ("βόλος.example", "xn--nxasmm1c.example"),
    ("Bücher.example", "xn--bcher-kva.example"),
    ("b%C3%BCcher.example", "xn--bcher-kva.example"),
    ("bu\u0308cher.example", "xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("日本。example", "xn--wgv71a.example"),
    ("日本．example", "xn--wgv71a.example"),
    ("日本｡example", "xn--wgv71a.example"),
    ("ａ.example", "a.example"),
    ("Ｇｏ.com", "go.com"),
    ("☃.example", "xn--n3h.example"),
    ("i❤.example", "xn--i-7iq.example"),
    ("💩.la", "xn--ls8h.la"),
    ("ex\u00adample.com", "example.com"),
    ("www.foo\ufeffbar.com", "www.foobar.com"),
    ("GOO\u200b\u2060\ufeffgoo.com", "googoo.com"),
    ("नी\u200dं.example", None),
    ("क्\u200dष.example", "xn--11b2ezcw70k.example"),
    ("a\u200cb.example", None),
    ("א1.example", "xn--1-zhc.example"),
    ("1א.example", None),
    ("אa.example", None),
    ("\u0301a.example", None),
    ("faß.xn--a", None),
    ("xn--", None),
    ("xn--a", None),
    ("xn--zn7c.com", None),
    ("xn--a-yoc", None),
    ("a\u2260b.example", "xn--ab-miv.example"),
    ("\ud800.example", None),
    ("\ufffd.example", None),
    ("\u1ffb\ufdd0.example", None),
    # Forbidden code points
    ("a b", None),
    ("a%20b", None),
    ("a%00b", None),
    ("a%", None),
    ("%zz", None),
    ("a%2fb", None),
    ("a／b", None),
    ("a℀b", None),
    ("a<b", None),
    ("a^b", None),
    ("a|b", None),
    ("a\x7fb", None),
    ("a[b", None),
    ("a@b", None),
    ("a%3Ab", None),
    ("", None),
    ("%C2%AD", None),
    # The standard takes these, but no DNS name is one
    ("a..b", None),
    (".a", None),
    ("a..", None),
    ("a" * 64, None),
    ("a." * 126 + "ab", None),
    ("a" * 63 + ".example", "a" * 63 + ".example"),
    # IPv4 in all spellings
    ("192.168.0.1", "192.168.0.1"),
    ("192.168.0.1.", "192.168.0.1"),
    ("127.1", "127.0.0.1"),
    ("1.2.3", "1.2.0.3"),
    ("0", "0.0.0.0"),
    ("0x", "0.0.0.0"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0X7F.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("192.0x00A80001", "192.168.0.1"),
    ("%30%78%63%30%2e%30%32%35%30.01", "192.168.0.1"),
    ("０Ｘｃ０．０２５０．０１", "192.168.0.1"),
    ("256", "0.0.1.0"),
    ("4294967295", "255.255.255.255"),
    ("4294967296", None),
    ("0x100000000", None),
    ("256.256.256.256", None),
    ("1.2.3.256", None),
    ("1.2.65536", None),
    ("1.2.3.4.5", None),
    ("09.1.1.1", None),
    ("1.1.1.08", None),
    ("1.2..4", None),
    ("foo.0x4", None),
    ("foo.09", None),
    ("foo.2.3", None),
    ("1.2.3.4a", "1.2.3.4a"),
    ("0xg", "0xg"),
    ("a.1b", "a.1b"),
]


@pytest.mark.parametrize(("host", "asked"), NAMES)
def test_each_host_of_the_url_standard_is_asked_by_its_name_or_refused(host: str, asked: str | None) -> None:
    if asked is None:
        with pytest.raises(ValueError):
            ascii_host(host)
    else:
        assert ascii_host(host) == asked
        assert ascii_host(asked) == asked


@pytest.mark.parametrize(
    ("authority", "place"),
    [
        ("a.example", ("a.example", None)),
        ("a.example:", ("a.example", None)),
        ("a.example:8080", ("a.example", 8080)),
        ("a.example:00080", ("a.example", 80)),
        ("a.example:0", ("a.example", 0)),
        ("user:pw@a.example", ("a.example", None)),
        ("u@b:p@a.example:1", ("a.example", 1)),
        ("[::1]", ("::1", None)),
        ("[::1]:80", ("::1", 80)),
        ("[2001:0DB8::0:1]", ("2001:db8::1", None)),
        ("[::127.0.0.1]", ("::7f00:1", None)),
        ("[::ffff:127.0.0.1]", ("::ffff:7f00:1", None)),
        ("[1:0::]", ("1::", None)),
        ("a.example:65536", None),
        ("a.example:-1", None),
        ("a.example:8a", None),
        ("a.example:\u0668", None),
        ("a.example:" + "9" * 5000, None),
        ("::1", None),
        ("[::1", None),
        ("[::1]a", None),
        ("[::1]a:80", None),
        ("[fe80::1%25eth0]", None),
        ("[a.example]", None),
        ("[]", None),
        ("[0:1:2:3:4:5:6:7:8]", None),
        ("[::1.2.3]", None),
        ("", None),
        (":80", None),
        ("user@", None),
    ],
)
def test_each_authority_has_its_host_and_port_or_is_refused(
    authority: str, place: tuple[str, int | None] | None
) -> None:
    if place is None:
        with pytest.raises(ValueError):
            host_and_port(authority)
    else:
        assert host_and_port(authority) == place


@given(st.text(max_size=20) | st.text("aß.0x19%é-", max_size=12))
def test_any_text_is_a_host_that_stays_the_same_or_refused(text: str) -> None:
    try:
        host = ascii_host(text)
    except ValueError:
        return
    assert host.isascii()
    assert ascii_host(host) == host
